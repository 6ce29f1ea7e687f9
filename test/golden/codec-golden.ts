import type { ChatResponse, JsonObject, StreamEvent } from '../../src/core/model/index.ts';
import { OPEN_PROFILE } from '../../src/core/model/index.ts';
import { createCollector } from '../../src/core/translation/collect.ts';
import type { ChatCodec, Reply, Target } from '../../src/formats/codec.ts';
import type { FrameReader } from '../../src/formats/frame.ts';
import type { Canon } from './wire.ts';

/** A target nobody described, as the round-trip tests of requests want it. */
export const OPEN_TARGET: Target = {
  model: 'upstream-model',
  profile: OPEN_PROFILE,
  quirks: {},
  defaultMaxOutputTokens: 4096,
};

/** How answers are written in tests. */
export const TEST_REPLY: Reply = {
  id: 'answer-1',
  model: 'asked-model',
  created: 1_780_000_000,
  includeUsage: true,
};

/** Every event of a recorded stream, read in the given pieces. */
export function readStream(
  codec: ChatCodec,
  reader: FrameReader,
  pieces: readonly Uint8Array[],
): readonly StreamEvent[] {
  const decoder = codec.streamDecoder({ quirks: {} });
  const events: StreamEvent[] = [];
  for (const piece of pieces) for (const frame of reader.push(piece)) events.push(...decoder.push(frame));
  for (const frame of reader.end()) events.push(...decoder.push(frame));
  events.push(...decoder.end());
  return events;
}

/** The whole answer of a stream. */
export function collect(events: readonly StreamEvent[]): ChatResponse {
  const collector = createCollector();
  collector.push(events);
  return collector.response();
}

/** Neighbouring deltas joined, so that streams cut at different places compare. */
export function joined(events: readonly StreamEvent[]): readonly StreamEvent[] {
  const out: StreamEvent[] = [];
  for (const event of events) {
    const before = out.at(-1);
    if (event.type === 'delta' && before?.type === 'delta' && before.part === event.part) {
      out[out.length - 1] = { ...before, text: before.text + event.text };
    } else out.push(event);
  }
  return out;
}

/** A stream written by the codec and read back. */
export function streamRoundTrip(
  codec: ChatCodec,
  reader: FrameReader,
  events: readonly StreamEvent[],
): readonly StreamEvent[] {
  const encoder = codec.streamEncoder(TEST_REPLY);
  const pieces = [encoder.push(events), encoder.end()].map((piece) =>
    typeof piece === 'string' ? Buffer.from(piece) : piece,
  );
  return readStream(codec, reader, pieces);
}

/** A value as it looks after a trip through JSON text. */
export function throughJson<Value>(value: Value): Value {
  return JSON.parse(JSON.stringify(value)) as Value;
}

/** The usage without the vendor's own object, which differs between the recorded and the written form. */
export function withoutRaw(response: ChatResponse): ChatResponse {
  const { raw: _, ...usage } = response.usage;
  return { ...response, usage };
}

/** Reads a recorded request. */
export function requestOf(bytes: Uint8Array): JsonObject {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as JsonObject;
}

/** What of a reference decoding is compared as it stands. */
export function compared(canon: Canon): object {
  const { text, reasoning, refusal, tools, stop, usage, choices } = canon;
  return { text, reasoning, refusal, tools, stop, usage, choices };
}

/** How many citations an answer carries on its texts. */
export function citationsOf(response: ChatResponse): number {
  const parts = response.choices[0]?.parts ?? [];
  return parts.reduce((sum, part) => sum + (part.type === 'text' ? (part.citations?.length ?? 0) : 0), 0);
}
