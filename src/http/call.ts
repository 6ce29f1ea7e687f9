import type { JsonObject } from '../core/model/index.ts';
import type { Admittance } from '../core/resilience/overload.ts';
import type { ClientDialect } from '../formats/codec.ts';
import type { Called, Direct } from '../pipeline/call.ts';
import type { Stage } from '../pipeline/compose.ts';
import type { Answered, ClientFacts, Principal, Received } from '../pipeline/exchange.ts';
import type { Done } from '../pipeline/operation.ts';
import type { RouterAnswered, RouterCall } from '../pipeline/router-call.ts';
import type { Runtime } from '../pipeline/runtime.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Outbox } from '../ports/outbox.ts';
import type { OwnedObjects } from '../ports/owned-objects.ts';
import type { Random } from '../ports/random.ts';
import type { BodyLimits } from './body.ts';
import type { ClientRequest } from './client-request.ts';
import type { ClientResponse } from './client-response.ts';

/** What the data plane is built from. */
export interface DataPlanePorts {
  readonly runtime: () => Runtime;
  readonly chat: Stage<Received, Answered>;
  /** Operations besides chat, of models. */
  readonly operation: Stage<Called, Done<Called>>;
  /** Calls that go to one provider as they are. */
  readonly direct: Stage<Direct, Done<Direct>>;
  /** Questions to the router itself. */
  readonly router: Stage<RouterCall, RouterAnswered>;
  /** Checks a credential for endpoints without a pipeline. Throws as `authenticate` does. */
  readonly admit: (client: ClientFacts, runtime: Runtime) => Principal;
  /** Checks a JWT of a configured issuer before its request; `undefined` when there is nothing to wait for. */
  readonly tokens?: { prepare(token: string): Promise<void> | undefined };
  /** Takes what somebody says of an answer to his own key. Throws `bad_request` or `not_found`. */
  readonly feedback?: (principal: Principal, body: JsonObject) => Promise<object>;
  /** Whose an object at a provider is. */
  readonly objects: OwnedObjects;
  readonly bodyLimits: () => BodyLimits;
  readonly writeStallMs: number;
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** New work is refused while the process drains. */
  readonly draining: () => boolean;
  /** What is running, so that a drain can wait for the last one, and what may be taken on. */
  readonly inFlight: {
    /** A request begins; returns what to call at its end. `cancel` gives it up when memory is all but gone. */
    add(cancel: () => void): () => void;
    readonly running: number;
    readonly admittance: Admittance;
  };
  /** Requests worked on at once; above it new ones are refused. */
  readonly maxInFlight: () => number;
}

/** One request on the data plane, its dialect known. */
export interface Call {
  readonly request: ClientRequest;
  readonly response: ClientResponse;
  readonly codec: ClientDialect;
  readonly requestId: string;
  readonly query: URLSearchParams | undefined;
  /** Parameters from the path, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
}

/** What an endpoint does with a call. */
export type Action = (ports: DataPlanePorts, call: Call) => Promise<void>;
