import type { Json } from './json.ts';
import type { Extensions, OutputPart } from './message.ts';
import type { Usage } from './usage.ts';

/** Why the model stopped, in no vendor's words. `unknown`: the upstream finished properly but gave no reason. */
export type FinishReason =
  | 'stop'
  | 'tool_calls'
  | 'length'
  | 'stop_sequence'
  | 'content_filter'
  | 'refusal'
  | 'pause'
  | 'error'
  | 'unknown';

/** A finish reason is read, never invented; `raw` is the upstream's own word. */
export interface Finish {
  readonly reason: FinishReason;
  readonly raw?: string;
  /** The sequence that ended the answer, where the upstream names it. */
  readonly stopSequence?: string;
  /** The vendor's detail object (Anthropic `stop_details`, Gemini `finishMessage`). */
  readonly details?: Json;
}

/** One of the answers asked for. */
export interface Choice {
  readonly index: number;
  readonly parts: readonly OutputPart[];
  readonly finish: Finish;
  readonly logprobs?: Json;
  readonly extensions?: Extensions;
}

/** A whole answer in no vendor's words. `choices` has at least one entry, ordered by `index`. */
export interface ChatResponse {
  /** The upstream's id of the answer. */
  readonly id?: string;
  /** The model that answered, in the upstream's words. */
  readonly model?: string;
  /** Unix seconds, where the upstream says so. */
  readonly created?: number;
  readonly choices: readonly Choice[];
  readonly usage: Usage;
  readonly serviceTier?: string;
  readonly extensions?: Extensions;
}
