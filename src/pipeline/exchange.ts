import type { AttemptRecord, CacheState, Cost, PlanName } from '../core/cost/exchange.ts';
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
import type { VirtualKey } from '../core/policy/virtual-key.ts';
import type { ClientDialect, Envelope, ErrorDialect } from '../formats/codec.ts';
import type { Endable } from './compose.ts';
import type { Deployment, ModelRoute, Runtime } from './runtime.ts';

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
  readonly cache: string | undefined;
  /** Client headers that may travel on to the same family of provider, lower-case names (`anthropic-beta`, …). */
  readonly forward: Readonly<Record<string, string>>;
  /** Dialect version (`anthropic-version`). */
  readonly version: string | undefined;
}

/** Facts gathered along the way for money and the log. Written by stages, read by the enders. */
export interface Facts {
  attempts: AttemptRecord[];
  deployment: Deployment | undefined;
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
  firstByteAt: number | undefined;
  /** HTTP status sent. */
  status: number | undefined;
  /** What it cost, once known. */
  cost: Cost | undefined;
  error: SluiceError | undefined;
  /** Nothing is owed and no tokens are used: files, lists, refusals of the provider. */
  free?: boolean;
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
  readonly operation: string;
  readonly runtime: Runtime;
  readonly client: ClientFacts;
  readonly raw: Uint8Array;
  readonly envelope: Envelope;
  /** Aborts when the client hangs up. */
  readonly signal: AbortSignal;
  readonly facts: Facts;
}

/** A chat request as it came in, its body read and parsed once. */
export interface Received extends Exchange {
  readonly codec: ClientDialect;
  readonly operation: 'chat';
  readonly body: JsonObject;
}

/** Who calls. Without a key (open mode) limits and budgets of keys do not apply. */
export interface Principal {
  readonly key: VirtualKey | undefined;
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
  /** Where to settle; absent when no budget applies. */
  readonly budgetId: string | undefined;
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
  /** Notes that a deployment stored an answer under this id. */
  issued: (id: string, deployment: string) => void;
  /** A guardrail, policy or cascade reads or edits content, so the plan must be canonical. */
  needsContent: boolean;
}

/** The order in which deployments are tried, and why. */
export interface Route {
  candidates: readonly Candidate[];
  /** Other models for one cause of failure (`context_overflow`, `content_filter`, `rate_limit`). */
  candidatesOn: (cause: string) => readonly Candidate[];
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
