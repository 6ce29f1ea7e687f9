import type { SpendRow, Store } from '../ports/store.ts';
import type { Caller } from './caller.ts';

/** Looked up per dimension for one answer; the ids of the rest speak for themselves. */
const MAX_NAMES = 1000;
/** Asked of the storage at a time. */
const AT_ONCE = 50;

const KINDS = ['team', 'project', 'organization'] as const;

/** What is called how, by dimension and id. */
export type SpendNames = Readonly<Record<string, Readonly<Record<string, string>>>>;

type NamingStore = Pick<Store, 'keys' | 'places'>;

/** The names of the keys, teams, projects and organizations in an answer about spend. */
export function namesIn(rows: readonly SpendRow[], store: NamingStore, caller: Caller): Promise<SpendNames> {
  return nameBook(store, caller, MAX_NAMES)(rows);
}

/** Learns the names of answer after answer, each id once, `most` per dimension. */
export function nameBook(store: NamingStore, caller: Caller, most: number) {
  const names: Record<string, Record<string, string>> = {};
  const asked = new Map<string, Set<string>>();
  const lookUp = async (
    rows: readonly SpendRow[],
    dimension: string,
    find: (id: string) => Promise<{ name: string } | undefined>,
  ) => {
    const known = asked.get(dimension) ?? new Set<string>();
    asked.set(dimension, known);
    const ids = new Set(rows.map(({ group }) => group[dimension] ?? '').filter((id) => id !== ''));
    const fresh = [...ids].filter((id) => !known.has(id)).slice(0, Math.max(0, most - known.size));
    for (const id of fresh) known.add(id);
    if (ids.size === 0) return;
    const named = names[dimension] ?? {};
    names[dimension] = named;
    for (let from = 0; from < fresh.length; from += AT_ONCE) {
      const some = fresh.slice(from, from + AT_ONCE);
      const found = await Promise.all(some.map(find));
      for (const [index, one] of found.entries()) {
        if (one !== undefined) named[some[index] ?? ''] = one.name;
      }
    }
  };
  return async (rows: readonly SpendRow[]): Promise<SpendNames> => {
    await lookUp(rows, 'key', (id) => store.keys.get(id));
    for (const kind of KINDS) await lookUp(rows, kind, (id) => store.places.get(kind, caller.tenant, id));
    return names;
  };
}
