/** One event of a stream, whatever carried it. */
export interface Frame {
  /** SSE `event:` or AWS `:event-type`; AWS exceptions arrive as `exception:<type>`. */
  readonly event: string | undefined;
  /** SSE `data:` lines joined by a newline, an NDJSON line, or an AWS frame's payload as text. */
  readonly data: string;
}

/** How frames lie in the bytes. `json-array` is Gemini without `alt=sse`. */
export type Framing = 'sse' | 'ndjson' | 'aws-event-stream' | 'json-array';

/** Cuts bytes into frames, wherever the network split them. */
export interface FrameReader {
  /** Throws `upstream_malformed` on a bad checksum or a frame above its limit. */
  push(chunk: Uint8Array): readonly Frame[];
  /** The body ended; a last frame without its terminator is returned if it is complete in itself. */
  end(): readonly Frame[];
}

/** A frame above this many bytes is an attack or a fault, not an answer (F11). */
export const MAX_FRAME_BYTES = 16 * 1024 * 1024;
