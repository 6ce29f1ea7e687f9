import type { Gathered } from './gather.ts';
import { SCOPE_NOUNS } from './kinds.ts';

const BUILT_IN: ReadonlySet<string> = new Set(['owner', 'admin', 'member', 'viewer', 'billing', 'auditor']);

/** A thing that is not there yet. */
const PENDING = '';

/** Ids of things by what files call them. What a plan will make is known, and gets its id when it is made. */
export class Ids {
  readonly #ids = new Map<string, string>();
  readonly #all = new Set<string>();

  constructor(gathered: Gathered) {
    const { organizations, teams, projects, users, serviceAccounts, keys, roles } = gathered;
    const homes = new Map(organizations.map(({ id, name }) => [id, name]));
    const teamNames = new Map(teams.map(({ id, name }) => [id, name]));
    for (const { id, name } of organizations) this.#put('organization', '', { name, id });
    const place = (row: { readonly organization_id: string | null }) =>
      homes.get(row.organization_id ?? '') ?? '';
    for (const row of teams) this.#put('team', place(row), row);
    for (const row of projects) {
      this.#put('project', place(row), {
        id: row.id,
        name: `${teamNames.get(row.team_id) ?? row.team_id}/${row.name}`,
      });
    }
    for (const row of users)
      this.#put('user', place(row), { id: row.id, name: (row.email ?? row.name).toLowerCase() });
    for (const row of serviceAccounts) this.#put('service_account', place(row), row);
    for (const row of keys) this.#put('key', place(row), row);
    for (const row of roles) this.#put('role', place(row), { id: row.id, name: row.name });
  }

  /** What a plan found or will make under this name. */
  plan(
    noun: string,
    organization: string,
    thing: { readonly name: string; readonly id: string | undefined },
  ): void {
    this.#put(noun, organization, { name: thing.name, id: thing.id ?? PENDING });
  }

  /** Notes the id of what was made just now. */
  made(noun: string, organization: string, thing: { readonly name: string; readonly id: string }): void {
    this.#put(noun, organization, thing);
  }

  knows(noun: string, organization: string, name: string): boolean {
    return this.#all.has(name) || this.#ids.has(placeOf(noun, organization, name));
  }

  /** The id behind a name; the name itself where it is an id. */
  find(noun: string, organization: string, name: string): string {
    const found = this.#ids.get(placeOf(noun, organization, name));
    return found === undefined || found === PENDING ? name : found;
  }

  role(organization: string, name: string): string {
    return BUILT_IN.has(name) ? name : this.find('role', organization, name);
  }

  scope(organization: string, scope: string, name: string): string {
    if (scope === 'organization') return this.find('organization', '', name);
    return SCOPE_NOUNS.has(scope) ? this.find(scope, organization, name) : name;
  }

  #put(noun: string, organization: string, thing: { readonly id: string; readonly name: string }): void {
    const place = placeOf(noun, organization, thing.name);
    if (thing.id === PENDING && this.#ids.has(place)) return;
    this.#ids.set(place, thing.id);
    if (thing.id !== PENDING) this.#all.add(thing.id);
  }
}

function placeOf(noun: string, organization: string, name: string): string {
  return JSON.stringify([noun, organization, noun === 'user' ? name.toLowerCase() : name]);
}
