import { SluiceError } from '../../core/errors/error.ts';
import type { User } from '../../core/policy/place.ts';
import type { Log } from '../../ports/log-sink.ts';
import type { AuditLog } from '../audit.ts';
import { type Caller, type Handlers, notFound, operator } from '../caller.ts';
import { PlaceDesk, type PlacePorts } from '../place-ports.ts';
import type { Sessions } from '../sessions.ts';
import { InTurn } from '../sign-in/in-turn.ts';
import { type GroupMapping, rolesOf, syncRoles, type WantedRole } from '../sign-in/mapped-roles.ts';
import { type ScimGroup, ScimGroups } from './groups.ts';

export interface ScimDirectoryPorts extends PlacePorts {
  readonly audit: AuditLog;
  readonly log: Log;
  readonly sessions: Sessions;
  readonly deleteUser: Handlers['deleteUser'];
  /** What groups give, as configured now. */
  readonly mapping: () => {
    readonly groups: readonly GroupMapping[];
    readonly defaultRole: string | undefined;
  };
}

/** Who speaks SCIM: a directory, for one organization. */
export interface ScimSpeaker {
  readonly tokenId: string;
  readonly organizationId: string;
  readonly address: string;
}

/** A user as the directory wants him. */
export interface WantedUser {
  readonly userName: string;
  readonly name: string;
  readonly email: string | undefined;
  readonly externalId: string | undefined;
  readonly active: boolean;
  /** The resource as it was sent, to be shown again. */
  readonly resource: Readonly<Record<string, unknown>>;
}

/** A user a directory provisioned. */
export interface ProvisionedUser {
  readonly user: User;
  readonly resource: Readonly<Record<string, unknown>>;
  readonly updatedAt: number;
}

/** Where a mapping's roles come from. */
const SOURCE = 'scim';

/**
 * Users and groups of a directory. It sees and changes the users it provisioned itself, and no others: who was here
 * before is not taken over because an address is the same.
 */
export class ScimDirectory {
  readonly groups: ScimGroups;
  readonly #ports: ScimDirectoryPorts;
  readonly #desk: PlaceDesk;
  readonly #turns = new InTurn();

  constructor(ports: ScimDirectoryPorts) {
    this.#ports = ports;
    this.#desk = new PlaceDesk(ports);
    this.groups = new ScimGroups(ports);
  }

  /** One change of an organization at a time: groups are read, changed and written. */
  inTurn<T>(speaker: ScimSpeaker, work: () => Promise<T>): Promise<T> {
    return this.#turns.run(speaker.organizationId, work);
  }

  async users(speaker: ScimSpeaker): Promise<readonly ProvisionedUser[]> {
    const prefix = prefixOf(speaker.organizationId);
    const found = await this.#ports.store.settings.list(prefix);
    return found.flatMap(({ name, value, updatedAt }) =>
      this.#joined(name.slice(prefix.length), value, updatedAt),
    );
  }

  async user(speaker: ScimSpeaker, id: string): Promise<ProvisionedUser> {
    const found = await this.#ports.store.settings.get(prefixOf(speaker.organizationId) + id);
    const [user] = found === undefined ? [] : this.#joined(id, found.value, found.updatedAt);
    if (user === undefined || user.user.organizationId !== speaker.organizationId) throw notFound('user');
    return user;
  }

  #joined(id: string, value: string, updatedAt: number): readonly ProvisionedUser[] {
    const user = this.#ports.places.users.get(id);
    if (user === undefined || user.deletedAt !== undefined) return [];
    return [{ user, updatedAt, resource: JSON.parse(value) as Record<string, unknown> }];
  }

  async createUser(speaker: ScimSpeaker, wanted: WantedUser): Promise<ProvisionedUser> {
    await this.#demandFree(speaker, wanted, undefined);
    const user: User = {
      id: this.#desk.newId('user'),
      organizationId: speaker.organizationId,
      name: wanted.name,
      email: wanted.email,
      externalId: wanted.externalId,
      disabled: !wanted.active,
      deletedAt: undefined,
      policy: {},
      limitedBy: [],
      metadata: {},
      createdAt: this.#ports.clock.now(),
    };
    await this.#note(speaker, 'scim.users.create', user.id, wanted);
    await this.#desk.insert('user', this.caller(speaker), user);
    await this.#remember(user, wanted);
    await this.#syncRoles(speaker, user);
    return this.user(speaker, user.id);
  }

  async updateUser(speaker: ScimSpeaker, id: string, wanted: WantedUser): Promise<ProvisionedUser> {
    const before = (await this.user(speaker, id)).user;
    await this.#demandFree(speaker, wanted, id);
    await this.#note(speaker, wanted.active ? 'scim.users.update' : 'scim.users.deactivate', id, wanted);
    const { name, email, externalId, active } = wanted;
    const change = { name, email, externalId, disabled: !active };
    const user = await this.#desk.update('user', this.caller(speaker), { id, change });
    await this.#remember(user, wanted);
    // His keys are refused from the next request on: they are compiled against the user.
    if (!active && !before.disabled) await this.#ports.sessions.closeAllOf(id);
    await this.#syncRoles(speaker, user);
    return this.user(speaker, id);
  }

  async deleteUser(speaker: ScimSpeaker, id: string): Promise<void> {
    await this.user(speaker, id);
    await this.#note(speaker, 'scim.users.delete', id, {});
    await this.#ports.deleteUser({ id }, this.caller(speaker));
    await this.#ports.sessions.closeAllOf(id);
    await this.#ports.store.settings.delete(prefixOf(speaker.organizationId) + id);
    for (const group of await this.groups.list(speaker.organizationId)) {
      if (!group.members.includes(id)) continue;
      const members = group.members.filter((member) => member !== id);
      await this.groups.put(speaker.organizationId, { ...group, members }, group);
    }
  }

  /** A new group, or `before` changed. Members get and lose what its name gives. */
  async putGroup(
    speaker: ScimSpeaker,
    wanted: Pick<ScimGroup, 'displayName' | 'externalId' | 'members'>,
    before: ScimGroup | undefined,
  ): Promise<ScimGroup> {
    for (const id of wanted.members) {
      if (before?.members.includes(id) !== true) await this.#demandMember(speaker, id);
    }
    const { displayName, members } = wanted;
    const action = before === undefined ? 'scim.groups.create' : 'scim.groups.update';
    await this.#note(speaker, action, before?.id ?? displayName, { displayName, members: members.length });
    const group = await this.groups.put(speaker.organizationId, wanted, before);
    await this.#syncMembers(speaker, new Set([...(before?.members ?? []), ...members]));
    return group;
  }

  async deleteGroup(speaker: ScimSpeaker, id: string): Promise<void> {
    const group = await this.groups.get(speaker.organizationId, id);
    if (group === undefined) throw notFound('group');
    await this.#note(speaker, 'scim.groups.delete', id, { displayName: group.displayName });
    await this.groups.remove(speaker.organizationId, id);
    await this.#syncMembers(speaker, new Set(group.members));
  }

  async #demandMember(speaker: ScimSpeaker, id: string): Promise<void> {
    await this.user(speaker, id).catch((error: unknown) => {
      if (!(error instanceof SluiceError) || error.code !== 'not_found') throw error;
      throw new SluiceError('bad_request', 'A member of this group is no user that was provisioned here.');
    });
  }

  async #syncMembers(speaker: ScimSpeaker, ids: ReadonlySet<string>): Promise<void> {
    const groups = await this.groups.list(speaker.organizationId);
    for (const id of ids) {
      const user = this.#ports.places.users.get(id);
      if (user !== undefined && user.deletedAt === undefined) await this.#syncRoles(speaker, user, groups);
    }
  }

  async #syncRoles(speaker: ScimSpeaker, user: User, known?: readonly ScimGroup[]): Promise<void> {
    const groups = known ?? (await this.groups.list(speaker.organizationId));
    const names = groups
      .filter(({ members }) => members.includes(user.id))
      .map(({ displayName }) => displayName);
    const { groups: mappings, defaultRole } = this.#ports.mapping();
    const mapped = rolesOf(mappings, new Set(names));
    const fallback: readonly WantedRole[] =
      defaultRole === undefined ? [] : [{ role: defaultRole, teamId: undefined }];
    await syncRoles(this.#ports, user, { source: SOURCE, wanted: mapped.length > 0 ? mapped : fallback });
  }

  async #demandFree(speaker: ScimSpeaker, wanted: WantedUser, id: string | undefined): Promise<void> {
    const name = wanted.userName.toLowerCase();
    const others = (await this.users(speaker)).filter(({ user }) => user.id !== id);
    if (others.some(({ resource }) => String(resource['userName']).toLowerCase() === name)) {
      throw new SluiceError('conflict', 'There is a user with this userName already.');
    }
  }

  async #remember(user: User, wanted: WantedUser): Promise<void> {
    await this.#ports.store.settings.put({
      name: prefixOf(user.organizationId) + user.id,
      value: JSON.stringify(wanted.resource),
      updatedAt: this.#ports.clock.now(),
      expiresAt: undefined,
    });
  }

  async #note(speaker: ScimSpeaker, action: string, target: string, details: object): Promise<void> {
    const { resource: _, ...facts } = details as { readonly resource?: unknown };
    const { organizationId: organization } = speaker;
    await this.#ports.audit.append(this.caller(speaker), { action, target, organization, details: facts });
  }

  /** The directory as a caller: everything, in its organization. */
  caller({ tokenId, organizationId, address }: ScimSpeaker): Caller {
    return { ...operator(`scim:${tokenId}`, address), tenant: { organizationId } };
  }
}

function prefixOf(organizationId: string): string {
  return `scim/user/${organizationId}/`;
}
