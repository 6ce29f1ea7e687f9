import { createAwsEventStreamReader } from './aws-event-stream.ts';
import type { FrameReader, Framing } from './frame.ts';
import { createJsonArrayReader } from './json-array.ts';
import { createNdjsonReader } from './ndjson.ts';
import { createSseReader } from './sse.ts';

const READERS: Readonly<Record<Framing, () => FrameReader>> = {
  sse: () => createSseReader(),
  ndjson: () => createNdjsonReader(),
  'aws-event-stream': () => createAwsEventStreamReader(),
  'json-array': () => createJsonArrayReader(),
};

/** A reader for streams framed so. */
export function createFrameReader(framing: Framing): FrameReader {
  return READERS[framing]();
}
