import { createAwsEventStreamReader } from './aws-event-stream.ts';
import type { FrameReader, Framing } from './frame.ts';
import { createJsonArrayReader } from './json-array.ts';
import { createNdjsonReader } from './ndjson.ts';
import { createSseReader } from './sse.ts';

const READERS: Readonly<Record<Framing | 'aws-invoke', () => FrameReader>> = {
  sse: () => createSseReader(),
  ndjson: () => createNdjsonReader(),
  'aws-event-stream': () => createAwsEventStreamReader(),
  // The reader unwraps the `{bytes}` payloads of `invoke-with-response-stream` by itself.
  'aws-invoke': () => createAwsEventStreamReader(),
  'json-array': () => createJsonArrayReader(),
};

/** A reader for streams framed so. */
export function createFrameReader(framing: Framing | 'aws-invoke'): FrameReader {
  return READERS[framing]();
}
