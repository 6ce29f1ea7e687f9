import type { AuditLog } from '../control/audit.ts';
import type { Caller } from '../control/caller.ts';
import { ChangeWatch } from '../control/change-watch.ts';
import { KeyDirectory } from '../control/key-directory.ts';
import { KeyRotator } from '../control/key-secrets.ts';
import { createKeyHandlers } from '../control/keys.ts';
import { createMembershipHandlers, createRoleHandlers } from '../control/memberships.ts';
import { createOrganizationHandlers, ensureDefaultOrganization } from '../control/organizations.ts';
import { PlaceDirectory } from '../control/place-directory.ts';
import { Rights } from '../control/rights.ts';
import { createServiceAccountHandlers } from '../control/service-accounts.ts';
import { createProjectHandlers, createTeamHandlers } from '../control/teams.ts';
import { createUserHandlers } from '../control/users.ts';
import type { BudgetBook } from '../core/policy/budget.ts';
import { DEFAULT_ORGANIZATION_ID } from '../core/policy/place.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Random } from '../ports/random.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Store } from '../ports/store.ts';
import type { Config } from './config/index.ts';
import { downgradeFault, type Live } from './downgrade-fault.ts';
import { syncFileKeys } from './file-keys.ts';
import { syncFileTeams } from './file-teams.ts';

interface IdentityPorts {
  readonly store: Store;
  readonly book: BudgetBook;
  readonly secrets: SecretBox;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Who may do what, in memory and kept up to date: keys, places and the rights that follow. */
export interface Identity {
  readonly directory: KeyDirectory;
  readonly places: PlaceDirectory;
  readonly rights: Rights;
  readonly watch: ChangeWatch;
}

/** Makes the default organization where there is none, takes over what the file declares, and loads everything. */
export async function openIdentity(config: Config, ports: IdentityPorts): Promise<Identity> {
  const { store, clock, log } = ports;
  const places = new PlaceDirectory(store.places);
  const directory = new KeyDirectory({ ...ports, places });
  await ensureDefaultOrganization(ports);
  await syncFileTeams(config, store, clock.now());
  await syncFileKeys(config, ports, clock.now());
  const watch = await ChangeWatch.open({ store, clock, log, directory, places });
  return { directory, places, rights: new Rights(places), watch };
}

/** The handlers of keys, organizations and everything in them. Without `live` no model is looked up. */
export function createIdentityHandlers(identity: Identity, ports: IdentityPorts, live?: Live) {
  const downgrades = (name: string) => (live === undefined ? undefined : downgradeFault(live, name));
  const parts = { ...ports, ...identity, downgradeFault: downgrades };
  return {
    ...createKeyHandlers(parts),
    ...createOrganizationHandlers(parts),
    ...createTeamHandlers(parts),
    ...createProjectHandlers(parts),
    ...createUserHandlers(parts),
    ...createServiceAccountHandlers(parts),
    ...createMembershipHandlers(parts),
    ...createRoleHandlers(parts),
  };
}

/** The organization a call of the admin API is about, for its audit entry: the caller's, else that of what it names. */
export function organizationOf(
  { directory, places }: Identity,
  input: Readonly<Record<string, unknown>>,
  caller: Caller,
): string {
  if (caller.tenant !== 'every') return caller.tenant.organizationId;
  const { organization_id: named, id, user_id: user, team_id: team } = input;
  if (typeof named === 'string') return named;
  for (const wanted of [id, user, team]) {
    if (typeof wanted !== 'string') continue;
    const found = directory.get(wanted)?.organizationId ?? places.organizationOf(wanted);
    if (found !== undefined) return found;
  }
  return DEFAULT_ORGANIZATION_ID;
}

/** Rotates keys on their schedules until it is closed. */
export function startRotator(
  identity: Identity,
  ports: IdentityPorts & { readonly audit: AuditLog },
): KeyRotator {
  const rotator = new KeyRotator({ ...ports, ...identity });
  rotator.start();
  return rotator;
}
