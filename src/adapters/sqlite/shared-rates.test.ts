import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SharedRates } from '../../control/shared-rates.ts';
import { type Lease, RateLimiter, type RateRequest } from '../../core/policy/rate.ts';
import { acquireAll, type RatePlace } from '../../core/policy/rate-rule.ts';
import type { Clock } from '../../ports/clock.ts';
import type { SharedAsk } from '../../ports/shared-counts.ts';
import { type Database, openDatabase } from './database.ts';
import { createProcessRegister } from './processes.ts';
import { createSharedCounts } from './shared-counts.ts';

// Three limiters over one real database, in one thread: every order of questions, answers, failures and ends.

const LIMITS = { rpm: 8, tpm: 60, concurrency: 4 };
const PLACES: readonly RatePlace[] = [
  { id: 'key:k', limits: LIMITS },
  { id: 'team:t', limits: { rpm: 12 } },
];
const LEASE_MS = 600_000;
const MINUTE_MS = 60_000;

let directory: string;
let databases: Database[];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-rates-'));
  databases = [];
  for (let slot = 1; slot <= 3; slot++) databases.push(await openDatabase(join(directory, 'sluice.db')));
});
afterEach(() => {
  for (const { raw } of databases) raw.close();
  rmSync(directory, { recursive: true });
});

interface Granted {
  readonly who: number;
  readonly at: number;
  readonly tokens: number;
  used: number;
  readonly leases: readonly Lease[];
  open: boolean;
}

class World {
  now = 1000;
  /** Questions of this process are carried out, and their answers are lost. */
  deaf = -1;
  readonly granted: Granted[] = [];
  readonly #timers: (() => void)[] = [];
  readonly #clock: Clock = {
    now: () => 0,
    monotonic: () => this.now,
    after: (_ms, callback) => {
      this.#timers.push(callback);
      return () => undefined;
    },
  };
  #processes: { limiter: RateLimiter; rates: SharedRates }[] = [];

  async open(): Promise<void> {
    for (const { raw } of databases) raw.exec('DELETE FROM shared_counts; DELETE FROM processes');
    for (const slot of [0, 1, 2]) await this.start(slot);
  }

  async start(slot: number): Promise<void> {
    const { raw } = databases[slot] as Database;
    await createProcessRegister(raw, slot + 1, async () => 0).join();
    const counts = createSharedCounts(raw, slot + 1);
    const exchange: typeof counts.exchange = async (...asked) => {
      const answer = await counts.exchange(...asked);
      if (this.deaf === slot) throw new Error('the answer is lost');
      return answer;
    };
    const limiter = new RateLimiter();
    const store = { counts: { ...counts, exchange } };
    const rates = new SharedRates({ store, limiter, clock: this.#clock });
    rates.share(true);
    await rates.publish().catch(() => undefined);
    this.#processes[slot] = { limiter, rates };
  }

  /** The process is gone with all it had in its memory; another begins under its number. */
  async kill(slot: number): Promise<void> {
    for (const one of this.granted) if (one.who === slot) one.open = false;
    await this.start(slot);
  }

  async ask(who: number, tokens: number): Promise<void> {
    const { limiter, rates } = this.#processes[who] as { limiter: RateLimiter; rates: SharedRates };
    const request = (): RateRequest => ({ tokens, now: this.now, expiresAt: this.now + LEASE_MS });
    const asking: SharedAsk = {
      places: PLACES,
      request,
      ask: () => acquireAll(limiter, PLACES, request()),
    };
    const first = asking.ask();
    let settled = first.granted;
    const asked = first.granted ? Promise.resolve(first) : rates.acquire(asking).catch(() => undefined);
    const decision = asked.finally(() => {
      settled = true;
    });
    // Timers fire at once: who was refused looks once more.
    while (!settled) {
      for (const callback of this.#timers.splice(0)) callback();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const end = await decision;
    if (end?.granted !== true) return;
    this.granted.push({ who, at: this.now, tokens, used: tokens, leases: end.leases, open: true });
  }

  async end(which: number, share: number): Promise<void> {
    const open = this.granted.filter((one) => one.open);
    const one = open[which % Math.max(1, open.length)];
    if (one === undefined) return;
    one.open = false;
    one.used = Math.floor(one.tokens * share);
    for (const lease of one.leases) lease.release(this.now, one.used);
    await this.#processes[one.who]?.rates.publish().catch(() => undefined);
  }

  async tick(): Promise<void> {
    for (const { rates } of this.#processes) await rates.publish().catch(() => undefined);
  }

  check(): void {
    const recent = this.granted.filter(({ at }) => at > this.now - MINUTE_MS);
    expect(recent.length).toBeLessThanOrEqual(LIMITS.rpm);
    expect(recent.reduce((sum, { used }) => sum + used, 0)).toBeLessThanOrEqual(LIMITS.tpm);
    expect(this.granted.filter(({ open }) => open).length).toBeLessThanOrEqual(LIMITS.concurrency);
  }
}

const who = fc.nat(2);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ act: fc.constant('ask' as const), who, tokens: fc.nat(40) }) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('burst' as const), tokens: fc.nat(10) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      act: fc.constant('end' as const),
      which: fc.nat(9),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('pass' as const), ms: fc.nat(40_000) }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('kill' as const), who }) },
  {
    weight: 1,
    arbitrary: fc.record({ act: fc.constant('deaf' as const), who: fc.integer({ min: -1, max: 2 }) }),
  },
);

test('together they let through what the limits allow and no more, whatever gets lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
      const world = new World();
      await world.open();
      for (const todo of steps) {
        if (todo.act === 'ask') await world.ask(todo.who, todo.tokens);
        else if (todo.act === 'burst')
          await Promise.all([0, 1, 2, 0, 1, 2].map((one) => world.ask(one, todo.tokens)));
        else if (todo.act === 'end') await world.end(todo.which, todo.share);
        else if (todo.act === 'pass') world.now += todo.ms;
        else if (todo.act === 'kill') await world.kill(todo.who);
        else world.deaf = todo.who;
        world.check();
      }
      // Nothing stays taken: when all has ended and the windows are over, all is free again.
      world.deaf = -1;
      for (let n = 0; n < 50; n++) await world.end(0, 1);
      world.now += 2 * MINUTE_MS;
      await world.tick();
      const before = world.granted.length;
      for (const one of [0, 1, 2, 0]) await world.ask(one, 10);
      expect(world.granted.length - before).toBe(4);
    }),
    { numRuns: 200 },
  );
});
