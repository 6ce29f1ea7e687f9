import type { JsonObject } from '../../core/model/index.ts';
import { drawOf } from '../../core/routing/decision/hash.ts';
import { judgePrompt, readVerdict, textOfAnswer } from '../../core/routing/promise/judge.ts';
import type { RouteLabel } from '../../core/routing/promise/label.ts';
import type { ClientDialect } from '../../formats/codec.ts';
import { CLIENT_DIALECTS } from '../../formats/dialects.ts';
import type { Tapped } from '../../pipeline/answer-tap.ts';
import type { ClientFacts, Exchange, Principal } from '../../pipeline/exchange.ts';
import type { InnerAnswer, InnerCall, MakeInnerCall } from '../../pipeline/inner-call.ts';
import { mayReachModel, mayUse } from '../../pipeline/may-use.ts';
import { readPrompt } from '../../pipeline/prompt-view.ts';
import type { RoutingNote } from '../../pipeline/routing.ts';
import type { ModelRoute } from '../../pipeline/runtime.ts';
import type { Clock } from '../../ports/clock.ts';
import type { LabelStore, ShadowRun, ShadowStatus } from '../../ports/label-store.ts';
import type { Log } from '../../ports/log-sink.ts';
import type { Random } from '../../ports/random.ts';
import type { RouterConfig } from '../config/schema.ts';
import { DailyCap } from './daily-cap.ts';
import { copyOf, isCopyable, labelOf, weakerOf } from './shadow-facts.ts';

export interface ShadowPorts {
  readonly labels: LabelStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly call: MakeInnerCall;
  readonly router: (name: string) => RouterConfig | undefined;
  readonly keepPrompts: () => boolean;
  readonly take: (label: RouteLabel, prompt: string) => void;
}

/** A request that was answered and is to be asked again. Holds its content until it has run, and no longer. */
interface Job {
  readonly exchange: Exchange & { readonly principal: Principal; readonly body: JsonObject };
  readonly note: RoutingNote;
  readonly weak: string;
  readonly strong: string;
  readonly tapped: Tapped;
  readonly propensity: number;
}

/** What a run is made with. */
interface Means {
  readonly config: RouterConfig;
  readonly mayCost: (worstNano: number) => boolean;
}

/** Waiting copies; more are dropped. */
const MAX_WAITING = 32;
const CONCURRENT = 2;
const CALL_TIMEOUT_MS = 120_000;
/** Room for a model that thinks first; the reply itself is one word. */
const JUDGE_TOKENS = 512;
/** Longest prompt of a judge, see `judgePrompt`. */
const JUDGE_PROMPT_TOKENS = 8000;

/** Counts of what became of shadow runs since the start. */
export interface ShadowCounts {
  run: number;
  dropped: number;
  capped: number;
}

/** Asks weaker models again what stronger ones have answered, off the request's path, and has the answers compared. */
export class ShadowRunner {
  readonly #ports: ShadowPorts;
  readonly #caps: DailyCap;
  readonly #waiting: Job[] = [];
  readonly #aborted = new AbortController();
  readonly counts: ShadowCounts = { run: 0, dropped: 0, capped: 0 };
  readonly #runs = new Set<Promise<void>>();
  #running = 0;

  constructor(ports: ShadowPorts) {
    this.#ports = ports;
    this.#caps = new DailyCap(ports.labels, ports.clock);
  }

  /** The chance with which this exchange is drawn, if it is; decided before the call and the same when asked again. */
  draws(exchange: Exchange, body: JsonObject, note: RoutingNote): number | undefined {
    const { decision, plan } = note;
    const shadow = this.#ports.router(plan.name)?.shadow;
    if (shadow?.judge === undefined || shadow.percent === 0) return undefined;
    // Only what would go to a weaker model than the one that serves it is worth a copy (ROUTER §2.6).
    if (decision.reason !== 'prompt' || decision.served !== note.situation.baseline) return undefined;
    if (weakerOf(note) === undefined || !isCopyable(exchange, body, note)) return undefined;
    const propensity = decision.heldOut === true ? 1 : shadow.percent / 100;
    if (drawOf(`shadow\n${exchange.id}`) >= propensity) return undefined;
    if (this.#waiting.length >= MAX_WAITING) {
      this.counts.dropped++;
      return undefined;
    }
    return propensity;
  }

  /** Queues a copy of an answered request. */
  enqueue(job: Omit<Job, 'weak'>): void {
    const weak = weakerOf(job.note);
    if (weak === undefined) return;
    if (this.#waiting.length >= MAX_WAITING) this.counts.dropped++;
    else this.#waiting.push({ ...job, weak });
    this.#next();
  }

  /** Gives up what runs, and waits until it is booked. */
  async close(): Promise<void> {
    this.#waiting.length = 0;
    this.#aborted.abort();
    await Promise.all(this.#runs);
  }

  #next(): void {
    if (this.#running >= CONCURRENT || this.#aborted.signal.aborted) return;
    const job = this.#waiting.shift();
    if (job === undefined) return;
    this.#running++;
    // Not in the turn of whoever was served.
    setImmediate(() => {
      const run = this.#run(job)
        .catch((error: unknown) => this.#ports.log.warn('shadow.failed', { error: String(error) }))
        .finally(() => {
          this.#running--;
          this.#runs.delete(run);
          this.#next();
        });
      this.#runs.add(run);
    });
  }

  async #run(job: Job): Promise<void> {
    const { note, exchange } = job;
    const config = this.#ports.router(note.plan.name);
    const judge = config?.shadow.judge;
    const strongAnswer = job.tapped.read();
    if (config === undefined || judge === undefined || strongAnswer === undefined) return;
    const { principal } = exchange;
    // Before anything is sent: a copy that nobody may judge would be money for nothing.
    if (!mayUse(principal, judge, note.plan) || !mayReachModel(exchange, judge)) return;
    const lease = await this.#caps.lease(note.plan.name, config.shadow.max_usd_per_day);
    const judging = judgeWorst(exchange.runtime.resolve(judge));
    // A copy that nobody could afford to judge would be money for nothing.
    if (judging === undefined || !lease.mayCost(judging)) {
      this.counts.capped++;
      return;
    }
    const means = { config, mayCost: lease.mayCost };
    const judgeMeans = {
      config,
      mayCost: (worst: number) => worst <= judging || lease.mayCost(worst - judging),
    };
    const spent = { copyNano: 0, judgeNano: 0 };
    const run = { status: 'copy_failed' as ShadowStatus, spent };
    const strongText = textOfAnswer(strongAnswer);
    let copy: InnerAnswer | undefined;
    let verdict: Awaited<ReturnType<ShadowRunner['compare']>>;
    try {
      copy = await this.#ports.call(this.#copyCall(job, means), (nano) => {
        spent.copyNano += nano;
      });
      if (copy.response !== undefined) {
        run.status = 'judge_failed';
        const texts = { strong: strongText, weak: textOfAnswer(copy.response) };
        verdict = await this.compare(job, judgeMeans, {
          texts,
          paid: (nano) => {
            spent.judgeNano += nano;
          },
        });
        run.status = verdict === undefined ? 'no_verdict' : 'judged';
      }
    } catch (error) {
      if (isCapped(error)) this.counts.capped++;
      this.#ports.log.info('shadow.gave_up', {
        router: note.plan.name,
        status: run.status,
        error: String(error),
      });
      // Nothing was called, so there is nothing to write down.
      if (spent.copyNano === 0 && isCapped(error)) return;
    } finally {
      lease.settle(spent.copyNano + spent.judgeNano);
    }
    this.counts.run++;
    const strongOutput = strongAnswer.usage.output;
    await this.#book(job, { ...run, strongOutput, weakOutput: copy?.outputTokens ?? 0 });
    if (verdict === undefined || copy === undefined) return;
    this.#label(job, verdict, { copy, model: strongAnswer.model });
  }

  /** Both answers before the judge, in an order that nobody can foresee; `[weak, strong]`. */
  async compare(
    job: Job,
    means: Means,
    given: {
      readonly texts: { readonly weak: string; readonly strong: string };
      readonly paid: (nano: number) => void;
    },
  ): Promise<readonly [weak: number, strong: number] | undefined> {
    const { texts, paid } = given;
    const view = readPrompt(job.exchange.body);
    const swapped = this.#ports.random.uniform() < 0.5;
    const { system, user } = judgePrompt({
      system: view.system,
      prompt: view.text,
      first: swapped ? texts.weak : texts.strong,
      second: swapped ? texts.strong : texts.weak,
      nonce: Buffer.from(this.#ports.random.bytes(12)).toString('hex'),
    });
    const body: JsonObject = {
      model: means.config.shadow.judge ?? '',
      max_tokens: JUDGE_TOKENS,
      messages: [
        { role: 'system', content: system },
        { role: 'user', content: user },
      ],
    };
    const codec = CLIENT_DIALECTS['openai-chat'];
    const call = this.#callOf(job, means, { codec, body, role: 'judge' });
    const { response } = await this.#ports.call({ ...call, systemPrompt: undefined, canonical: true }, paid);
    const verdict = response === undefined ? undefined : readVerdict(textOfAnswer(response));
    if (verdict === undefined) return undefined;
    const [first, second] = verdict;
    return swapped ? [first, second] : [second, first];
  }

  #copyCall(job: Job, means: Means): InnerCall {
    const { exchange, weak } = job;
    const codec = exchange.codec as ClientDialect;
    return this.#callOf(job, means, { codec, body: copyOf(exchange.body, weak), role: 'copy' });
  }

  #callOf(
    { exchange, note }: Job,
    { config, mayCost }: Means,
    what: { readonly codec: ClientDialect; readonly body: JsonObject; readonly role: 'copy' | 'judge' },
  ): InnerCall {
    const { codec, body, role } = what;
    const router = note.plan.name;
    const client: ClientFacts = {
      ...exchange.client,
      credential: undefined,
      clientRequestId: undefined,
      session: undefined,
      user: undefined,
      metadata: JSON.stringify({ shadow_of: exchange.id, role }),
      timeoutMs: CALL_TIMEOUT_MS,
      fallback: false,
      priority: 'low',
      ...(role === 'judge' ? { forward: {}, version: undefined } : {}),
    };
    return {
      runtime: exchange.runtime,
      principal: exchange.principal,
      codec,
      body,
      client,
      systemPrompt: exchange.systemPrompt,
      tags: { shadow: router },
      canonical: false,
      charged: config.shadow.charge === 'key',
      mayCost,
      signal: AbortSignal.any([this.#aborted.signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]),
    };
  }

  async #book(
    job: Job,
    ran: {
      readonly status: ShadowStatus;
      readonly spent: { readonly copyNano: number; readonly judgeNano: number };
      readonly strongOutput: number;
      readonly weakOutput: number;
    },
  ): Promise<void> {
    const { exchange, note, weak, strong } = job;
    const { weakOutput, strongOutput, spent, status } = ran;
    const run: ShadowRun = {
      id: this.#ports.random.id('shd_'),
      at: this.#ports.clock.now(),
      router: note.plan.name,
      routeKey: note.situation.routeKey,
      exchangeId: exchange.id,
      weak,
      strong,
      status,
      ...spent,
      ...(weakOutput > 0 && strongOutput > 0 ? { weakOutput, strongOutput } : {}),
    };
    await this.#ports.labels.addRun(run);
  }

  #label(
    job: Job,
    [weakOk, strongOk]: readonly [number, number],
    told: { readonly copy: InnerAnswer; readonly model: string | undefined },
  ): void {
    const { exchange, note, weak, strong, propensity } = job;
    const id = this.#ports.random.id('lbl_');
    const label = labelOf(exchange, note, {
      id,
      source: 'shadow',
      outcomes: { [weak]: weakOk, [strong]: strongOk },
    });
    const { deployment, response } = told.copy;
    const at = exchange.facts.deployment?.id;
    const upstream = {
      ...(deployment === undefined || response?.model === undefined ? {} : { [deployment]: response.model }),
      ...(at === undefined || told.model === undefined ? {} : { [at]: told.model }),
    };
    const { text } = readPrompt(exchange.body);
    this.#ports.take(
      {
        ...label,
        propensity,
        // Learned when the verdict fell, not when the request came.
        at: this.#ports.clock.now(),
        pair: { weak, strong },
        versions: { ...label.versions, upstream },
        ...(this.#ports.keepPrompts() ? { prompt: text.slice(0, 3000) } : {}),
      },
      text.slice(0, 3000),
    );
  }
}

/** The most a verdict may cost at any deployment, nano-dollars; `undefined` without a price. */
function judgeWorst(route: ModelRoute | undefined): number | undefined {
  let worst = route === undefined ? undefined : 0;
  for (const { price } of route?.deployments ?? []) {
    if (price === undefined || worst === undefined) return undefined;
    const { input, output, request } = price.price;
    const nano = (JUDGE_PROMPT_TOKENS * input + JUDGE_TOKENS * output + request) / 1000;
    worst = Math.max(worst, Math.ceil(nano));
  }
  return worst;
}

function isCapped(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'budget_exceeded';
}
