import { SluiceError } from '../../core/errors/error.ts';
import type { User } from '../../core/policy/place.ts';
import type { Log } from '../../ports/log-sink.ts';
import type { AuditLog } from '../audit.ts';
import { auditedChange, type Changed } from '../audited-change.ts';
import { type Caller, type Handlers, notFound, operator } from '../caller.ts';
import { everySetting } from '../every-setting.ts';
import { PlaceDesk, type PlacePorts } from '../place-ports.ts';
import type { Sessions } from '../sessions.ts';
import { type GroupMapping, rolesOf, syncRoles, type WantedRole } from '../sign-in/mapped-roles.ts';
import { Turns } from '../turns.ts';
import { type ScimGroup, ScimGroups } from './groups.ts';

export interface ScimDirectoryPorts extends PlacePorts {
  readonly audit: AuditLog;
  readonly log: Log;
  readonly sessions: Sessions;
  readonly deleteUser: Handlers['deleteUser'];
  /** Takes over what other processes changed. */
  readonly catchUp: () => Promise<void>;
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

/** Members an entry of the audit log names one by one. */
const MAX_NAMED = 500;
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
  readonly #turns: Turns;

  constructor(ports: ScimDirectoryPorts) {
    this.#ports = ports;
    this.#desk = new PlaceDesk(ports);
    this.#turns = new Turns(ports, 'scim');
    this.groups = new ScimGroups(ports);
  }

  /** One change of an organization at a time, in all processes: groups are read, changed and written. */
  inTurn<T>(speaker: ScimSpeaker, work: () => Promise<T>): Promise<T> {
    return this.#turns.run(speaker.organizationId, () => this.afterOthers(work));
  }

  /** What other processes changed is known before. */
  async afterOthers<T>(work: () => Promise<T>): Promise<T> {
    await this.#ports.catchUp();
    return work();
  }

  async users(speaker: ScimSpeaker): Promise<readonly ProvisionedUser[]> {
    const prefix = prefixOf(speaker.organizationId);
    const found: ProvisionedUser[] = [];
    for await (const { name, value, updatedAt } of everySetting(this.#ports.store.settings, prefix)) {
      found.push(...this.#joined(name.slice(prefix.length), value, updatedAt));
    }
    return found;
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
    const change = { action: 'scim.users.create', target: user.id, before: null, input: factsOf(wanted) };
    return this.#audited(speaker, change, async () => {
      await this.#desk.insert('user', this.caller(speaker), user);
      await this.#remember(user, wanted);
      await this.#syncRoles(speaker, user);
      const result = await this.user(speaker, user.id);
      return { result, after: viewOf(result) };
    });
  }

  async updateUser(speaker: ScimSpeaker, id: string, wanted: WantedUser): Promise<ProvisionedUser> {
    const before = await this.user(speaker, id);
    await this.#demandFree(speaker, wanted, id);
    const action = wanted.active ? 'scim.users.update' : 'scim.users.deactivate';
    const asked = { action, target: id, before: viewOf(before), input: factsOf(wanted) };
    return this.#audited(speaker, asked, async () => {
      const { name, email, externalId, active } = wanted;
      const change = { name, email, externalId, disabled: !active };
      const user = await this.#desk.update('user', this.caller(speaker), { id, change });
      await this.#remember(user, wanted);
      // His keys are refused from the next request on: they are compiled against the user.
      if (!active && !before.user.disabled) await this.#ports.sessions.closeAllOf(id);
      await this.#syncRoles(speaker, user);
      const result = await this.user(speaker, id);
      return { result, after: viewOf(result) };
    });
  }

  async deleteUser(speaker: ScimSpeaker, id: string): Promise<void> {
    const before = await this.user(speaker, id);
    const asked = { action: 'scim.users.delete', target: id, before: viewOf(before) };
    await this.#audited(speaker, asked, async () => {
      await this.#ports.deleteUser({ id }, this.caller(speaker));
      await this.#ports.sessions.closeAllOf(id);
      await this.#ports.store.settings.delete(prefixOf(speaker.organizationId) + id);
      for (const group of await this.groups.list(speaker.organizationId)) {
        if (!group.members.includes(id)) continue;
        const members = group.members.filter((member) => member !== id);
        await this.groups.put(speaker.organizationId, { ...group, members }, group);
      }
      return { result: undefined, after: null };
    });
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
    const asked = {
      action,
      target: before?.id ?? displayName,
      before: before === undefined ? null : groupView(before),
      input: { display_name: displayName, members: namedMembers(members) },
    };
    return this.#audited(speaker, asked, async () => {
      const group = await this.groups.put(speaker.organizationId, wanted, before);
      await this.#syncMembers(speaker, new Set([...(before?.members ?? []), ...members]));
      return { result: group, after: groupView(group), target: group.id };
    });
  }

  async deleteGroup(speaker: ScimSpeaker, id: string): Promise<void> {
    const group = await this.groups.get(speaker.organizationId, id);
    if (group === undefined) throw notFound('group');
    const asked = { action: 'scim.groups.delete', target: id, before: groupView(group) };
    await this.#audited(speaker, asked, async () => {
      await this.groups.remove(speaker.organizationId, id);
      await this.#syncMembers(speaker, new Set(group.members));
      return { result: undefined, after: null };
    });
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
    const wanted = mapped.length > 0 ? mapped : fallback;
    await syncRoles(this.#ports, user, { source: SOURCE, wanted, caller: this.caller(speaker) });
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

  #audited<Result>(
    speaker: ScimSpeaker,
    change: {
      readonly action: string;
      readonly target: string;
      readonly before: unknown;
      readonly input?: unknown;
    },
    work: () => Promise<Changed<Result>>,
  ): Promise<Result> {
    const { organizationId: organization } = speaker;
    return auditedChange(this.#ports, { caller: this.caller(speaker), organization, ...change }, work);
  }

  /** The directory as a caller: everything, in its organization. */
  caller({ tokenId, organizationId, address }: ScimSpeaker): Caller {
    return { ...operator(`scim:${tokenId}`, address), tenant: { organizationId } };
  }
}

function prefixOf(organizationId: string): string {
  return `scim/user/${organizationId}/`;
}

/** What the directory asked for, without the rest of its resource. */
function factsOf({ userName, name, email, externalId, active }: WantedUser) {
  return { user_name: userName, name, email: email ?? null, external_id: externalId ?? null, active };
}

function viewOf({ user, resource }: ProvisionedUser) {
  const { id, name, email = null, externalId = null, disabled } = user;
  const userName = String(resource['userName'] ?? '');
  return { id, user_name: userName, name, email, external_id: externalId, active: !disabled };
}

/** Members by id as far as an entry can hold them, else their number. */
function namedMembers(members: readonly string[]): readonly string[] | number {
  return members.length <= MAX_NAMED ? members : members.length;
}

function groupView({ id, displayName, externalId, members }: ScimGroup) {
  return {
    id,
    display_name: displayName,
    external_id: externalId ?? null,
    members: namedMembers(members),
  };
}
