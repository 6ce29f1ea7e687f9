import { SluiceError } from '../../core/errors/error.ts';
import type { Identity, User } from '../../core/policy/place.ts';
import type { Log } from '../../ports/log-sink.ts';
import type { ProvenIdentity } from '../../ports/sign-in.ts';
import type { AuditLog } from '../audit.ts';
import { auditedChange } from '../audited-change.ts';
import { type Caller, operator } from '../caller.ts';
import { PlaceDesk, type PlacePorts } from '../place-ports.ts';
import { Turns } from '../turns.ts';
import { type GroupMapping, rolesOf, syncRoles, type WantedRole } from './mapped-roles.ts';

/** How a provider's people become users here. */
export interface PeoplePolicy {
  readonly name: string;
  readonly organizationId: string;
  readonly groups: readonly GroupMapping[];
  readonly groupsClaim: string;
  /** Role over the organization for whom no group gives one; never `owner`. */
  readonly defaultRole: string | undefined;
  readonly justInTime: boolean;
  /** Claim that equals the `externalId` SCIM provisioned a user with. */
  readonly linkExternalId: string | undefined;
}

export interface PeoplePorts extends PlacePorts {
  readonly audit: AuditLog;
  readonly log: Log;
  /** Takes over what other processes changed. */
  readonly catchUp: () => Promise<void>;
}

function texts(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}

function textOf(value: unknown, maxLength: number): string | undefined {
  const [first] = texts(value);
  return first === undefined || first === '' || first.length > maxLength ? undefined : first;
}

function emailOf(claims: ProvenIdentity['claims']): string | undefined {
  if (claims['email_verified'] === false) return undefined;
  const given = textOf(claims['email'], 320)?.toLowerCase();
  return given !== undefined && /^[^\s@]+@[^\s@]+$/.test(given) ? given : undefined;
}

function nameOf(claims: ProvenIdentity['claims'], subject: string): string {
  return (
    textOf(claims['name'], 200) ??
    textOf(claims['preferred_username'], 200) ??
    textOf(claims['email'], 200) ??
    subject.slice(0, 200)
  );
}

function notHere(): SluiceError {
  return new SluiceError(
    'forbidden',
    'Your identity provider knows you, and this gateway does not let you in. Ask its administrator.',
  );
}

/**
 * Who somebody is here, by issuer and subject and by nothing else: an e-mail address, however verified, links nobody. Who
 * is new becomes a user where the provider may make users and gives him a role.
 */
export class People {
  readonly #ports: PeoplePorts;
  readonly #desk: PlaceDesk;
  readonly #turns: Turns;

  constructor(ports: PeoplePorts) {
    this.#ports = ports;
    this.#desk = new PlaceDesk(ports);
    this.#turns = new Turns(ports, 'person');
  }

  /** The user behind a proven identity, his roles brought in line. Throws `forbidden` for who may not sign in. */
  signIn(proven: ProvenIdentity, policy: PeoplePolicy, address: string): Promise<User> {
    // Two windows of a newcomer at once are one user.
    return this.#turns.run(JSON.stringify([proven.issuer, proven.subject]), async () => {
      await this.#ports.catchUp();
      return this.#signIn(proven, policy, address);
    });
  }

  async #signIn(proven: ProvenIdentity, policy: PeoplePolicy, address: string): Promise<User> {
    const { store, places, clock } = this.#ports;
    const groups = new Set(texts(proven.claims[policy.groupsClaim]).slice(0, 2000));
    const mapped = rolesOf(policy.groups, groups);
    const wanted: readonly WantedRole[] =
      mapped.length > 0 || policy.defaultRole === undefined
        ? mapped
        : [{ role: policy.defaultRole, teamId: undefined }];
    const identity = await store.places.findIdentity(proven.issuer, proven.subject);
    const known = identity ?? (await this.#provisioned(proven, policy, address));
    if (known !== undefined && (known.organizationId !== policy.organizationId || known.disabled))
      throw notHere();
    const user = known === undefined ? undefined : places.users.get(known.userId);
    if (known !== undefined && (user === undefined || user.disabled || user.deletedAt !== undefined))
      throw notHere();
    const source = `sign-in:${policy.name}`;
    if (user === undefined && (!policy.justInTime || wanted.length === 0)) throw notHere();
    const person = user ?? (await this.#create(proven, policy, address));
    await syncRoles(this.#ports, person, { source, wanted, caller: operator(source, address) });
    if ([...places.membershipsOf(person.id)].length === 0) throw notHere();
    if (known !== undefined) await this.#touch(known, clock.now());
    return person;
  }

  async #touch({ id, organizationId }: Identity, now: number): Promise<void> {
    const change = { lastUsedAt: now };
    await this.#ports.store.places.update('identity', { organizationId }, { id, change });
  }

  /** A user whom SCIM provisioned and who signs in for the first time, where the provider is configured to link those. */
  async #provisioned(
    proven: ProvenIdentity,
    policy: PeoplePolicy,
    address: string,
  ): Promise<Identity | undefined> {
    const { places, store } = this.#ports;
    const claim = policy.linkExternalId;
    const external = claim === undefined ? undefined : textOf(proven.claims[claim], 256);
    if (external === undefined) return undefined;
    const user = [...places.users.values()].find(
      ({ externalId, organizationId, deletedAt }) =>
        externalId === external && organizationId === policy.organizationId && deletedAt === undefined,
    );
    if (user === undefined) return undefined;
    const tenant = { organizationId: user.organizationId };
    const filter = { userId: user.id, issuer: proven.issuer };
    // Somebody signs in as him with this provider already: another subject is another person.
    const others = await store.places.list('identity', tenant, { page: { limit: 1 }, filter });
    if (others.data.length > 0) throw notHere();
    const { issuer, subject } = proven;
    const link = { issuer, subject, external_id: external };
    const change = {
      caller: operator(`sign-in:${policy.name}`, address),
      action: 'users.link',
      target: user.id,
      organization: user.organizationId,
      before: null,
      input: link,
    };
    return auditedChange(this.#ports, change, async () => ({
      result: await this.#addIdentity(proven, user),
      after: link,
    }));
  }

  async #addIdentity(proven: ProvenIdentity, user: User): Promise<Identity> {
    const { store, clock, random } = this.#ports;
    const now = clock.now();
    const identity: Identity = {
      id: random.id('idn_'),
      organizationId: user.organizationId,
      userId: user.id,
      issuer: proven.issuer,
      subject: proven.subject,
      passwordHash: undefined,
      totpSecret: undefined,
      disabled: false,
      lastUsedAt: now,
      createdAt: now,
    };
    await store.places.insert('identity', { organizationId: user.organizationId }, identity);
    return identity;
  }

  async #create(proven: ProvenIdentity, policy: PeoplePolicy, address: string): Promise<User> {
    const { organizationId } = policy;
    const { clock, places } = this.#ports;
    const email = emailOf(proven.claims);
    const taken = [...places.users.values()].some(
      (other) => other.organizationId === organizationId && other.email === email,
    );
    const user: User = {
      id: this.#desk.newId('user'),
      organizationId,
      name: nameOf(proven.claims, proven.subject),
      // Somebody else's address: this is another person until an administrator says otherwise.
      email: taken ? undefined : email,
      externalId: undefined,
      disabled: false,
      deletedAt: undefined,
      policy: {},
      limitedBy: [],
      metadata: {},
      createdAt: clock.now(),
    };
    const system = operator(`sign-in:${policy.name}`, address);
    const { issuer, subject } = proven;
    const change = {
      caller: system,
      action: 'users.create',
      target: user.id,
      organization: organizationId,
      before: null,
      input: { issuer, subject },
    };
    return auditedChange(this.#ports, change, async () => {
      await this.#insert(proven, user, system);
      const { name, email: address = null } = user;
      return { result: user, after: { id: user.id, name, email: address, issuer, subject } };
    });
  }

  async #insert(proven: ProvenIdentity, user: User, system: Caller): Promise<void> {
    await this.#desk.insert('user', system, user);
    try {
      await this.#addIdentity(proven, user);
    } catch (error) {
      // Another process was first: nobody may be left who can never sign in.
      const change = { deletedAt: this.#ports.clock.now(), disabled: true, email: undefined };
      await this.#desk.update('user', system, { id: user.id, change });
      throw error;
    }
  }
}
