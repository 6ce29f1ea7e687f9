import type { Origin } from '../core/cache/answer-cache.ts';
import type { AttemptRecord, CacheState, Cost, ExchangePlace, PlanName } from '../core/cost/exchange.ts';
import type { PriceSnapshot } from '../core/cost/price.ts';
import type { SluiceError } from '../core/errors/error.ts';
import type {
  ChatRequest,
  ChatResponse,
  Finish,
  JsonObject,
  OutputPart,
  StreamEvent,
  Usage,
} from '../core/model/index.ts';
import type { AnyOperation } from '../core/policy/operations.ts';
import type { EffectivePolicy } from '../core/policy/policy.ts';
import type { Scope } from '../core/policy/scope.ts';
import type { VirtualKey } from '../core/policy/virtual-key.ts';
import type { Priority } from '../core/resilience/fair-queue.ts';
import type { ClientDialect, Envelope, ErrorDialect } from '../formats/codec.ts';
import type { Endable } from './compose.ts';
import type { FoundRouter, RoutingNote } from './routing.ts';
import type { Deployment, ModelRoute, Runtime } from './runtime.ts';
import type { Tether } from './tether.ts';

/** What the client said about itself and the call, from headers. */
export interface ClientFacts {
  /** The presented credential, whichever header carried it. */
  readonly credential: string | undefined;
  readonly address: string;
  readonly clientRequestId: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
  readonly user: string | undefined;
  readonly session: string | undefined;
  readonly metadata: string | undefined;
  readonly timeoutMs: number | undefined;
  readonly fallback: boolean;
  /** Regions that the request asks to stay in. */
  readonly regions?: readonly string[] | undefined;
  /** How urgent the request says it is; counts as far as the key allows. */
  readonly priority?: Priority | undefined;
  readonly cache: string | undefined;
  /** Client headers that may travel on to the same family of provider, lower-case names (`anthropic-beta`, …). */
  readonly forward: Readonly<Record<string, string>>;
  /** Dialect version (`anthropic-version`). */
  readonly version: string | undefined;
  /** `x-sluice-approval`: the id of an approval for this very call. */
  readonly approval?: string;
  /** `x-sluice-approval-wait-ms`: how long the client waits for one. */
  readonly approvalWaitMs?: number;
}

/** Facts gathered along the way for money and the log. Written by stages, read by the enders. */
export interface Facts {
  attempts: AttemptRecord[];
  deployment: Deployment | undefined;
  /** Who made an answer that was taken from the cache or from another request's call. */
  origin?: Origin | undefined;
  upstreamFormat: string | undefined;
  upstreamRequestId: string | undefined;
  plan: PlanName | undefined;
  cache: CacheState;
  dropped: readonly string[];
  receipt: string | undefined;
  /** The last usage the upstream reported. */
  usage: Usage | undefined;
  finish: Finish | undefined;
  /** UTF-8 bytes of model output handed to the client, for estimates when usage is missing. */
  deliveredBytes: number;
  /** `deliveredBytes` when usage was reported last: none, and it can only be that of the answer's beginning. */
  usageAt: number;
  /** The piece of a stream that tells the client it has all, once it is there: the exchange is journalled before it goes out. */
  lastPiece: Uint8Array | string | undefined;
  firstByteAt: number | undefined;
  /** HTTP status sent. */
  status: number | undefined;
  /** What it cost, once known. */
  cost: Cost | undefined;
  /** The price it was charged with, once it is. */
  price: PriceSnapshot | undefined;
  error: SluiceError | undefined;
  /** Nothing is owed and no tokens are used: files, lists, refusals of the provider. */
  free?: boolean;
  /** That it waited for a provider's limits: place in the queue when it came, and milliseconds so far. */
  queue?: { readonly position: number; readonly waitMs: number };
  /** Mark of the credential in use, where the provider has several. */
  credential?: string | undefined;
  /** Where the request is at work right now, its answer not begun: whoever gives it up owes for the prompt. */
  calling?: Deployment | undefined;
  /** Output tokens that an answer told of before it was lost. */
  lostOutput?: number | undefined;
  /** Calls besides the one that answered which their providers bill too. */
  billed?: readonly BilledCall[] | undefined;
  /** Places that were passed over, with the reason. */
  skipped?: AttemptRecord[];
  /** What policies, budgets and approvals did to the request. */
  ruling?: Ruling | undefined;
  /** What the request's router decided; the receipt is made of it. */
  routing?: RoutingNote | undefined;
  /** Its headline for `x-sluice-decision`. */
  decision?: string | undefined;
}

/** What was decided about a request besides letting it pass; logged with it. */
export interface Ruling {
  /** The approval that let it pass. */
  readonly approval?: string;
  /** The model asked for, where a budget put a cheaper one in its place. */
  readonly downgradedFrom?: string;
  readonly downgradedTo?: string;
  /** The budget that did so. */
  readonly budget?: string;
  /** The budget that refused it, with its figures at that moment. */
  readonly refusal?: Readonly<Record<string, string | null>>;
  /** Where its data had to stay. */
  readonly regions?: readonly string[];
  /** A prompt was put before the conversation. */
  readonly systemPrompt?: boolean;
}

/** A call whose answer did not become the exchange's, or not all of it. */
export interface BilledCall {
  readonly deployment: Deployment;
  readonly usage: Usage;
  /** Its vendor made it within another call of the list: no call of ours. */
  readonly within?: true;
}

/** What every exchange has, whatever is asked for: identity, limits, budgets, ledger and log need no more. */
export interface Exchange extends Endable {
  readonly id: string;
  /** Wall clock, ms. */
  readonly startedAt: number;
  /** Monotonic clock, ms. */
  readonly startedMono: number;
  /** The client's dialect. */
  readonly codec: ErrorDialect;
  readonly operation: AnyOperation;
  readonly runtime: Runtime;
  readonly client: ClientFacts;
  readonly raw: Uint8Array;
  readonly envelope: Envelope;
  /** Aborts when the client hangs up. */
  readonly signal: AbortSignal;
  /** Put before the conversation by policy. */
  readonly systemPrompt?: string;
  /** Aborts when the call to the upstream is to be given up, where that is not simply when the client hangs up. */
  callSignal?: AbortSignal;
  /** Present where something may keep the upstream being read after the client has left. */
  tether?: Tether;
  readonly facts: Facts;
}

/** A chat request as it came in, its body read and parsed once. */
export interface Received extends Exchange {
  readonly codec: ClientDialect;
  readonly operation: 'chat';
  readonly body: JsonObject;
  /** Client headers that routers may read; absent without routers. */
  readonly routingHeaders?: Readonly<Record<string, string>>;
}

/** Who calls. Without a key (open mode) limits and budgets of keys do not apply. */
export interface Principal {
  readonly key: VirtualKey | undefined;
  /** Everything the key belongs to, widest first; in open mode the default organization. */
  readonly scopes: readonly Scope[];
  /** What all of its places allow together; `UNRESTRICTED` when none says anything. */
  readonly policy: EffectivePolicy;
  /** Where the key belongs, for the log; absent for keys of the default organization and nothing below it. */
  readonly place?: ExchangePlace | undefined;
  /** The client's own provider key, forwarded in open mode. */
  readonly ownCredential: string | undefined;
}

export interface Authenticated extends Received {
  principal: Principal;
}

/** What the principal may do with this request. */
export interface Grant {
  readonly route: ModelRoute;
  /** Suffix of the asked name (`:cost`, `:fast`, `:quality`). */
  readonly objective: 'cost' | 'fast' | 'quality' | undefined;
  /** The router asked for by name; until it has decided, `route` is its baseline. */
  readonly router?: FoundRouter | undefined;
  /** Fallbacks that a router names instead of the model's own. */
  readonly fallbacks?: Pick<ModelRoute, 'fallbacks' | 'fallbacksOn'>;
}

export interface Authorized extends Authenticated {
  grant: Grant;
}

/** Places taken in the limiters; given back at the end. */
export interface Slot {
  /** Headers `x-ratelimit-*` for the answer. */
  readonly headers: Readonly<Record<string, string>>;
  release(tokens: number): void;
}

export interface Limited extends Authorized {
  slot: Slot;
}

/** Money set aside. */
export interface Hold {
  readonly amountNano: number;
  /** A budget that pays; absent when none applies. */
  readonly budgetId: string | undefined;
  /** Every budget and window that pays, for the ledger; see `readCharges`. */
  charges: string | undefined;
  /** Budgets of fallback models and of helpers: they pay only if theirs is a model that answers or helps. */
  readonly perhaps?: readonly { readonly budgetId: string; readonly models: readonly string[] }[] | undefined;
  /** A stream that says more than this is cut off: what was set aside is used up. Tokens. */
  readonly cutAtTokens?: number | undefined;
}

export interface Reserved extends Limited {
  hold: Hold;
}

/** The request after the input guardrails: still the client's bytes unless one edited it. */
export interface Guarded extends Reserved {
  /** The canonical request, decoded on first use. */
  decoded: () => ChatRequest;
  /** Keeps an answer's reasoning for the next turn, in case the client drops it. */
  remember: (parts: readonly OutputPart[]) => void;
  /** Which deployment stored the answer with this id; ids of stored answers mean nothing elsewhere. */
  issuerOf: (id: string) => string | undefined;
  /** Mark of the credential with which the answer with this id was stored, where its provider has several. */
  issuerAccountOf?: (id: string) => string | undefined;
  /** Notes that a deployment stored an answer under this id. */
  issued: (id: string, deployment: string) => void;
  /** A guardrail, policy or cascade reads or edits content, so the plan must be canonical. */
  needsContent: boolean;
}

/** The order in which deployments are tried, and why. */
export interface Route {
  candidates: readonly Candidate[];
  /** Left out for their open circuits; tried when every candidate had to be passed over. */
  spared?: readonly Candidate[];
  /** Other models for one cause of failure (`context_overflow`, `content_filter`, `rate_limit`). */
  candidatesOn: (cause: string) => readonly Candidate[];
  /** Where the conversation lives, if anywhere. */
  tie?: Tie | undefined;
}

/** The deployment and account that answered a conversation before. */
export interface Tie {
  readonly deployment: string;
  /** Mark of the credential; `undefined` where the provider has only one. */
  readonly credential: string | undefined;
  /**
   * `state`: only they keep the stored answer that the request continues. `sealed`: only that account can read the
   * reasoning it brings back. `session`: their caches are warm, nothing more.
   */
  readonly kind: 'state' | 'sealed' | 'session';
}

/** A chat request with its route. */
export interface Routed extends Guarded, Route {}

/** One deployment to try, with the retry policy of the model that brought it in. */
export interface Candidate {
  readonly deployment: Deployment;
  readonly route: ModelRoute;
}

/** What goes to the client. Streams throw a `SluiceError` where they break off. */
export type Answer =
  | { readonly kind: 'bytes'; readonly contentType: string; readonly bytes: Uint8Array }
  | { readonly kind: 'byte-stream'; readonly contentType: string; readonly chunks: AsyncIterable<Uint8Array> }
  | { readonly kind: 'whole'; readonly response: ChatResponse }
  | { readonly kind: 'event-stream'; readonly events: AsyncIterable<readonly StreamEvent[]> };

export interface Answered extends Guarded {
  answer: Answer;
}

/** Adds fields to an exchange in place: stages share one object, typed more richly step by step. */
export function extend<In extends object, More extends object>(input: In, more: More): In & More {
  return Object.assign(input, more);
}
