import { useQuery } from '@tanstack/react-query';
import type { EndpointName } from '../../src/control/contract.ts';
import { api, cached, send } from './api.ts';
import type { Act } from './components/act.tsx';
import type { Field, Option } from './form-input.ts';
import type { Place, Rights } from './me.ts';

/** A kind of thing that is made, changed and removed with three endpoints and one form. */
export interface Noun<Row extends { readonly id: string }> {
  readonly word: string;
  readonly create: EndpointName;
  readonly update: EndpointName;
  readonly remove: EndpointName;
  readonly fields: readonly Field[];
  readonly nameOf: (row: Row) => string;
  /** Sent along with every new one. */
  readonly with?: Readonly<Record<string, unknown>>;
  /** Where a new one is made; absent: wherever he may. */
  readonly newAt?: Place;
  /** Where the right to change one is asked for. */
  readonly at: (row: Row) => Place;
  /** Where the right to remove one is, if elsewhere. */
  readonly removeAt?: (row: Row) => Place;
  /** What the form starts with; default the row itself. */
  readonly stored?: (row: Row) => Readonly<Record<string, unknown>>;
  /** What removing one means. */
  readonly removal: string;
}

/** Making one; `undefined` for who may not. */
export function makeAct<Row extends { readonly id: string }>(
  rights: Rights,
  noun: Noun<Row>,
): Act | undefined {
  if (!rights.may(noun.create, noun.newAt)) return undefined;
  return {
    label: `New ${noun.word}`,
    title: `New ${noun.word}`,
    confirm: `Create ${noun.word}`,
    fields: noun.fields,
    run: async (input) => {
      await send(noun.create, { ...noun.with, ...input });
      return undefined;
    },
    done: `The ${noun.word} was made.`,
  };
}

/** Changing and removing one, as far as the caller may. */
export function changeActs<Row extends { readonly id: string }>(
  rights: Rights,
  noun: Noun<Row>,
  row: Row,
): Act[] {
  const { word, update, remove, at, removeAt = at } = noun;
  const name = noun.nameOf(row);
  const acts: Act[] = [];
  if (rights.may(update, at(row))) {
    acts.push({
      label: 'Edit',
      title: `Edit “${name}”`,
      confirm: 'Save',
      fields: noun.fields,
      stored: noun.stored?.(row) ?? (row as Readonly<Record<string, unknown>>),
      run: async (input) => {
        if (Object.keys(input).length > 0) await send(update, { id: row.id, ...input });
        return undefined;
      },
      done: `“${name}” is saved.`,
    });
  }
  if (rights.may(remove, removeAt(row))) {
    acts.push({
      label: 'Remove',
      title: `Remove “${name}”`,
      text: noun.removal,
      confirm: `Remove ${word}`,
      danger: true,
      run: async () => {
        await send(remove, { id: row.id });
        return undefined;
      },
      done: `“${name}” is removed.`,
    });
  }
  return acts;
}

/** Lists whose rows have a name. */
type Listed =
  | 'listOrganizations'
  | 'listTeams'
  | 'listProjects'
  | 'listUsers'
  | 'listServiceAccounts'
  | 'listRoles'
  | 'listKeys';

interface Page {
  readonly data: readonly { readonly id: string; readonly name: string }[];
  readonly next_cursor: string | null;
}

const PAGE = 500;
/** Beyond this many, an id is typed instead of chosen. */
const MAX_PAGES = 10;

/** Every name of a list, page by page. */
async function namesOf(name: Listed, organizationId: string | undefined): Promise<Option[]> {
  const options: Option[] = [];
  const filter =
    organizationId === undefined || name === 'listOrganizations' ? {} : { organization_id: organizationId };
  let cursor: string | null = null;
  for (let page = 0; page < MAX_PAGES; page++) {
    const found: Page = await api.call(name, {
      limit: PAGE,
      ...filter,
      ...(cursor === null ? {} : { cursor }),
    });
    for (const row of found.data) options.push({ value: row.id, label: row.name });
    cursor = found.next_cursor;
    if (cursor === null) break;
  }
  return options;
}

/** Two things of one name are told apart by the ends of their ids. */
function distinct(options: readonly Option[]): Option[] {
  const seen = new Map<string, number>();
  for (const { label } of options) seen.set(label, (seen.get(label) ?? 0) + 1);
  return options.map(({ value, label }) =>
    (seen.get(label) ?? 0) > 1 ? { value, label: `${label} (…${value.slice(-6)})` } : { value, label },
  );
}

/** Names by id, for choices and tables. */
export interface Names {
  readonly options: readonly Option[];
  /** The id itself where there is no name for it. */
  of(id: string | null): string;
}

/** The names of a kind of thing; none for who may not list it. */
export function useNames(rights: Rights, name: Listed, organizationId?: string): Names {
  const { data = [] } = useQuery({
    queryKey: ['places', 'names', name, organizationId ?? ''],
    queryFn: async () => distinct(await namesOf(name, organizationId)),
    enabled: rights.may(name),
    staleTime: 30_000,
  });
  return {
    options: data,
    of: (id) => (id === null ? '—' : (data.find(({ value }) => value === id)?.label ?? id)),
  };
}

/** The model names this gateway answers to, as suggestions. */
export function useModelNames(): readonly Option[] {
  const { data } = useQuery({ queryKey: cached.models, queryFn: () => api.call('listModels', {}) });
  return [...new Set((data?.data ?? []).map(({ id }) => id))].map((value) => ({ value, label: value }));
}
