import type { z } from 'zod';
import { nanoToUsd, usdToNano } from '../core/cost/money.ts';
import { badRequest } from '../core/errors/error.ts';
import type { BudgetBook, BudgetView } from '../core/policy/budget.ts';
import { KEY_RANDOM_BYTES, makeKey } from '../core/policy/key.ts';
import type { BudgetRule, RateLimits, VirtualKey } from '../core/policy/virtual-key.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { KeyChange, Store } from '../ports/store.ts';
import { type Handlers, notFound, toTime } from './caller.ts';
import type { KeyDirectory } from './key-directory.ts';
import type { budgetInput, budgetState, keyInput, keyView } from './shapes.ts';

export interface KeyPorts {
  readonly store: Store;
  readonly directory: KeyDirectory;
  readonly book: BudgetBook;
  readonly secrets: SecretBox;
  readonly clock: Clock;
  readonly random: Random;
}

type KeyView = z.output<typeof keyView>;
type KeyInput = z.output<typeof keyInput>;

function budgetView(rule: BudgetRule, view: BudgetView): z.output<typeof budgetState> {
  return {
    limit_usd: nanoToUsd(view.limitNano),
    settled_usd: nanoToUsd(view.settledNano),
    held_usd: nanoToUsd(view.heldNano),
    remaining_usd: nanoToUsd(view.remainingNano),
    window: rule.window,
    action: rule.action,
    window_start: toTime(view.windowStart),
    window_end: view.windowEnd === undefined ? null : toTime(view.windowEnd),
  };
}

function statusOf(key: VirtualKey, now: number): KeyView['status'] {
  if (key.revokedAt !== undefined) return 'revoked';
  if (key.blocked) return 'blocked';
  return key.expiresAt !== undefined && key.expiresAt <= now ? 'expired' : 'active';
}

function viewOf(key: VirtualKey, ports: KeyPorts): KeyView {
  const now = ports.clock.now();
  const view = key.budget === undefined ? undefined : ports.book.view(key.id, now);
  return {
    id: key.id,
    name: key.name,
    hint: key.hint,
    status: statusOf(key, now),
    created_at: toTime(key.createdAt),
    expires_at: key.expiresAt === undefined ? null : toTime(key.expiresAt),
    previous_key_expires_at:
      key.previousHashExpiresAt === undefined ? null : toTime(key.previousHashExpiresAt),
    team_id: key.teamId ?? null,
    project_id: key.projectId ?? null,
    user_id: key.userId ?? null,
    models: key.models === undefined ? null : [...key.models],
    limits: key.limits,
    metadata: { ...key.metadata },
    budget: key.budget === undefined || view === undefined ? null : budgetView(key.budget, view),
  };
}

function budgetRule(input: z.output<typeof budgetInput>): BudgetRule {
  return {
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

/** Without the properties that are `undefined`, which the stored shape does not allow. */
function limitsOf(input: KeyInput['limits']): RateLimits {
  return Object.fromEntries(Object.entries(input ?? {}).filter(([, value]) => value !== undefined));
}

function changeOf(
  input: { readonly [K in keyof KeyInput]?: KeyInput[K] | undefined },
  now: number,
): KeyChange {
  const change: { -readonly [K in keyof KeyChange]: KeyChange[K] } = {};
  if (input.name !== undefined) change.name = input.name;
  if (input.team_id !== undefined) change.teamId = input.team_id ?? undefined;
  if (input.project_id !== undefined) change.projectId = input.project_id ?? undefined;
  if (input.user_id !== undefined) change.userId = input.user_id ?? undefined;
  if (input.models !== undefined) change.models = input.models ?? undefined;
  if (input.expires_at !== undefined) change.expiresAt = expiry(input.expires_at, now);
  if (input.limits !== undefined) change.limits = limitsOf(input.limits);
  if (input.metadata !== undefined) change.metadata = input.metadata;
  if (input.budget !== undefined)
    change.budget = input.budget === null ? undefined : budgetRule(input.budget);
  return change;
}

type KeyHandlers = Pick<
  Handlers,
  'createKey' | 'listKeys' | 'getKey' | 'updateKey' | 'revokeKey' | 'rotateKey' | 'blockKey' | 'unblockKey'
>;

/** Virtual keys: create, show once, change, rotate, block, revoke. */
export function createKeyHandlers(ports: KeyPorts): KeyHandlers {
  const { store, directory, clock, random, secrets } = ports;

  function newSecret(): { secret: string; hash: string; hint: string } {
    const secret = makeKey(random.bytes(KEY_RANDOM_BYTES));
    return { secret, hash: secrets.hashKey(secret), hint: secret.slice(-4) };
  }

  async function change(id: string, with_: KeyChange): Promise<VirtualKey> {
    if (directory.get(id) === undefined) throw notFound('key');
    const key = await store.keys.update(id, with_);
    await directory.put(key);
    return key;
  }

  return {
    async createKey(input) {
      const now = clock.now();
      const { secret, hash, hint } = newSecret();
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
        teamId: input.team_id ?? undefined,
        projectId: input.project_id ?? undefined,
        userId: input.user_id ?? undefined,
        models: input.models ?? undefined,
        limits: limitsOf(input.limits),
        budget: input.budget === undefined || input.budget === null ? undefined : budgetRule(input.budget),
        metadata: input.metadata ?? {},
      };
      await store.keys.insert(key);
      await directory.put(key);
      return { ...viewOf(key, ports), key: secret };
    },
    async listKeys(input) {
      const page = await store.keys.list(input);
      return { data: page.data.map((key) => viewOf(key, ports)), next_cursor: page.nextCursor ?? null };
    },
    async getKey({ id }) {
      const key = directory.get(id) ?? (await store.keys.get(id));
      if (key === undefined) throw notFound('key');
      return viewOf(key, ports);
    },
    async updateKey({ id, ...input }) {
      return viewOf(await change(id, changeOf(input, clock.now())), ports);
    },
    async revokeKey({ id }) {
      if (directory.get(id) === undefined) throw notFound('key');
      await store.keys.update(id, { revokedAt: clock.now() });
      directory.remove(id);
      return { ok: true };
    },
    async rotateKey({ id, overlap_s }) {
      const before = directory.get(id);
      if (before === undefined) throw notFound('key');
      const { secret, hash, hint } = newSecret();
      const key = await change(id, {
        hash,
        hint,
        previousHash: overlap_s > 0 ? before.hash : undefined,
        previousHashExpiresAt: overlap_s > 0 ? clock.now() + overlap_s * 1000 : undefined,
      });
      return { ...viewOf(key, ports), key: secret };
    },
    async blockKey({ id }) {
      return viewOf(await change(id, { blocked: true }), ports);
    },
    async unblockKey({ id }) {
      return viewOf(await change(id, { blocked: false }), ports);
    },
  };
}
