import { createMemoryEventBus } from '../../src/adapters/memory/event-bus.ts';
import { createMemoryMetrics } from '../../src/adapters/memory/metrics.ts';
import { TurnOutbox } from '../../src/adapters/system/outbox.ts';
import { createBodyLimits } from '../../src/app/body-limits.ts';
import type { Config } from '../../src/app/config/index.ts';
import { createGuessCounter } from '../../src/app/guesses.ts';
import { createChat, createOperations, type PipelineAdapters } from '../../src/app/pipelines.ts';
import { createResilience } from '../../src/app/resilience.ts';
import type { SpendingSources } from '../../src/app/spending.ts';
import { KeyDirectory } from '../../src/control/key-directory.ts';
import type { ExchangeRecord, HoldRecord } from '../../src/core/cost/exchange.ts';
import { BudgetBook } from '../../src/core/policy/budget.ts';
import type { Budget } from '../../src/core/policy/budget-rule.ts';
import { RateLimiter } from '../../src/core/policy/rate.ts';
import type { RateRule } from '../../src/core/policy/rate-rule.ts';
import { ScopeIndex } from '../../src/core/policy/scope-index.ts';
import type { DataPlanePorts } from '../../src/http/call.ts';
import { serveDataPlane } from '../../src/http/data-plane.ts';
import type { Received } from '../../src/pipeline/exchange.ts';
import type { Runtime } from '../../src/pipeline/runtime.ts';
import { admit } from '../../src/pipeline/stages/authenticate.ts';
import type { Ledger } from '../../src/ports/ledger.ts';
import type { Log } from '../../src/ports/log-sink.ts';
import type { Random } from '../../src/ports/random.ts';
import type { SecretBox } from '../../src/ports/secret-box.ts';
import type { Upstream } from '../../src/ports/upstream.ts';
import type { ClientCall } from './client.ts';
import { ProcessClock, type Timeline, type Wall } from './clock.ts';
import { type Disk, SimulatedLedger, simulatedStore } from './journal.ts';
import type { Draw } from './random.ts';

/** A configuration as it is swapped in. */
export interface Compiled {
  readonly config: Config;
  readonly runtime: Runtime;
  /** What requests are served with: the same, unless a fault is planted. */
  readonly served: Runtime;
}

/** Plants a fault, for tests of the invariants themselves. */
export interface Sabotage {
  readonly adapters?: (adapters: PipelineAdapters) => PipelineAdapters;
  readonly runtime?: (runtime: Runtime) => Runtime;
  readonly chat?: (chat: DataPlanePorts['chat']) => DataPlanePorts['chat'];
}

/** What the invariants want to hear from inside a process. */
export interface Watcher {
  /** An exchange has begun: its request was read. */
  began(exchange: Received): void;
  /** The journal was asked to keep this. */
  held(record: HoldRecord): void;
  settled(record: ExchangeRecord): void;
  /** The retry budget let a further attempt through. */
  tookRetry(): void;
  /** Those who watch live were told. */
  published(record: ExchangeRecord): void;
  logged(level: 'warn' | 'error', event: string, fields: object | undefined): void;
}

/** What a process is started on. */
export interface Machine {
  readonly timeline: Timeline;
  readonly wall: Wall;
  readonly disk: Disk;
  readonly draw: Draw;
  readonly random: Random;
  readonly upstream: Upstream;
  readonly watcher: Watcher;
  readonly diskMs: number;
  readonly resolutionMs: number;
  readonly sabotage: Sabotage;
}

const SECRETS: SecretBox = {
  seal: (plain) => plain,
  open: (sealed) => sealed,
  hashKey: (key) => `hash ${key}`,
  sign: (text, purpose) => `${purpose} ${text}`,
};

const NO_BUDGETS = new ScopeIndex<Budget>([]);
const NO_RATE_RULES = new ScopeIndex<RateRule>([]);

/** Budgets and limits of these worlds are those of keys; they come with the key. */
const NO_SPENDING_RULES: SpendingSources = {
  budgets: () => NO_BUDGETS,
  rateRules: () => NO_RATE_RULES,
  approvals: { pass: () => Promise.reject(new Error('nothing in these worlds needs an approval')) },
  places: () => ({ limitsOf: () => undefined }),
  policyOf: () => undefined,
};

/** Tells the watcher of everything that goes to the journal. */
function watched(ledger: Ledger, watcher: Watcher): Ledger {
  return {
    hold: (record) => {
      watcher.held(record);
      return ledger.hold(record);
    },
    settle: (record) => {
      watcher.settled(record);
      return ledger.settle(record);
    },
    flush: () => ledger.flush(),
    close: () => ledger.close(),
  };
}

/** Counts what the budget lets through; the budget itself stays as it is. */
function countRetries(retries: PipelineAdapters['retries'], watcher: Watcher): void {
  const take = retries.take.bind(retries);
  retries.take = (percent, now) => {
    const taken = take(percent, now);
    if (taken) watcher.tookRetry();
    return taken;
  };
}

function adaptersOn(machine: Machine, clock: ProcessClock): PipelineAdapters {
  const { watcher, draw } = machine;
  const metrics = createMemoryMetrics();
  const events = createMemoryEventBus();
  events.subscribe((record) => watcher.published(record));
  const latency = draw.fork();
  const ledger = new SimulatedLedger(machine.disk, clock, () => latency.uniform() * machine.diskMs);
  const log: Log = {
    info: () => undefined,
    warn: (event, fields) => watcher.logged('warn', event, fields),
    error: (event, fields) => watcher.logged('error', event, fields),
  };
  return {
    clock,
    random: machine.random,
    secrets: SECRETS,
    ledger: watched(ledger, watcher),
    upstream: machine.upstream,
    authorizers: {} as PipelineAdapters['authorizers'],
    metrics,
    events,
    ...createResilience({ clock, metrics }),
    book: new BudgetBook(),
    limiter: new RateLimiter(),
    log,
    ...NO_SPENDING_RULES,
  };
}

/** The gateway from the data plane down, as `app/gateway.ts` puts it together, in a world of ports. */
export class GatewayProcess {
  readonly clock: ProcessClock;
  readonly adapters: PipelineAdapters;
  readonly directory: KeyDirectory;
  readonly clients = new Set<ClientCall>();
  draining = false;
  #compiled: Compiled;
  readonly #ports: DataPlanePorts;

  constructor(machine: Machine, compiled: Compiled) {
    const { sabotage, watcher } = machine;
    this.#compiled = compiled;
    this.clock = new ProcessClock(machine.timeline, machine.wall, machine.resolutionMs);
    const plain = adaptersOn(machine, this.clock);
    this.adapters = sabotage.adapters?.(plain) ?? plain;
    countRetries(this.adapters.retries, watcher);
    const { book } = this.adapters;
    const store = simulatedStore(machine.disk, machine.timeline, machine.draw.fork());
    this.directory = new KeyDirectory({ store, book, clock: this.clock });
    const keys = {
      keys: () => this.directory.snapshot(),
      secrets: SECRETS,
      clock: this.clock,
      wrongKey: createGuessCounter(this.clock, () => this.#compiled.config).note,
    };
    const honest = createChat(this.adapters, keys);
    const chat = sabotage.chat?.(honest) ?? honest;
    this.#ports = {
      runtime: () => this.#compiled.served,
      chat: (received) => {
        watcher.began(received);
        return chat(received);
      },
      ...createOperations(this.adapters, keys),
      admit: (client, runtime) => admit(keys, client, runtime),
      objects: {
        sign: (text) => SECRETS.sign(text, 'object-owner'),
        remember: () => undefined,
        forget: () => undefined,
        owned: async () => new Set(),
      },
      bodyLimits: createBodyLimits(() => this.#compiled.config, this.adapters.clock),
      writeStallMs: compiled.config.server.write_stall_timeout_ms,
      outbox: new TurnOutbox(queueMicrotask),
      clock: this.adapters.clock,
      random: this.adapters.random,
      log: this.adapters.log,
      draining: () => this.draining,
      inFlight: { add: () => () => undefined, running: 0, admittance: 'normal' },
      maxInFlight: () => this.#compiled.config.server.max_in_flight,
    };
  }

  /** Reads the keys and what they have spent. */
  async open(): Promise<void> {
    await this.directory.load();
  }

  /** Serves one call; resolves when nothing more is done for it. */
  async serve(client: ClientCall): Promise<void> {
    this.clients.add(client);
    const served = serveDataPlane(this.#ports, client.request, {
      response: client.response,
      refused: undefined,
    });
    client.begin();
    await served;
    this.clients.delete(client);
  }

  /** What a new configuration does: `LiveRuntime`. */
  async reload(compiled: Compiled): Promise<void> {
    this.#compiled = compiled;
    await this.directory.load();
  }

  /** What the gateway does every minute. */
  sweep(): void {
    this.adapters.book.expire(this.clock.now());
    this.adapters.limiter.sweep(this.clock.monotonic());
    this.adapters.admission.sweep();
  }

  /** The process is gone from one moment to the next. */
  kill(): void {
    this.clock.kill();
    for (const client of this.clients) client.crash();
  }
}
