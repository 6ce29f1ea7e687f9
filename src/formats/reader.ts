import { SluiceError } from '../core/errors/error.ts';
import { createAwsEventStreamReader } from './aws-event-stream.ts';
import type { Frame, FrameReader, Framing } from './frame.ts';
import { createJsonArrayReader } from './json-array.ts';
import { isTooDeep } from './json-scan.ts';
import { createNdjsonReader } from './ndjson.ts';
import { createSseReader } from './sse.ts';

const READERS: Readonly<Record<Framing | 'aws-invoke', (limit?: number) => FrameReader>> = {
  sse: createSseReader,
  ndjson: createNdjsonReader,
  'aws-event-stream': createAwsEventStreamReader,
  // The reader unwraps the `{bytes}` payloads of `invoke-with-response-stream` by itself.
  'aws-invoke': createAwsEventStreamReader,
  'json-array': createJsonArrayReader,
};

/** Shorter events cannot be nested deep enough to hurt anyone. */
const DEEP_FROM = 4096;

function shallow(frames: readonly Frame[]): readonly Frame[] {
  for (const { data } of frames) {
    if (data.length > DEEP_FROM && isTooDeep(Buffer.from(data))) {
      throw new SluiceError('upstream_malformed', 'The provider sent an event that is nested too deep.');
    }
  }
  return frames;
}

/**
 * A reader for streams framed so. Throws `upstream_malformed` for an event nested deeper than any answer is, and
 * `upstream_too_large` for one of more than `limit` bytes.
 */
export function createFrameReader(framing: Framing | 'aws-invoke', limit?: number): FrameReader {
  const reader = READERS[framing](limit);
  return { push: (chunk) => shallow(reader.push(chunk)), end: () => shallow(reader.end()) };
}
