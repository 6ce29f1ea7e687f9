import type { StatedCost } from '../core/cost/stated-cost.ts';
import type { FormatId } from '../core/model/index.ts';
import type { Quirks } from '../formats/codec.ts';

/** A kind of call a provider can serve. */
export type Operation =
  | 'chat'
  | 'count_tokens'
  | 'embeddings'
  | 'moderations'
  | 'images'
  | 'speech'
  | 'transcriptions'
  | 'rerank'
  | 'completions'
  | 'files'
  | 'batches';

/** How a credential is sent. Adapters that need more than a header (SigV4, OAuth) have a name of their own. */
export type AuthScheme =
  | { readonly type: 'bearer' }
  | { readonly type: 'header'; readonly header: string }
  | { readonly type: 'sigv4'; readonly service: string }
  | { readonly type: 'google-oauth' }
  | { readonly type: 'none' };

/** One way to reach an operation. `{model}`, `{region}` and `{project}` in a path are replaced, percent-encoded. */
export interface Endpoint {
  readonly format: FormatId | 'openai' | 'cohere' | 'jina' | 'voyage' | 'gemini-embeddings';
  readonly path: string;
  /** The vendor takes no money for it, whatever the model's price. */
  readonly free?: boolean;
  /** Path for streamed calls where it differs. */
  readonly streamPath?: string;
  /** Source of a regular expression, ignoring case: only models whose name matches are served here. Absent: all. */
  readonly models?: string;
  /** Top-level body fields this surface sets or does not take, whatever the format says: `adaptBody` applies it. */
  readonly body?: { readonly set?: Readonly<Record<string, string>>; readonly omit?: readonly string[] };
  /**
   * `aws-invoke`: streams come as AWS event-stream frames whose payload is `{"bytes": …}`, the base64 of one event of the
   * format (Bedrock `invoke-with-response-stream`).
   */
  readonly streamWrap?: 'aws-invoke';
}

/**
 * A vendor, as data. Everything that differs between vendors stands here or in its `quirks`; nothing outside this folder
 * asks for a provider by id.
 */
export interface Provider {
  /** Fixed word used in config and `provider/model` names. */
  readonly id: string;
  /** The vendor's own name. */
  readonly name: string;
  /** Environment variables that may hold its key, first match wins. */
  readonly env: readonly string[];
  /** Default base URL without a trailing slash; `undefined` where only the operator knows it. May hold `{region}`. */
  readonly baseUrl: string | undefined;
  /** Base URL for the region `global`, where it is not the pattern of the others (Vertex). */
  readonly globalBaseUrl?: string;
  /** Environment variable that overrides the base URL, where the vendor's own SDK has one. */
  readonly baseUrlEnv?: string;
  readonly auth: AuthScheme;
  /** Headers sent on every call, lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Chat endpoints in order of preference; others by operation. */
  readonly endpoints: { readonly chat: readonly Endpoint[] } & {
    readonly [Other in Exclude<Operation, 'chat'>]?: Endpoint;
  };
  readonly quirks?: Quirks;
  /** Its answers say what they cost. Believed over the catalog, and never over a price that the operator set. */
  readonly statesCost?: StatedCost;
  /** The vendor's id in the price catalog, where it differs from `id`. */
  readonly catalogId?: string;
  /** Text that a key of this vendor starts with; used to recognise a client's own key in open mode. */
  readonly keyPrefix?: string;
  /** Regions it can be pinned to, with the default first. */
  readonly regions?: readonly string[];
  /** Runs on the operator's machine: private addresses are allowed and no key is needed. */
  readonly local?: boolean;
  /** Where its keys are made, for messages. */
  readonly console?: string;
}
