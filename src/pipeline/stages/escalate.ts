import { SluiceError } from '../../core/errors/error.ts';
import {
  type ChatResponse,
  completionTokens,
  isObject,
  promptTokens,
  type StreamEvent,
} from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import type { CascadePlan } from '../../core/routing/decision/types.ts';
import { findWeakness, type Weakness } from '../../core/routing/decision/verify.ts';
import { createCollector } from '../../core/translation/collect.ts';
import { createFrameReader } from '../../formats/reader.ts';
import { CODECS } from '../../formats/registry.ts';
import type { Place } from '../admission.ts';
import { callCount, costOfCalls, finalUsage, ownCalls } from '../charge.ts';
import type { Stage } from '../compose.ts';
import { type Answer, type Answered, extend, type Facts, type Routed } from '../exchange.ts';
import { type FundPorts, fund } from '../fund.ts';
import type { JudgeAnswer } from '../judge-answer.ts';
import { mayGoOver } from '../may-use.ts';
import type { RoutingNote } from '../routing.ts';
import type { Deployment, ModelRoute } from '../runtime.ts';
import { verifyFacts } from '../verify-facts.ts';

export interface EscalatePorts extends FundPorts {
  readonly judge: JudgeAnswer;
  readonly chooseRoute: (exchange: Routed) => Routed;
  readonly attempt: Stage<Routed, Answered>;
}

type Asked = Answered & Routed & { readonly place?: Place };

/** An answer read to its end, still as it came. */
interface Collected {
  readonly answer: Answer;
  /** Absent where it was too long to be looked at. */
  readonly response: ChatResponse | undefined;
}

async function* replayed<T>(held: readonly T[], rest?: AsyncIterator<T>): AsyncGenerator<T> {
  yield* held;
  for (let step = await rest?.next(); step !== undefined && step.done !== true; step = await rest?.next()) {
    yield step.value;
  }
}

function codecOf(exchange: Routed) {
  const format = exchange.facts.upstreamFormat ?? exchange.codec.id;
  return CODECS[format as keyof typeof CODECS];
}

function decodeWhole(exchange: Routed, bytes: Uint8Array): ChatResponse | undefined {
  const body: unknown = parseJson(Buffer.from(bytes).toString('utf8'));
  const quirks = exchange.facts.deployment?.provider.quirks ?? {};
  return isObject(body) ? codecOf(exchange)?.decodeResponse(body, { quirks }) : undefined;
}

function throwIfBroken(events: readonly StreamEvent[]): void {
  const broken = events.find((event) => event.type === 'error');
  if (broken?.type === 'error') throw broken.error;
}

async function collectEvents(
  events: AsyncIterable<readonly StreamEvent[]>,
  maxBytes: number,
): Promise<Collected> {
  const collector = createCollector();
  const held: (readonly StreamEvent[])[] = [];
  const source = events[Symbol.asyncIterator]();
  let size = 0;
  for (let step = await source.next(); step.done !== true; step = await source.next()) {
    throwIfBroken(step.value);
    held.push(step.value);
    collector.push(step.value);
    for (const event of step.value) if (event.type === 'delta') size += event.text.length;
    if (size > maxBytes) {
      return { answer: { kind: 'event-stream', events: replayed(held, source) }, response: undefined };
    }
  }
  return { answer: { kind: 'event-stream', events: replayed(held) }, response: collector.response() };
}

async function collectBytes(
  exchange: Routed,
  answer: Extract<Answer, { kind: 'byte-stream' }>,
  maxBytes: number,
): Promise<Collected> {
  const codec = codecOf(exchange);
  const reader = codec === undefined ? undefined : createFrameReader(codec.framing);
  const decoder = codec?.streamDecoder({ quirks: exchange.facts.deployment?.provider.quirks ?? {} });
  const collector = createCollector();
  const held: Uint8Array[] = [];
  const source = answer.chunks[Symbol.asyncIterator]();
  const look = (frames: ReturnType<NonNullable<typeof reader>['push']>): void => {
    for (const frame of frames) {
      const events = decoder?.push(frame) ?? [];
      throwIfBroken(events);
      collector.push(events);
    }
  };
  let size = 0;
  for (let step = await source.next(); step.done !== true; step = await source.next()) {
    held.push(step.value);
    size += step.value.length;
    look(reader?.push(step.value) ?? []);
    if (size > maxBytes)
      return { answer: { ...answer, chunks: replayed(held, source) }, response: undefined };
  }
  look(reader?.end() ?? []);
  const last = decoder?.end() ?? [];
  throwIfBroken(last);
  collector.push(last);
  return { answer: { ...answer, chunks: replayed(held) }, response: collector.response() };
}

/** Reads an answer to its end without changing it, so that it can be judged before its first byte goes out. */
function collect(exchange: Routed, answer: Answer): Collected | Promise<Collected> {
  const { maxAnswerBytes } = exchange.runtime;
  switch (answer.kind) {
    case 'whole':
      return { answer, response: answer.response };
    case 'bytes':
      return { answer, response: decodeWhole(exchange, answer.bytes) };
    case 'event-stream':
      return collectEvents(answer.events, maxAnswerBytes);
    case 'byte-stream':
      return collectBytes(exchange, answer, maxAnswerBytes);
  }
}

/** Facts about one call; put back when the next one fails. */
type CallFacts = Pick<
  Facts,
  | 'deployment'
  | 'upstreamFormat'
  | 'upstreamRequestId'
  | 'plan'
  | 'dropped'
  | 'usage'
  | 'finish'
  | 'deliveredBytes'
  | 'usageAt'
  | 'billed'
  | 'calling'
>;

const NO_CALL: CallFacts = {
  deployment: undefined,
  upstreamFormat: undefined,
  upstreamRequestId: undefined,
  plan: undefined,
  dropped: [],
  usage: undefined,
  finish: undefined,
  deliveredBytes: 0,
  usageAt: 0,
  billed: undefined,
  calling: undefined,
};

function callFacts(facts: Facts): CallFacts {
  const { deployment, upstreamFormat, upstreamRequestId, plan, dropped, usage, finish } = facts;
  const { deliveredBytes, usageAt, billed, calling } = facts;
  return {
    deployment,
    upstreamFormat,
    upstreamRequestId,
    plan,
    dropped,
    usage,
    finish,
    deliveredBytes,
    usageAt,
    billed,
    calling,
  };
}

/** Books the call whose answer is not taken, and clears the facts for the next. */
function setAside(exchange: Asked, weakness: { cause: string }, note: RoutingNote): CallFacts {
  const { facts } = exchange;
  const before = callFacts(facts);
  facts.billed = undefined;
  const usage = finalUsage(exchange);
  const calls = ownCalls(exchange);
  const model = exchange.grant.route.name;
  const costNano = costOfCalls(exchange, calls).cost?.total;
  note.calls.push({ model, costNano, cause: weakness.cause });
  exchange.place?.end({ kind: 'good' }, promptTokens(usage) + completionTokens(usage));
  const billed = calls.length === 0 ? before.billed : [...(before.billed ?? []), ...calls];
  Object.assign(facts, NO_CALL, { billed });
  return before;
}

function dearest(route: ModelRoute): Deployment | undefined {
  const rate = ({ price }: Deployment) =>
    price === undefined ? Number.POSITIVE_INFINITY : price.price.input + price.price.output;
  return route.deployments.reduce<Deployment | undefined>(
    (most, one) => (most === undefined || rate(one) > rate(most) ? one : most),
    undefined,
  );
}

/** Whether a failure is one that another model may not have. */
function isModelFailure(error: unknown): error is SluiceError {
  return error instanceof SluiceError && error.blame === 'upstream';
}

/** One request on its way up the cascade. */
class Climb {
  readonly #ports: EscalatePorts;
  readonly #exchange: Routed;
  readonly #note: RoutingNote;
  readonly #plan: CascadePlan;
  /** The judge's calls, among those that are billed. */
  readonly #aside = { calls: 0, nano: 0 };

  constructor(ports: EscalatePorts, exchange: Routed, told: { note: RoutingNote; plan: CascadePlan }) {
    this.#ports = ports;
    this.#exchange = exchange;
    this.#note = told.note;
    this.#plan = told.plan;
  }

  /** Asks the model at hand; why its answer will not do, if so. Throws what it failed with. */
  async ask(isLast: boolean): Promise<{ asked: Asked; weakness: Weakness | undefined }> {
    const answered = await this.#ports.attempt(this.#exchange);
    // Nobody comes after the last one, so there is nothing to wait for.
    if (isLast) return { asked: answered as Asked, weakness: undefined };
    const { answer, response } = await collect(this.#exchange, answered.answer);
    const asked = extend(answered, { answer }) as Asked;
    const facts = response === undefined ? undefined : verifyFacts(this.#exchange, this.#plan.escalateOn);
    if (response === undefined || facts === undefined) return { asked, weakness: undefined };
    return { asked, weakness: findWeakness(response, facts) ?? (await this.#judged(response)) };
  }

  /** What the judge has against an answer, where one is configured; its calls are booked with the exchange. */
  async #judged(response: ChatResponse): Promise<Weakness | undefined> {
    const { judge } = this.#plan;
    if (judge === undefined) return undefined;
    const exchange = this.#exchange;
    const { facts } = exchange;
    const found = await this.#ports.judge(exchange, { judge, response, note: this.#note });
    const { verdict, cost, costNano } = found;
    const calls = cost?.calls ?? [];
    if (cost !== undefined && calls.length > 0) {
      facts.billed = [...(facts.billed ?? []), ...calls];
      facts.attempts.push(...cost.attempts);
      this.#aside.calls += callCount(calls);
      this.#aside.nano += found.heldNano;
    }
    if (verdict !== 'not asked')
      this.#note.calls.push({ model: judge.model, costNano, cause: verdict, role: 'judge' });
    return verdict === 'fail' ? { cause: 'judge', says: `${judge.model} lets it not pass` } : undefined;
  }

  /** Puts the next model in place. False when it is out of reach or no budget can pay for it. */
  async raise(model: string): Promise<boolean> {
    const exchange = this.#exchange;
    const found = exchange.runtime.resolve(model);
    const route = found === undefined ? undefined : this.#note.narrow(found);
    const deployment = route === undefined ? undefined : dearest(route);
    if (route === undefined || deployment === undefined || !mayGoOver(exchange, route)) return false;
    if ((await fund(this.#ports, exchange, { deployment, besides: true, aside: this.#aside })) !== undefined)
      return false;
    extend(exchange, { grant: { ...exchange.grant, route } });
    return true;
  }

  async run(models: readonly string[]): Promise<Answered> {
    const [, ...rest] = models;
    let kept: { asked: Asked; facts: CallFacts } | undefined;
    for (;;) {
      try {
        const { asked, weakness } = await this.ask(rest[0] === undefined);
        this.#note.final = asked.grant.route.name;
        const next = rest[0];
        if (weakness === undefined || next === undefined) return asked;
        const { grant } = asked;
        if (!(await this.raise(next))) return asked;
        // Booked under the model that gave the answer, not the one that is asked next.
        const raised = this.#exchange.grant;
        extend(this.#exchange, { grant });
        kept = { asked: { ...asked }, facts: setAside(asked, weakness, this.#note) };
        extend(this.#exchange, { grant: raised });
      } catch (error) {
        if (!isModelFailure(error)) throw error;
        if (kept !== undefined) return this.#fallBack(kept);
        const next = rest[0];
        if (next === undefined || !this.#plan.escalateOn.includes('error')) throw error;
        const { name } = this.#exchange.grant.route;
        if (!(await this.raise(next))) throw error;
        this.#note.calls.push({ model: name, costNano: undefined, cause: 'error' });
        Object.assign(this.#exchange.facts, { ...NO_CALL, billed: this.#exchange.facts.billed });
      }
      rest.shift();
      this.#ports.chooseRoute(this.#exchange);
    }
  }

  /** The stronger model failed: a weak answer is better than none. */
  #fallBack({ asked, facts }: { asked: Asked; facts: CallFacts }): Answered {
    const { grant, answer } = asked;
    Object.assign(this.#exchange.facts, facts);
    const call = this.#note.calls.findLast(
      ({ model, role }) => model === grant.route.name && role === undefined,
    );
    if (call !== undefined) this.#note.calls.splice(this.#note.calls.indexOf(call), 1);
    this.#note.final = grant.route.name;
    return extend(this.#exchange, { grant, answer });
  }
}

/**
 * Asks the cheap model first where the decision says so, looks at its whole answer before a byte of it goes out, and asks
 * the next one when it will not do: as often as the cascade allows and the budgets can pay. Every call is billed.
 */
export function createEscalate(ports: EscalatePorts): Stage<Routed, Answered> {
  return (exchange) => {
    const note = exchange.facts.routing;
    const models = note?.decision.cascade;
    const plan = note?.plan.cascade;
    if (note === undefined || models === undefined || plan === undefined) return ports.attempt(exchange);
    return new Climb(ports, exchange, { note, plan }).run(models);
  };
}
