import type { JsonObject } from '../core/model/index.ts';
import type { FormPart } from '../formats/multipart.ts';
import type { Operation, OperationName } from '../formats/operations/index.ts';
import type { Exchange } from './exchange.ts';
import type { ConfiguredProvider } from './runtime.ts';

/** A request for an operation of which the gateway knows the model and the shape. */
export interface Called extends Exchange {
  readonly operation: OperationName;
  /** The JSON body, or the plain fields of an upload; always with `model`. */
  readonly body: JsonObject;
  readonly spec: Operation;
  /** The client's shape, see `formats/operations`. */
  readonly shape: string;
  readonly contentType: string;
  /** Where the parts of an upload lie in `raw`. */
  readonly form: readonly FormPart[] | undefined;
}

/** A request that goes to one provider as it is: files, batches, passthrough. */
export interface Direct extends Exchange {
  /** The JSON body or the plain fields of a form; absent for anything else. */
  readonly body?: JsonObject | undefined;
  readonly target: {
    readonly provider: ConfiguredProvider;
    readonly method: string;
    /** Below the provider's base URL; begins with a slash, percent-encoding as sent. */
    readonly path: string;
    /** With its question mark, or empty. */
    readonly search: string;
    /** The model that body or path names, if any. */
    readonly model: string | undefined;
    /** Client headers to send on, lower-case names. */
    readonly headers: Readonly<Record<string, string>>;
    /** It may cause model calls that cannot be seen in it, so a key with a list of models may not send it. */
    readonly opaque: boolean;
    /** Changes a whole JSON answer, for ids that have to lead back here; such calls make no tokens. */
    readonly rewrite?: (body: JsonObject) => JsonObject;
  };
}
