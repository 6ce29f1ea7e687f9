import type { ChatResponse, StreamEvent } from '../core/model/index.ts';
import { isObject } from '../core/model/index.ts';
import { parseJson } from '../core/model/parse-json.ts';
import { createCollector } from '../core/translation/collect.ts';
import { createFrameReader } from '../formats/reader.ts';
import { CODECS } from '../formats/registry.ts';
import type { Answer, Exchange } from './exchange.ts';

/** An answer as it went by, still in the upstream's format. */
export interface Tapped {
  /** Decodes what was kept; `undefined` where it was too long or is none of a known format. May throw. */
  read(): ChatResponse | undefined;
}

/** What is needed to read an answer's bytes. */
type Source = Pick<Exchange, 'facts' | 'codec'>;

function codecOf({ facts, codec }: Source) {
  return CODECS[(facts.upstreamFormat ?? codec.id) as keyof typeof CODECS];
}

function quirksOf({ facts }: Source) {
  return facts.deployment?.provider.quirks ?? {};
}

/** A whole answer from its bytes in the upstream's format. Throws when they are none. */
export function decodeWhole(source: Source, bytes: Uint8Array): ChatResponse | undefined {
  const body: unknown = parseJson(Buffer.from(bytes).toString('utf8'));
  return isObject(body) ? codecOf(source)?.decodeResponse(body, { quirks: quirksOf(source) }) : undefined;
}

/** A whole answer from the bytes of a stream in the upstream's format. */
export function decodeStream(source: Source, chunks: readonly Uint8Array[]): ChatResponse | undefined {
  const codec = codecOf(source);
  if (codec === undefined) return undefined;
  const reader = createFrameReader(codec.framing);
  const decoder = codec.streamDecoder({ quirks: quirksOf(source) });
  const collector = createCollector();
  for (const chunk of chunks) for (const frame of reader.push(chunk)) collector.push(decoder.push(frame));
  for (const frame of reader.end()) collector.push(decoder.push(frame));
  collector.push(decoder.end());
  return collector.response();
}

function collected(held: readonly (readonly StreamEvent[])[]): ChatResponse {
  const collector = createCollector();
  for (const events of held) collector.push(events);
  return collector.response();
}

/** Passes everything on as it comes and keeps up to `most` of it. */
async function* keeping<T>(
  source: AsyncIterable<T>,
  keep: { readonly held: T[]; readonly size: (one: T) => number; most: number },
): AsyncGenerator<T> {
  for await (const one of source) {
    if (keep.most >= 0) {
      keep.most -= keep.size(one);
      if (keep.most >= 0) keep.held.push(one);
      else keep.held.length = 0;
    }
    yield one;
  }
}

function sizeOf(events: readonly StreamEvent[]): number {
  let size = 0;
  for (const event of events) if (event.type === 'delta') size += event.text.length;
  return size;
}

/** Keeps a copy of an answer while it goes by, unchanged and at its own pace; nothing is decoded until it is read. */
export function tapAnswer(
  source: Source,
  answer: Answer,
  maxBytes: number,
): { answer: Answer; tapped: Tapped } {
  switch (answer.kind) {
    case 'whole':
      return { answer, tapped: { read: () => answer.response } };
    case 'bytes': {
      const { bytes } = answer;
      return {
        answer,
        tapped: { read: () => (bytes.length > maxBytes ? undefined : decodeWhole(source, bytes)) },
      };
    }
    case 'byte-stream': {
      const keep = { held: [] as Uint8Array[], size: (chunk: Uint8Array) => chunk.length, most: maxBytes };
      const tapped = { read: () => (keep.most < 0 ? undefined : decodeStream(source, keep.held)) };
      return { answer: { ...answer, chunks: keeping(answer.chunks, keep) }, tapped };
    }
    case 'event-stream': {
      const keep = { held: [] as (readonly StreamEvent[])[], size: sizeOf, most: maxBytes };
      const tapped = { read: () => (keep.most < 0 ? undefined : collected(keep.held)) };
      return { answer: { ...answer, events: keeping(answer.events, keep) }, tapped };
    }
  }
}
