import type { z } from 'zod';
import { usdToNano } from '../core/cost/money.ts';
import { badRequest, SluiceError } from '../core/errors/error.ts';
import type { BudgetBook } from '../core/policy/budget.ts';
import { abortRuleSet, withAbortRule } from '../core/policy/client-abort.ts';
import type { Policy } from '../core/policy/policy.ts';
import type { BudgetRule, KeyRotation, PlaceLimits, VirtualKey } from '../core/policy/virtual-key.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { KeyChange } from '../ports/store.ts';
import { type BudgetPorts, demandDowngrade } from './budgets.ts';
import { type Caller, type Handlers, notFound } from './caller.ts';
import { CONTRACT } from './contract.ts';
import type { Endpoint } from './endpoint.ts';
import { demandFields, demandKey, keyPlace, placeForNewKey } from './key-rights.ts';
import { defaultOverlapS, newSecret, openUnclaimed } from './key-secrets.ts';
import { type KeyView, keyViewOf } from './key-views.ts';
import { PlaceDesk, type PlacePorts } from './place-ports.ts';
import { policyOf, present } from './policies.ts';
import { extentOf, isOf } from './rights.ts';
import type { budgetInput, keyInput } from './shapes.ts';

export interface KeyPorts extends PlacePorts {
  readonly book: BudgetBook;
  readonly secrets: SecretBox;
  readonly downgradeFault: BudgetPorts['downgradeFault'];
}

type KeyInput = z.output<typeof keyInput>;
type KeyUpdate = { readonly [K in keyof Omit<KeyInput, 'organization_id'>]?: KeyInput[K] | undefined };

function budgetRule(
  input: z.output<typeof budgetInput>,
  ports: Pick<KeyPorts, 'downgradeFault'>,
): BudgetRule {
  if (input.action === 'downgrade' && input.downgrade_to === undefined) {
    throw badRequest('budget.downgrade_to', '`budget.downgrade_to`: name the cheaper model.');
  }
  if (input.downgrade_to !== undefined) demandDowngrade('budget.downgrade_to', input.downgrade_to, ports);
  return {
    ...(input.downgrade_to === undefined ? {} : { downgradeTo: input.downgrade_to }),
    limitNano: usdToNano(input.limit_usd, 'budget.limit_usd'),
    window: input.window,
    action: input.action,
  };
}

function expiry(text: string | null | undefined, now: number): number | undefined {
  if (text === null || text === undefined) return undefined;
  const at = Date.parse(text);
  if (at <= now) throw badRequest('expires_at', '`expires_at` lies in the past.');
  return at;
}

function limitsOf(input: KeyInput['limits']): PlaceLimits {
  return present(input ?? {}) as PlaceLimits;
}

/** What the input says of the key's policy, over what the key has. `null` clears. */
function policyFrom(input: KeyUpdate, before: Policy): Policy {
  const { operations: _, cidrs: __, ...rest } = before;
  const operations = input.operations === undefined ? before.operations : (input.operations ?? undefined);
  const cidrs = input.cidrs === undefined ? before.cidrs : (input.cidrs ?? undefined);
  const own = input.policy === undefined ? rest : policyOf(input.policy);
  return present({ ...own, operations, cidrs }) as Policy;
}

function rotationFrom(
  input: KeyUpdate,
  before: KeyRotation | undefined,
  now: number,
): KeyRotation | undefined {
  const { rotate_every_s: every, rotate_overlap_s: overlap } = input;
  if (every === null) return undefined;
  const everyS = every ?? before?.everyS;
  if (everyS === undefined) {
    if (overlap === undefined) return undefined;
    throw badRequest('rotate_overlap_s', '`rotate_overlap_s` belongs to `rotate_every_s`.');
  }
  const overlapS = overlap ?? (every === undefined ? before?.overlapS : undefined) ?? defaultOverlapS(everyS);
  if (overlapS > everyS) {
    throw badRequest('rotate_overlap_s', '`rotate_overlap_s` is longer than the time between two secrets.');
  }
  const nextAt = before !== undefined && every === undefined ? before.nextAt : now + everyS * 1000;
  return { everyS, overlapS, nextAt, unclaimed: before?.unclaimed };
}

const POLICY_FIELDS = ['operations', 'cidrs', 'policy'] as const;
const ROTATION_FIELDS = ['rotate_every_s', 'rotate_overlap_s'] as const;
const PLACE_FIELDS = ['team_id', 'project_id', 'user_id', 'service_account_id'] as const;

function says(input: KeyUpdate, fields: readonly (keyof KeyUpdate)[]): boolean {
  return fields.some((field) => input[field] !== undefined);
}

function changeOf(input: KeyUpdate, key: VirtualKey, ports: KeyPorts): KeyChange {
  const now = ports.clock.now();
  const change: { -readonly [K in keyof KeyChange]: KeyChange[K] } = {};
  if (input.name !== undefined) change.name = input.name;
  if (input.models !== undefined) change.models = input.models ?? undefined;
  if (input.expires_at !== undefined) change.expiresAt = expiry(input.expires_at, now);
  if (input.limits !== undefined) change.limits = limitsOf(input.limits);
  if (input.metadata !== undefined || input.on_client_abort !== undefined) {
    const before = input.metadata ?? key.metadata;
    change.metadata = withAbortRule(before, input.on_client_abort ?? abortRuleSet(key.metadata));
  }
  if (input.budget !== undefined)
    change.budget = input.budget === null ? undefined : budgetRule(input.budget, ports);
  if (says(input, POLICY_FIELDS)) change.policy = policyFrom(input, key.policy);
  if (says(input, ROTATION_FIELDS)) change.rotation = rotationFrom(input, key.rotation, now);
  return change;
}

/** The places a changed key belongs to: those it is given, and those it keeps. A new team ends an old project. */
function movedPlace(desk: PlaceDesk, key: VirtualKey, input: KeyUpdate) {
  const moved = input.team_id !== undefined && input.team_id !== (key.teamId ?? null);
  const kept = <T>(given: T | null | undefined, before: T | undefined) =>
    given === undefined ? before : (given ?? undefined);
  const newOwner = typeof input.user_id === 'string' || typeof input.service_account_id === 'string';
  return keyPlace(desk, key.organizationId, {
    team_id: kept(input.team_id, key.teamId),
    project_id: moved ? input.project_id : kept(input.project_id, key.projectId),
    user_id: kept(input.user_id, newOwner ? undefined : key.userId),
    service_account_id: kept(input.service_account_id, newOwner ? undefined : key.serviceAccountId),
  });
}

type KeyHandlers = Pick<
  Handlers,
  | 'createKey'
  | 'listKeys'
  | 'getKey'
  | 'updateKey'
  | 'revokeKey'
  | 'rotateKey'
  | 'claimKey'
  | 'blockKey'
  | 'unblockKey'
>;

const READ = { strong: 'keys:read', own: 'own:read' } as const;
const WRITE = { strong: 'keys:write', own: 'own:write' } as const;
/** An owner can stop his key, and cannot undo what was decided above him. */
const STRONG = { strong: 'keys:write', own: 'keys:write' } as const;

class KeyDesk {
  readonly #ports: KeyPorts;
  readonly #desk: PlaceDesk;

  constructor(ports: KeyPorts) {
    this.#ports = ports;
    this.#desk = new PlaceDesk(ports);
  }

  view(key: VirtualKey): KeyView {
    return keyViewOf(key, this.#ports.book, this.#ports.clock.now());
  }

  /** A key that is not revoked and that the caller may do this with. */
  find(id: string, caller: Caller, permissions: Parameters<typeof demandKey>[2]): VirtualKey {
    const key = this.#ports.directory.get(id);
    if (key === undefined) throw notFound('key');
    demandKey(caller, key, permissions);
    return key;
  }

  async change(id: string, change: KeyChange): Promise<VirtualKey> {
    const key = await this.#ports.store.keys.update(id, change);
    await this.#ports.directory.put(key);
    return key;
  }

  async create(input: KeyInput, caller: Caller): Promise<KeyView & { key: string }> {
    const { clock, random, rights, store, directory } = this.#ports;
    const now = clock.now();
    const place = placeForNewKey(this.#desk, caller, input);
    const { secret, hash, hint } = newSecret(this.#ports);
    const key: VirtualKey = {
      id: random.id('key_'),
      name: input.name,
      hash,
      hint,
      previousHash: undefined,
      previousHashExpiresAt: undefined,
      createdAt: now,
      expiresAt: expiry(input.expires_at, now),
      blocked: false,
      revokedAt: undefined,
      ...place,
      models: input.models ?? undefined,
      policy: policyFrom(input, {}),
      limitedBy: rights.boundBy(caller),
      rotation: rotationFrom(input, undefined, now),
      limits: limitsOf(input.limits),
      budget:
        input.budget === undefined || input.budget === null
          ? undefined
          : budgetRule(input.budget, this.#ports),
      metadata: withAbortRule(input.metadata ?? {}, input.on_client_abort),
    };
    await store.keys.insert(key);
    await directory.put(key);
    return { ...this.view(key), key: secret };
  }

  async update(id: string, input: KeyUpdate, caller: Caller): Promise<KeyView> {
    const { rights } = this.#ports;
    const key = this.find(id, caller, WRITE);
    const { fields = {} }: Endpoint = CONTRACT.updateKey;
    demandFields(caller, key, { input, fields });
    const change: { -readonly [K in keyof KeyChange]: KeyChange[K] } = changeOf(input, key, this.#ports);
    if (says(input, PLACE_FIELDS)) {
      const place = movedPlace(this.#desk, key, input);
      // Both ends: nobody moves a key into a place he does not manage.
      demandFields(caller, place, { input, fields });
      Object.assign(change, place);
    }
    const widened = Object.entries(input).some(([field, value]) => value !== undefined && field in fields);
    if (widened) change.limitedBy = [...new Set([...key.limitedBy, ...rights.boundBy(caller)])];
    return this.view(await this.change(id, change));
  }

  async rotate(id: string, overlapS: number, caller: Caller): Promise<KeyView & { key: string }> {
    const before = this.find(id, caller, WRITE);
    const { secret, hash, hint } = newSecret(this.#ports);
    const now = this.#ports.clock.now();
    const { rotation } = before;
    const key = await this.change(id, {
      hash,
      hint,
      previousHash: overlapS > 0 ? before.hash : undefined,
      previousHashExpiresAt: overlapS > 0 ? now + overlapS * 1000 : undefined,
      ...(rotation === undefined
        ? {}
        : { rotation: { ...rotation, nextAt: now + rotation.everyS * 1000, unclaimed: undefined } }),
    });
    return { ...this.view(key), key: secret };
  }

  async claim(id: string, caller: Caller): Promise<KeyView & { key: string }> {
    const before = this.find(id, caller, WRITE);
    const { rotation } = before;
    const secret = openUnclaimed(this.#ports.secrets, before);
    if (secret === undefined || rotation?.unclaimed === undefined) {
      throw new SluiceError(
        'conflict',
        'No new secret waits for this key: it was claimed, or none is due yet.',
      );
    }
    const change = { rotation: { ...rotation, unclaimed: undefined } };
    // Gone before it is shown: of two who ask at once, one gets it.
    const { store, directory } = this.#ports;
    const key = await store.keys.update(id, change, { unclaimed: rotation.unclaimed });
    await directory.put(key);
    return { ...this.view(key), key: secret };
  }
}

/** Virtual keys: create, show once, change, rotate, block, revoke. */
export function createKeyHandlers(ports: KeyPorts): KeyHandlers {
  const { store, directory, clock } = ports;
  const desk = new KeyDesk(ports);
  return {
    createKey: (input, caller) => desk.create(input, caller),
    async listKeys({ limit, cursor, organization_id, ...filter }, caller) {
      const page = await store.keys.list(
        { limit, cursor },
        {
          ...extentOf(caller, 'keys:read', organization_id),
          teamId: filter.team_id,
          projectId: filter.project_id,
          userId: filter.user_id,
          serviceAccountId: filter.service_account_id,
        },
      );
      return { data: page.data.map((key) => desk.view(key)), next_cursor: page.nextCursor ?? null };
    },
    async getKey({ id }, caller) {
      const key = directory.get(id) ?? (await store.keys.get(id));
      if (key === undefined || !isOf(caller, key.organizationId)) throw notFound('key');
      demandKey(caller, key, READ);
      return desk.view(key);
    },
    updateKey: ({ id, ...input }, caller) => desk.update(id, input, caller),
    async revokeKey({ id }, caller) {
      desk.find(id, caller, WRITE);
      await store.keys.update(id, { revokedAt: clock.now() });
      directory.remove(id);
      return { ok: true };
    },
    rotateKey: ({ id, overlap_s }, caller) => desk.rotate(id, overlap_s, caller),
    claimKey: ({ id }, caller) => desk.claim(id, caller),
    async blockKey({ id }, caller) {
      desk.find(id, caller, WRITE);
      return desk.view(await desk.change(id, { blocked: true }));
    },
    async unblockKey({ id }, caller) {
      desk.find(id, caller, STRONG);
      return desk.view(await desk.change(id, { blocked: false }));
    },
  };
}
