import type { AttemptRecord } from '../core/cost/exchange.ts';
import { SluiceError } from '../core/errors/error.ts';
import type { ChatResponse, JsonObject } from '../core/model/index.ts';
import type { ClientDialect } from '../formats/codec.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Random } from '../ports/random.ts';
import { tapAnswer } from './answer-tap.ts';
import { billedCalls, chargeExchange } from './charge.ts';
import { type Ender, type Stage, settleOnEnd } from './compose.ts';
import {
  type Answered,
  type Authorized,
  type BilledCall,
  type ClientFacts,
  type Exchange,
  extend,
  type Facts,
  type Guarded,
  type Limited,
  type Principal,
  type Received,
  type Reserved,
  type Routed,
} from './exchange.ts';
import { holdUnpaid, unpaidHold } from './hold-record.ts';
import type { Runtime } from './runtime.ts';
import { worstOf } from './worst-case.ts';

/** A call that the gateway makes by itself on behalf of somebody's request, under that key's policy. */
export interface InnerCall {
  readonly runtime: Runtime;
  /** Whose policy holds. */
  readonly principal: Principal;
  readonly codec: ClientDialect;
  readonly body: JsonObject;
  readonly client: ClientFacts;
  readonly systemPrompt: string | undefined;
  /** What the exchange is logged with instead of the client's own tags. */
  readonly tags: Readonly<Record<string, string>>;
  /** Translated in any case, not forwarded as bytes. */
  readonly canonical: boolean;
  /** Its key pays, and its budgets with it; otherwise nobody's. */
  readonly charged: boolean;
  /** Sets the worst case aside, nano-dollars; false: not now. */
  readonly mayCost: (worstNano: number) => boolean;
  readonly signal: AbortSignal;
  /**
   * A part of another exchange, which books it: nothing is held, settled or logged here. Asked for the worst case before
   * the call, `undefined` without a price; false: not now.
   */
  readonly within?: (worstNano: number | undefined) => Promise<boolean>;
}

/** What was called, for whoever books it. */
export interface InnerCost {
  readonly calls: readonly BilledCall[];
  readonly attempts: readonly AttemptRecord[];
}

/** What came of it. */
export interface InnerAnswer {
  readonly response: ChatResponse | undefined;
  readonly deployment: string | undefined;
  readonly outputTokens: number;
}

/** What such calls are made with. */
export interface InnerCallPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly ledger: Ledger;
  readonly newFacts: () => Facts;
  readonly enforcePolicy: (exchange: Authorized) => Authorized | Promise<Authorized>;
  readonly reserveBudget: Stage<Limited, Reserved>;
  readonly guardInput: Stage<Reserved, Guarded>;
  readonly chooseRoute: (exchange: Guarded) => Routed;
  readonly attempt: Stage<Routed, Answered>;
  readonly enders: readonly Ender<Exchange>[];
}

/** Makes a call; `paid` is told what it cost, whatever became of it. Throws what it failed with. */
export type MakeInnerCall = (
  call: InnerCall,
  paid: (nano: number, cost: InnerCost) => void,
) => Promise<InnerAnswer>;

const MAX_ANSWER_BYTES = 512 * 1024;

function receive(ports: InnerCallPorts, call: InnerCall): Authorized {
  const { runtime, principal, codec, body, client, charged } = call;
  const envelope = codec.envelope(body);
  const route = runtime.resolve(envelope.model);
  if (route === undefined) throw new SluiceError('model_not_found', 'This model is not to be had here.');
  const received: Received = {
    id: ports.random.id('exc_'),
    startedAt: ports.clock.now(),
    startedMono: ports.clock.monotonic(),
    codec,
    operation: 'chat',
    runtime,
    client,
    raw: Buffer.from(JSON.stringify(body)),
    body,
    envelope,
    signal: call.signal,
    facts: ports.newFacts(),
    ...(call.systemPrompt === undefined ? {} : { systemPrompt: call.systemPrompt }),
    end: undefined,
  };
  const { place } = principal;
  const payer: Principal = charged
    ? principal
    : {
        ...principal,
        // The sums of a key fill its budgets after a restart, so what the key does not pay must not bear its name.
        key: undefined,
        scopes: [],
        ...(place === undefined ? {} : { place: { ...place, ownerId: undefined } }),
      };
  const alone = { ...route, fallbacks: [], fallbacksOn: {} };
  return extend(received, { principal: payer, grant: { route: alone, objective: undefined } });
}

async function reserve(ports: InnerCallPorts, call: InnerCall, limited: Limited): Promise<Reserved> {
  const worst = worstOf(limited, limited.grant.route);
  if (call.within !== undefined) {
    if (!(await call.within(worst))) throw new SluiceError('budget_exceeded', 'No budget can pay for this.');
    return extend(limited, { hold: unpaidHold(worst ?? 0) });
  }
  if (worst === undefined) {
    throw new SluiceError('price_unknown', 'The price of this model is not known, and a cap applies.');
  }
  if (!call.mayCost(worst)) throw new SluiceError('budget_exceeded', 'The cap of today is used up.');
  if (call.charged) return ports.reserveBudget(limited);
  return holdUnpaid(ports.ledger, limited, worst);
}

async function carryOut(ports: InnerCallPorts, call: InnerCall, exchange: Authorized): Promise<InnerAnswer> {
  const allowed = await ports.enforcePolicy(exchange);
  // Policies may demand the client's tags; the log gets ours.
  const { tags } = call;
  const slot = { headers: {}, release: () => undefined };
  const limited = extend(allowed, { slot, client: { ...allowed.client, tags } }) as Limited;
  const reserved = await reserve(ports, call, limited);
  const guarded = await ports.guardInput(reserved);
  if (call.canonical) guarded.needsContent = true;
  const answered = await ports.attempt(ports.chooseRoute(guarded));
  const { answer, tapped } = tapAnswer(answered, answered.answer, MAX_ANSWER_BYTES);
  if (answer.kind === 'byte-stream') for await (const _ of answer.chunks);
  if (answer.kind === 'event-stream') for await (const _ of answer.events);
  const response = tapped.read();
  const { deployment } = exchange.facts;
  return { response, deployment: deployment?.id, outputTokens: response?.usage.output ?? 0 };
}

/** Makes calls of the gateway's own: policy, ledger and log as for any other, no client and no rate limit of a key. */
export function createInnerCall(ports: InnerCallPorts): MakeInnerCall {
  return async (call, paid) => {
    const exchange = receive(ports, call);
    const enders: Ender<Received>[] = [
      () => {
        const { attempts } = exchange.facts;
        paid(chargeExchange(exchange).cost?.total ?? 0, { calls: billedCalls(exchange), attempts });
      },
      ...(ports.enders as readonly Ender<Received>[]),
    ];
    let answer: InnerAnswer | undefined;
    await settleOnEnd<Received, void>(async () => {
      answer = await carryOut(ports, call, exchange);
    }, enders)(exchange);
    await exchange.end?.({ kind: 'answered' });
    if (answer === undefined) throw new SluiceError('internal', 'There is no answer.');
    return answer;
  };
}
