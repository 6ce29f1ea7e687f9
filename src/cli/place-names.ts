import type { Connection } from './connect.ts';
import { CliFailure } from './failure.ts';

const LOOKUPS = {
  team: (gateway: Connection, name: string) => gateway.call('listTeams', { name }),
  project: (gateway: Connection, name: string) => gateway.call('listProjects', { name }),
  user: (gateway: Connection, email: string) => gateway.call('listUsers', { email }),
} as const;

/** Places that are named by an id or a name; users by their e-mail address. */
type NamedPlace = keyof typeof LOOKUPS;

function isNamedPlace(kind: string): kind is NamedPlace {
  return Object.hasOwn(LOOKUPS, kind);
}

/**
 * The id of the place that is named by its id or its name. What is no name here is taken for an id: the gateway says when it
 * is none. Throws {@link CliFailure} when several have the name.
 */
async function findPlaceId(gateway: Connection, kind: NamedPlace, idOrName: string): Promise<string> {
  if (idOrName === '*' || /^(?:team|proj|user)_[0-9a-z]{26}$/.test(idOrName)) return idOrName;
  const { data } = await LOOKUPS[kind](gateway, idOrName);
  const [first, second] = data;
  if (first === undefined) return idOrName;
  if (second !== undefined) {
    throw new CliFailure(
      'conflict',
      `More than one ${kind} is named "${idOrName}"; use an id of \`sluice ${kind}s list\`.`,
    );
  }
  return first.id;
}

/** A scope whose team, project or user may be named, with its id. Throws {@link CliFailure}. */
export async function withPlaceId<S extends { readonly scope: string; readonly scope_id: string }>(
  gateway: Connection,
  target: S,
): Promise<S> {
  const { scope, scope_id } = target;
  return isNamedPlace(scope) ? { ...target, scope_id: await findPlaceId(gateway, scope, scope_id) } : target;
}

/** The places of a new key, each named by id or name, by their ids. Throws {@link CliFailure}. */
export async function withPlaceIds<I extends Partial<Record<`${NamedPlace}_id`, string | null | undefined>>>(
  gateway: Connection,
  input: I,
): Promise<I> {
  const found: Partial<Record<`${NamedPlace}_id`, string>> = {};
  for (const kind of Object.keys(LOOKUPS) as NamedPlace[]) {
    const named = input[`${kind}_id`];
    if (typeof named === 'string') found[`${kind}_id`] = await findPlaceId(gateway, kind, named);
  }
  return { ...input, ...found };
}
