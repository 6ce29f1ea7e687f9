import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { compileRuntime } from '../../src/app/compile.ts';
import { loadConfig } from '../../src/app/config/index.ts';
import { type Catalog, createCatalog, parseCatalog } from '../../src/core/catalog/index.ts';
import { estimateTokens } from '../../src/core/cost/estimate.ts';
import type { UpstreamRequest } from '../../src/ports/upstream.ts';
import { ClientCall } from './client.ts';
import { Timeline, type Wall } from './clock.ts';
import { type Fault, scriptOf, usageFor } from './faults.ts';
import { type Compiled, GatewayProcess, type Machine, type Sabotage } from './gateway.ts';
import { Invariants } from './invariants.ts';
import { Disk } from './journal.ts';
import type { Landmark } from './landmarks.ts';
import { type CallFacts, ProviderCall, simulatedUpstream } from './provider.ts';
import { Draw, SeededRandom } from './random.ts';
import { forbidRealTime } from './sandbox.ts';
import { type Arrival, type Incident, type Scenario, scenarioOf } from './scenario.ts';
import { type Dialect, markOf, promptOf, requestBody, wordOf } from './wire.ts';

/** What came of a seed. */
export interface Report {
  readonly seed: number;
  /** Empty when every invariant held. */
  readonly violations: readonly string[];
  /** Equal for equal runs. */
  readonly digest: string;
  readonly requests: number;
  readonly calls: number;
  /** Virtual time that went by. */
  readonly virtualMs: number;
  /** Situations it came through. */
  readonly landmarks: readonly Landmark[];
}

/** Beginning of the simulated wall clock: an hour before a month ends, so that windows turn. */
const WALL_START = Date.UTC(2026, 9, 31, 23, 0, 0);
/** More appointments than any scenario needs: the world does not come to rest. */
const MAX_STEPS = 400_000;
const SWEEP_MS = 60_000;

let catalog: Catalog | undefined;

function shippedCatalog(): Catalog {
  const path = new URL('../../src/core/catalog/catalog.generated.json', import.meta.url);
  catalog ??= createCatalog(parseCatalog(readFileSync(path, 'utf8')));
  return catalog;
}

function compile(tree: object, sabotage: Sabotage): Compiled {
  const { config, problems } = loadConfig({ environment: {}, overrides: tree });
  if (config === undefined) throw new Error(`simulated configuration: ${JSON.stringify(problems)}`);
  const runtime = compileRuntime({
    config,
    catalog: shippedCatalog(),
    environment: {},
    overrides: new Map(),
    demo: undefined,
    now: WALL_START,
  });
  return { config, runtime, served: sabotage.runtime?.(runtime) ?? runtime };
}

/** Promises have said all they have to say. */
const { setImmediate: afterPromises } = globalThis;
function quiet(): Promise<void> {
  return new Promise((resolve) => afterPromises(resolve));
}

/** Everything around the gateway: time, clients, providers, the disk, and what befalls them. */
export class World {
  readonly scenario: Scenario;
  readonly timeline = new Timeline();
  readonly disk = new Disk();
  readonly calls: ProviderCall[] = [];
  readonly clients: (ClientCall | undefined)[] = [];
  readonly invariants: Invariants;
  process: GatewayProcess | undefined;
  crashes = 0;
  readonly #wall: Wall = { skew: WALL_START };
  readonly #compiled: readonly Compiled[];
  readonly #machine: Machine;
  readonly #providerDraw: Draw;
  #config = 0;

  constructor(seed: number, sabotage: Sabotage, scenario?: Scenario) {
    const draw = new Draw(seed);
    const drawn = scenarioOf(draw.fork());
    this.scenario = scenario ?? drawn;
    this.#providerDraw = draw.fork();
    this.#compiled = this.scenario.configs.map((tree) => compile(tree, sabotage));
    this.invariants = new Invariants(this);
    this.#machine = {
      timeline: this.timeline,
      wall: this.#wall,
      disk: this.disk,
      draw: draw.fork(),
      random: new SeededRandom(draw.fork(), { last: 0 }),
      upstream: simulatedUpstream((request, handler) => {
        const facts = this.#factsOf(request);
        const call = new ProviderCall(facts, { timeline: this.timeline, request, handler });
        this.calls.push(call);
        this.invariants.called(call);
      }),
      watcher: this.invariants,
      diskMs: this.scenario.diskMs,
      resolutionMs: this.scenario.resolutionMs,
      sabotage,
    };
    for (const key of this.scenario.keys) this.disk.keys.set(key.id, key);
  }

  /** Every configuration of this world, whichever is in force. */
  get compiled(): readonly Compiled[] {
    return this.#compiled;
  }

  /** From the first start to the moment when nothing more can happen. */
  async run(): Promise<void> {
    const restore = forbidRealTime((what) => this.invariants.note(what));
    try {
      await this.#live();
    } finally {
      restore();
    }
  }

  async #live(): Promise<void> {
    await this.#start();
    for (const [mark, arrival] of this.scenario.arrivals.entries()) {
      this.timeline.in(arrival.atMs, () => this.#arrive(mark, arrival));
    }
    for (const incident of this.scenario.incidents) {
      this.timeline.in(incident.atMs, () => this.#befall(incident));
    }
    const last = Math.max(0, ...this.scenario.arrivals.map(({ atMs }) => atMs));
    for (let at = SWEEP_MS; at < last + 2 * SWEEP_MS; at += SWEEP_MS) {
      this.timeline.in(at, () => this.process?.sweep());
    }
    for (let steps = 0; this.timeline.step(); steps++) {
      await quiet();
      this.invariants.check();
      if (steps > MAX_STEPS) {
        this.invariants.note('the world does not come to rest');
        break;
      }
    }
    await this.process?.adapters.ledger.flush();
    await quiet();
    this.invariants.finish();
  }

  async #start(): Promise<void> {
    this.invariants.recovered(this.disk.recover());
    const compiled = this.#compiled[this.#config]!;
    const started = new GatewayProcess(this.#machine, compiled);
    const opened = started.open();
    // The store answers in the world's own time.
    let open = false;
    void opened.then(() => {
      open = true;
    });
    await quiet();
    if (this.timeline.now === 0) {
      while (!open && this.timeline.step()) await quiet();
    } else {
      await opened;
    }
    this.process = started;
    this.invariants.started(started);
  }

  #arrive(mark: number, arrival: Arrival): void {
    // Nobody listens while the process is down: the connection is refused.
    if (this.process === undefined) return;
    const body = requestBody(arrival.dialect, { ...arrival, mark });
    const client = new ClientCall(
      {
        mark,
        sent: {
          path: arrival.dialect === 'openai-chat' ? '/v1/chat/completions' : '/v1/messages',
          headers: {
            'content-type': 'application/json',
            'content-length': String(Buffer.byteLength(body)),
            'x-request-id': `mark-${mark}`,
            ...(arrival.dialect === 'openai-chat'
              ? { authorization: `Bearer ${arrival.secret}` }
              : { 'x-api-key': arrival.secret, 'anthropic-version': '2023-06-01' }),
            ...arrival.headers,
          },
          body,
          // What is refused unread goes through a timer of `http/respond.ts` that no port stands before.
          bodyMs: this.process.draining ? 0 : arrival.bodyMs,
        },
        manners: arrival.manners,
      },
      {
        timeline: this.timeline,
        complain: (what) => this.invariants.note(`request ${mark}: ${what}`),
        left: () => this.invariants.left(mark),
      },
    );
    this.clients[mark] = client;
    this.process.serve(client).then(
      () => {
        client.servedAt = this.timeline.now;
      },
      (error: unknown) => this.invariants.note(`request ${mark}: serving threw ${String(error)}`),
    );
  }

  #befall(incident: Incident): void {
    switch (incident.kind) {
      case 'crash':
        this.#crash(incident.downMs);
        return;
      case 'reload': {
        this.#config = incident.config;
        const compiled = this.#compiled[incident.config];
        if (compiled !== undefined) void this.process?.reload(compiled);
        if ((this.process?.clients.size ?? 0) > 0)
          this.invariants.landmarks.add('reloaded with requests under way');
        return;
      }
      case 'clock':
        this.#wall.skew += incident.byMs;
        return;
      case 'disk':
        this.disk.refuses = true;
        this.timeline.in(incident.forMs, () => {
          this.disk.refuses = false;
        });
        return;
      case 'drain':
        if (this.process !== undefined) this.process.draining = true;
    }
  }

  #crash(downMs: number): void {
    if (this.process === undefined) return;
    this.crashes++;
    this.invariants.crashed();
    this.process.kill();
    this.process = undefined;
    for (const call of this.calls) call.drop();
    this.timeline.in(downMs, () => void this.#start());
  }

  #factsOf(request: UpstreamRequest): CallFacts {
    const { scenario } = this;
    const draw = this.#providerDraw.fork();
    const text = typeof request.body === 'string' ? request.body : Buffer.from(request.body ?? '').toString();
    const body = JSON.parse(text) as { model: string; max_tokens?: number; stream?: boolean };
    const most = body.max_tokens ?? (body as { max_completion_tokens?: number }).max_completion_tokens ?? 40;
    const dialect: Dialect = request.path.endsWith('/messages') ? 'anthropic-messages' : 'openai-chat';
    const number = this.calls.length;
    const count = scenario.honest || draw.chance(0.7) ? draw.whole(1, most) : most * draw.whole(1, 4);
    const words = Array.from({ length: Math.min(count, 200) }, (_, index) => wordOf(number, index));
    const truth = { input: estimateTokens(promptOf(text)), output: words.length };
    const usage = usageFor(draw, truth, scenario.honest);
    const speech = { dialect, model: body.model, call: number, words, usage };
    const script = scriptOf(draw, {
      fault: this.#faultFor(request.origin, draw),
      speech,
      stream: body.stream === true,
    });
    return {
      number,
      mark: markOf(text),
      origin: request.origin,
      model: body.model,
      credential: request.headers['authorization'] ?? request.headers['x-api-key'] ?? '',
      dialect,
      stream: body.stream === true,
      startedAt: this.timeline.now,
      text: words.join(''),
      script,
      used: usage === truth ? truth : undefined,
    };
  }

  #faultFor(origin: string, draw: Draw): Fault | undefined {
    const { outages, faultShare, faults } = this.scenario;
    const { now } = this.timeline;
    const outage = outages.find(
      ({ provider, fromMs, toMs }) => origin.includes(`//${provider}.`) && fromMs <= now && now < toMs,
    );
    if (outage !== undefined) return outage.fault;
    return draw.chance(faultShare) ? draw.pick(faults) : undefined;
  }
}

/** Runs the world of one seed to its end. Nothing in it depends on the machine or the time of day. */
export function runSeed(seed: number, sabotage: Sabotage = {}): Promise<Report> {
  return report(seed, new World(seed, sabotage));
}

/** Runs a world that was written by hand; `seed` decides what it leaves open. */
export function runScenario(scenario: Scenario, seed: number, sabotage: Sabotage = {}): Promise<Report> {
  return report(seed, new World(seed, sabotage, scenario));
}

async function report(seed: number, world: World): Promise<Report> {
  await world.run();
  const { violations } = world.invariants;
  const story = [
    ...world.clients.map((client) => [client?.status, client?.text, client?.leftAt, client?.servedAt]),
    ...world.calls.map(({ facts, closedAt }) => [facts.mark, facts.origin, facts.startedAt, closedAt]),
    ...[...world.disk.rows.values()].map((row) => [row.id, row.outcome, row.cost?.total, row.latencyMs]),
  ];
  return {
    seed,
    violations,
    digest: createHash('sha256')
      .update(JSON.stringify([story, violations]))
      .digest('hex'),
    requests: world.scenario.arrivals.length,
    calls: world.calls.length,
    virtualMs: world.timeline.now,
    landmarks: [...world.invariants.landmarks],
  };
}
