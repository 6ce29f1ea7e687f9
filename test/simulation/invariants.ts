import type { ExchangeRecord, HoldRecord } from '../../src/core/cost/exchange.ts';
import { windowStartOf } from '../../src/core/policy/budget.ts';
import { scopeName } from '../../src/core/policy/scope.ts';
import type { Received } from '../../src/pipeline/exchange.ts';
import type { Deployment } from '../../src/pipeline/runtime.ts';
import { checkClients } from './client-invariants.ts';
import type { GatewayProcess, Watcher } from './gateway.ts';
import { type Landmark, whereLeft } from './landmarks.ts';
import { checkBudgets, checkRows } from './money-invariants.ts';
import type { ProviderCall } from './provider.ts';
import type { World } from './world.ts';

/** What was seen of one exchange from outside the pipeline. */
export interface Seen {
  readonly mark: number;
  readonly exchange: Received;
  readonly process: GatewayProcess;
  hold: HoldRecord | undefined;
  /** Start of the budget window the hold was made in. */
  window: number | undefined;
  settles: number;
  published: number;
  record: ExchangeRecord | undefined;
  endedAt: number | undefined;
  /** How long its provider may take to close the connection after the end. Milliseconds. */
  restMs: number;
  /** The process died before it ended. */
  killed: boolean;
}

/** With nothing to do for so long nothing may be waiting for a timer. */
const IDLE_MS = 3000;
/** What follows a terminator is read for a second; whether that is over is looked at every 50 ms. */
const REST_MS = 1000 + 100;
/** The retry budget looks back this far, in buckets of a tenth. */
const RETRY_WINDOW_MS = 10_000;
const MAX_VIOLATIONS = 20;

/** Watches a world and writes down what must never be. */
export class Invariants implements Watcher {
  readonly violations: string[] = [];
  /** Situations this world came through; see {@link LANDMARKS}. */
  readonly landmarks = new Set<Landmark>();
  readonly seen = new Map<string, Seen>();
  /** Newest window a key's budget was seen in. */
  readonly windows = new Map<string, number>();
  readonly callsOf = new Map<number, ProviderCall[]>();
  readonly #world: World;
  readonly #open = new Set<ProviderCall>();
  readonly #takes: number[] = [];
  readonly #holds: number[] = [];
  #repeats = 0;
  #idleSince = 0;
  #busy = false;

  constructor(world: World) {
    this.#world = world;
  }

  note(what: string): void {
    if (this.violations.length >= MAX_VIOLATIONS || this.violations.includes(what)) return;
    this.violations.push(what);
  }

  /** Every deployment of every configuration. */
  deployments(): readonly Deployment[] {
    const { compiled, scenario } = this.#world;
    const models = new Set(scenario.arrivals.map(({ model }) => model));
    return compiled.flatMap(({ config, runtime }) =>
      [...new Set([...models, ...Object.keys(config.models)])].flatMap(
        (name) => runtime.resolve(name)?.deployments ?? [],
      ),
    );
  }

  /** How long a provider may work on without a client: the key of this request asks for an exact bill. */
  drainMs(mark: number): number {
    if (this.#keyOf(mark)?.metadata['on_client_abort'] !== 'drain') return 0;
    const { compiled, scenario } = this.#world;
    return (
      Math.max(...compiled.map(({ config }) => config.upstream.abandoned.max_ms)) + 2 * scenario.resolutionMs
    );
  }

  /** Whether every answer may be read on without its client: no bound on their number is ever reached. */
  get mayDrainAll(): boolean {
    const { compiled, scenario } = this.#world;
    return compiled.every(
      ({ config }) => config.upstream.abandoned.max_concurrent >= scenario.arrivals.length,
    );
  }

  get #mayHedge(): boolean {
    return this.#world.compiled.some(({ config }) =>
      Object.values(config.models).some(({ hedge }) => hedge !== undefined),
    );
  }

  began(exchange: Received): void {
    const mark = Number(exchange.client.clientRequestId?.slice('mark-'.length));
    const { process } = this.#world;
    if (process === undefined) return;
    this.seen.set(exchange.id, {
      mark,
      exchange,
      process,
      hold: undefined,
      window: undefined,
      settles: 0,
      published: 0,
      record: undefined,
      endedAt: undefined,
      restMs: 0,
      killed: false,
    });
  }

  held(record: HoldRecord): void {
    const seen = this.seen.get(record.id);
    if (seen === undefined) {
      this.note(`a hold for an unknown exchange ${record.id}`);
      return;
    }
    if (seen.hold !== undefined && seen.hold.heldNano >= record.heldNano)
      this.note(`request ${seen.mark}: held twice without need`);
    if (seen.settles > 0) this.note(`request ${seen.mark}: held after it was settled`);
    seen.hold = record;
    // A dearer fallback raises a hold, perhaps after the clock has jumped; it stays the hold of its first window.
    if (record.keyId !== undefined) seen.window ??= this.#windowOf(record.keyId);
    this.#holds.push(this.#world.timeline.now);
  }

  settled(record: ExchangeRecord): void {
    const seen = this.seen.get(record.id);
    if (seen === undefined) {
      this.note(`a settle for an unknown exchange ${record.id}`);
      return;
    }
    seen.settles++;
    seen.record = record;
    this.landmarks.add(`outcome ${record.outcome}`);
    if (record.outcome === 'answered' && record.upstreamModel !== `up-${record.model}`)
      this.landmarks.add('answered by another model');
    const [first, ...more] = record.attempts;
    for (const attempt of more) {
      const elsewhere = attempt.provider !== first?.provider || attempt.upstreamModel !== first.upstreamModel;
      this.landmarks.add(elsewhere ? 'failed over' : 'tried again');
    }
    if (seen.settles > 1) this.note(`request ${seen.mark}: settled ${seen.settles} times`);
  }

  published(record: ExchangeRecord): void {
    const seen = this.seen.get(record.id);
    if (seen === undefined) return;
    seen.published++;
    seen.endedAt ??= this.#world.timeline.now;
    // A stream ends with its terminator; what is left is the end of the body.
    if (record.stream && record.outcome === 'answered') seen.restMs = REST_MS;
    if (seen.published > 1) this.note(`request ${seen.mark}: ended ${seen.published} times`);
  }

  tookRetry(): void {
    const { now } = this.#world.timeline;
    this.#takes.push(now);
    const percent = Math.max(...this.#world.compiled.map(({ runtime }) => runtime.maxRetryPercent));
    // The buckets cover between nine and ten tenths of the window.
    const taken = this.#takes.filter((at) => at > now - 0.9 * RETRY_WINDOW_MS).length;
    const asked = this.#holds.filter((at) => at > now - RETRY_WINDOW_MS - 100).length;
    const allowed = percent === 0 ? 0 : Math.max(3, Math.floor((asked * percent) / 100));
    if (taken > allowed) this.note(`retry storm: ${taken} further attempts, ${allowed} allowed`);
  }

  /** The client of this request hangs up now. */
  left(mark: number): void {
    const calls = this.callsOf.get(mark) ?? [];
    this.landmarks.add(whereLeft(this.#world, { mark, seen: this.#seenOf(mark), calls }));
  }

  logged(level: 'warn' | 'error', event: string, fields: object | undefined): void {
    if (event === 'circuit.opened') this.landmarks.add('circuit opened');
    if (event === 'credential.refused') this.landmarks.add('credential refused');
    if (event === 'ledger.settle_failed') this.landmarks.add('disk refused');
    if (level === 'error' && event !== 'ledger.settle_failed')
      this.note(`${event}: ${JSON.stringify(fields).slice(0, 400)}`);
  }

  /** A call has begun at a provider. */
  called(call: ProviderCall): void {
    const { facts } = call;
    const { mark } = facts;
    const client = this.#world.clients[mark];
    const seen = this.#seenOf(mark);
    const before = this.callsOf.get(mark) ?? [];
    this.callsOf.set(mark, [...before, call]);
    this.#open.add(call);
    if (client === undefined || seen === undefined) {
      this.note(`a call for an unknown request ${mark}`);
      return;
    }
    if (client.leftAt !== undefined)
      this.note(`request ${mark}: a provider was called after its client left`);
    if (client.status !== 0) this.note(`request ${mark}: a provider was called after the answer had begun`);
    if (seen.endedAt !== undefined) this.note(`request ${mark}: a provider was called after its end`);
    const durable = this.#world.disk.held.get(seen.exchange.id);
    // While the hold grows for a hedge, the first call may still be repeated under the old one.
    if (durable === undefined || (durable !== seen.hold?.heldNano && !this.#mayHedge))
      this.note(`request ${mark}: a provider was called before the hold was durable`);
    const others = before.filter((other) => this.#isOpen(other)).length;
    if (others > 0) this.landmarks.add('hedged');
    if (others > (this.#mayHedge ? 1 : 0))
      this.note(`request ${mark}: ${others + 1} providers work on it at once`);
    this.#boundRepeats(call, before);
    this.#boundConcurrency(call);
  }

  #boundRepeats(call: ProviderCall, before: readonly ProviderCall[]): void {
    const { facts } = call;
    const last = before.at(-1)?.facts;
    const repeated = last?.origin === facts.origin && last.model === facts.model;
    // Another key of the pool is no repetition.
    if (repeated && ![401, 402, 403, 429].includes(last.script.status)) {
      this.#repeats++;
      if (this.#repeats > this.#takes.length)
        this.note(`request ${facts.mark}: repeated without the retry budget`);
    }
    const attempts = Math.max(
      ...this.#world.compiled.flatMap(({ config }) =>
        Object.values(config.models).map((model) => model.retries.attempts ?? 0),
      ),
    );
    const places = new Set(this.deployments().map(({ id }) => id)).size;
    // A fallback may be named twice, in general and for a cause.
    const most = 2 * places * (attempts + 1 + 3);
    if (before.length + 1 > most) this.note(`request ${facts.mark}: ${before.length + 1} calls`);
  }

  /** Limits as the strictest reader of the configuration would count: at the provider's door. */
  #boundConcurrency(call: ProviderCall): void {
    const { facts } = call;
    const open = [...this.#open].filter(
      (other) => this.#isOpen(other) && this.#seenOf(other.facts.mark)?.endedAt === undefined,
    );
    const here = this.deployments().filter(
      (deployment) =>
        deployment.model === facts.model && facts.origin.includes(`//${deployment.provider.name}.`),
    );
    const most = (limits: readonly (number | undefined)[]): number =>
      limits.some((limit) => limit === undefined) ? Infinity : Math.max(...(limits as number[]));
    const atProvider = open.filter(({ facts: other }) => other.origin === facts.origin).length;
    const atModel = open.filter(
      ({ facts: other }) => other.origin === facts.origin && other.model === facts.model,
    ).length;
    if (atProvider > most(here.map(({ providerLimits }) => providerLimits?.concurrency)))
      this.note(`${facts.origin}: ${atProvider} calls at once are more than its limit`);
    if (atModel > most(here.map(({ limits }) => limits?.concurrency)))
      this.note(`${facts.origin} ${facts.model}: ${atModel} calls at once are more than its limit`);
    const key = this.#keyOf(facts.mark);
    if (key?.limits.concurrency === undefined) return;
    const ofKey = new Set(
      open
        .filter(({ facts: other }) => this.#keyOf(other.mark)?.id === key.id)
        .map((other) => other.facts.mark),
    );
    if (ofKey.size > key.limits.concurrency)
      this.note(`${key.id}: ${ofKey.size} requests at once are more than its limit`);
  }

  /** After every step of the world. */
  check(): void {
    const { process, timeline, clients } = this.#world;
    for (const call of this.#open) {
      if (call.closedAt !== undefined) this.#open.delete(call);
      if (!this.#isOpen(call)) continue;
      const { mark } = call.facts;
      const client = clients[mark];
      const gone = client?.leftAt ?? client?.droppedAt;
      const seen = this.#seenOf(mark);
      const restMs = seen?.restMs ?? 0;
      const allowedMs = Math.max(this.drainMs(mark), restMs);
      if (gone !== undefined && allowedMs > 0) this.landmarks.add('read on without its client');
      if (gone !== undefined && timeline.now - gone > allowedMs)
        this.note(`request ${mark}: its provider still works after its client left`);
      if (seen?.endedAt !== undefined && seen.endedAt + restMs < timeline.now)
        this.note(`request ${mark}: its provider still works after its end`);
    }
    if (process === undefined) return;
    for (const key of this.#world.scenario.keys) this.#windowOf(key.id);
    checkBudgets(this.#world, this);
    this.#boundQueues(process);
    this.#boundTimers(process);
  }

  #boundQueues(process: GatewayProcess): void {
    const depths = new Map<string, number>();
    for (const { id } of this.deployments()) depths.set(id, process.adapters.admission.waiting({ id }));
    for (const [id, waiting] of depths) {
      if (waiting === 0) continue;
      this.landmarks.add('queued');
      const most = Math.max(
        ...this.#world.compiled.map(
          ({ config }) => config.providers[id.split('/')[0]!]?.queue.max_depth ?? 200,
        ),
      );
      if (waiting > most) this.note(`${id}: ${waiting} wait, ${most} may`);
    }
  }

  #boundTimers(process: GatewayProcess): void {
    const { now } = this.#world.timeline;
    if (process.clients.size > 0 || this.#world.disk.refuses) {
      this.#busy = true;
    } else if (this.#busy) {
      this.#busy = false;
      this.#idleSince = now;
    } else if (process.clock.firedAt > this.#idleSince + IDLE_MS) {
      this.note('a timer outlived everything it could be for');
    }
  }

  crashed(): void {
    for (const seen of this.seen.values()) {
      if (seen.endedAt !== undefined) continue;
      seen.killed = true;
      this.landmarks.add('crashed with requests under way');
    }
    this.#takes.length = 0;
    this.#holds.length = 0;
    this.#repeats = 0;
  }

  /** A start has charged these holds of a dead process. */
  recovered(ids: readonly string[]): void {
    for (const id of ids) {
      this.landmarks.add('hold charged after a crash');
      const seen = this.seen.get(id);
      if (seen === undefined) this.note(`recovery charged an unknown exchange ${id}`);
    }
  }

  started(process: GatewayProcess): void {
    this.#idleSince = this.#world.timeline.now;
    if (process.adapters.book.openHolds > 0) this.note('money is held right after a start');
    this.windows.clear();
    for (const { id } of this.#world.scenario.keys) this.#windowOf(id);
    checkBudgets(this.#world, this);
  }

  /** When the world has come to rest. */
  finish(): void {
    const { process, scenario } = this.#world;
    checkClients(this.#world, this);
    checkRows(this.#world, this);
    if (process === undefined) {
      this.note('the gateway is not up at the end');
      return;
    }
    const { adapters } = process;
    if (process.clients.size > 0) this.note(`${process.clients.size} requests hang for ever`);
    if (adapters.book.openHolds > 0) this.note(`${adapters.book.openHolds} holds are open at the end`);
    for (const key of scenario.keys) {
      const running = adapters.limiter.inFlight(scopeName({ kind: 'key', id: key.id }));
      if (running > 0) this.note(`${key.id}: ${running} places are taken at the end`);
    }
    for (const deployment of this.deployments()) {
      const running = adapters.fleet.inFlight(deployment);
      if (running !== 0) this.note(`${deployment.id}: ${running} calls are counted at the end`);
      const waiting = adapters.admission.waiting(deployment);
      if (waiting > 0) this.note(`${deployment.id}: ${waiting} wait at the end`);
    }
    for (const call of this.#open) {
      if (this.#isOpen(call)) this.note(`request ${call.facts.mark}: a call is open at the end`);
    }
  }

  #isOpen(call: ProviderCall): boolean {
    return call.reached && call.closedAt === undefined;
  }

  #seenOf(mark: number): Seen | undefined {
    for (const seen of this.seen.values()) if (seen.mark === mark) return seen;
    return undefined;
  }

  #keyOf(mark: number) {
    const secret = this.#world.scenario.arrivals[mark]?.secret;
    return this.#world.scenario.keys.find(({ hash }) => hash === `hash ${secret}`);
  }

  /** The newest window this key's budget has been in; a clock that goes back opens none anew. */
  #windowOf(keyId: string): number | undefined {
    const { scenario, process } = this.#world;
    const budget = scenario.keys.find(({ id }) => id === keyId)?.budget;
    if (budget === undefined || process === undefined) return undefined;
    const window = Math.max(
      this.windows.get(keyId) ?? Number.NEGATIVE_INFINITY,
      windowStartOf(budget.window, process.clock.now()),
    );
    this.windows.set(keyId, window);
    return window;
  }
}
