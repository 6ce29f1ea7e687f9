import type { SpendRow, Store } from '../ports/store.ts';
import type { Caller } from './caller.ts';

/** Looked up per dimension; the ids of the rest speak for themselves. */
const MAX_NAMES = 1000;
/** Asked of the storage at a time. */
const AT_ONCE = 50;

const KINDS = ['team', 'project', 'organization'] as const;

/** What is called how, by dimension and id. */
export type SpendNames = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** The names of the keys, teams, projects and organizations in an answer about spend. */
export async function namesIn(
  rows: readonly SpendRow[],
  store: Pick<Store, 'keys' | 'places'>,
  caller: Caller,
): Promise<SpendNames> {
  const names: Record<string, Readonly<Record<string, string>>> = {};
  const lookUp = async (dimension: string, find: (id: string) => Promise<{ name: string } | undefined>) => {
    const ids = new Set(rows.map(({ group }) => group[dimension] ?? '').filter((id) => id !== ''));
    if (ids.size > 0) names[dimension] = await found([...ids].slice(0, MAX_NAMES), find);
  };
  await lookUp('key', (id) => store.keys.get(id));
  for (const kind of KINDS) await lookUp(kind, (id) => store.places.get(kind, caller.tenant, id));
  return names;
}

async function found(ids: readonly string[], find: (id: string) => Promise<{ name: string } | undefined>) {
  const known: [string, string][] = [];
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const some = ids.slice(from, from + AT_ONCE);
    const all = await Promise.all(some.map(find));
    for (const [index, one] of all.entries()) {
      if (one !== undefined) known.push([some[index] ?? '', one.name]);
    }
  }
  return Object.fromEntries(known);
}
