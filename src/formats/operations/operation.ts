import type { JsonObject, Usage } from '../../core/model/index.ts';
import type { Envelope } from '../codec.ts';

/** Calls besides chat that the gateway understands. */
export type OperationName =
  | 'count_tokens'
  | 'embeddings'
  | 'moderations'
  | 'images'
  | 'speech'
  | 'transcriptions'
  | 'rerank';

/** How an answer of an operation is written for the client. */
export interface OperationReply {
  /** Id of the exchange. */
  readonly id: string;
  /** The model name to echo. */
  readonly model: string;
}

/** A request in an upstream's shape. */
export interface EncodedCall {
  readonly body: JsonObject;
  /** Fields that this target has no word for, in the client's words. */
  readonly dropped: readonly string[];
}

/** One wire shape of an operation, both directions, pure. `Request` and `Response` are in no vendor's words. */
export interface Shape<Request, Response extends { readonly usage: Usage }> {
  /** Throws `bad_request` naming the field. */
  decodeRequest(body: JsonObject): Request;
  /** Throws `unsupported_feature` where leaving something out would change the meaning. */
  encodeRequest(request: Request, model: string): EncodedCall;
  /** Throws `upstream_malformed`. */
  decodeResponse(body: JsonObject, request: Request): Response;
  encodeResponse(response: Response, reply: OperationReply & { readonly request: Request }): JsonObject;
}

/** A call translated from a client's shape to an upstream's, and how to bring the answer back. */
export interface Translated extends EncodedCall {
  answer(body: JsonObject, reply: OperationReply): { readonly body: JsonObject; readonly usage: Usage };
}

/** An operation: what limits and money need of it, and how its shapes meet. */
export interface Operation {
  readonly name: OperationName;
  /** Checks as far as limits and money need it. `bytes` is the size of the whole body. Throws `bad_request`. */
  envelope(body: JsonObject, shape: string, bytes: number): Envelope;
  /** Whether the client's bytes may go to an endpoint of this shape with nothing but the model changed. */
  forwards(client: string, upstream: string): boolean;
  /** Throws `unsupported_feature` when no shape of this name is known. */
  translate(call: {
    readonly body: JsonObject;
    readonly client: string;
    readonly upstream: string;
    readonly model: string;
  }): Translated;
  /** Usage of a forwarded answer: what it reports, else an estimate from what was asked and delivered. */
  usage(call: { readonly body: JsonObject; readonly bytes: number }, answer: JsonObject | undefined): Usage;
}
