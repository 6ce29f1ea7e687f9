import type { SluiceError } from '../errors/error.ts';
import type { Json } from './json.ts';
import type { Citation, Extensions, MediaPart, OpaquePart, Signature } from './message.ts';
import type { Finish } from './response.ts';
import type { Usage } from './usage.ts';

/** What a streamed part is, known when it opens. */
export type PartHead =
  | { readonly type: 'text' }
  | { readonly type: 'refusal' }
  | { readonly type: 'reasoning'; readonly id?: string; readonly redacted?: string }
  | {
      readonly type: 'tool_call';
      readonly id: string;
      readonly name: string;
      readonly kind: 'function' | 'custom';
      readonly itemId?: string;
      /** Unknown fields that a format gives when the call opens; `part_end` repeats them. */
      readonly extensions?: Extensions;
    }
  /** Arrive whole: the head is the part, no delta follows. */
  | OpaquePart
  | MediaPart;

/**
 * A streamed answer in no vendor's words. Order per choice: for each part `part_start`, any number of
 * `delta`, `signature`, `citation`, `part_end`; then one `finish`. Several parts of a choice may be open at once
 * (interleaved parallel tool calls). `part` numbers rise by one from 0 in opening order, per choice.
 * `usage` is a snapshot: the last one counts. A stream that ends without `finish` for choice 0 was cut, and
 * its decoder's `end()` says so with an `error` event; nothing follows an `error`.
 */
export type StreamEvent =
  | {
      readonly type: 'start';
      readonly id?: string;
      readonly model?: string;
      readonly created?: number;
      readonly serviceTier?: string;
      readonly extensions?: Extensions;
    }
  | { readonly type: 'part_start'; readonly choice: number; readonly part: number; readonly head: PartHead }
  /** Text of a text, refusal or reasoning part; JSON text of a tool call's arguments. */
  | { readonly type: 'delta'; readonly choice: number; readonly part: number; readonly text: string }
  | {
      readonly type: 'signature';
      readonly choice: number;
      readonly part: number;
      readonly signature: Signature;
    }
  | { readonly type: 'citation'; readonly choice: number; readonly part: number; readonly citation: Citation }
  | {
      readonly type: 'part_end';
      readonly choice: number;
      readonly part: number;
      readonly extensions?: Extensions;
    }
  /** Log-probabilities of tokens just delivered, in OpenAI's shape. */
  | { readonly type: 'logprobs'; readonly choice: number; readonly logprobs: Json }
  | {
      readonly type: 'finish';
      readonly choice: number;
      readonly finish: Finish;
      readonly extensions?: Extensions;
    }
  | { readonly type: 'usage'; readonly usage: Usage }
  | { readonly type: 'error'; readonly error: SluiceError };
