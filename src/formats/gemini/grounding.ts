import {
  type Citation,
  isObject,
  type Json,
  type JsonObject,
  type OutputPart,
} from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
import { compact } from '../fields.ts';
import { asObject, asString, listOf } from './aliases.ts';

/** A visible text of an answer and the number of its part. */
export interface VisibleText {
  readonly part: number;
  readonly text: string;
}

/** A citation and the part it stands on. */
export interface PlacedCitation {
  readonly part: number;
  readonly citation: Citation;
}

/** UTF-8 bytes of the code point at `at` (UTF-16 index) and its length in units. */
function step(text: string, at: number): readonly [bytes: number, units: number] {
  const code = text.codePointAt(at) ?? 0;
  if (code > 0xffff) return [4, 2];
  return [code < 0x80 ? 1 : code < 0x800 ? 2 : 3, 1];
}

interface Position {
  /** Code points before it. */
  readonly point: number;
  /** UTF-16 units before it. */
  readonly unit: number;
}

/** Where byte offsets lie in `text`; an offset inside a character lies nowhere. */
function positionsOf(text: string, offsets: readonly number[]): ReadonlyMap<number, Position> {
  const wanted = [...new Set(offsets)].sort((a, b) => a - b);
  const found = new Map<number, Position>();
  let bytes = 0;
  let point = 0;
  let unit = 0;
  for (const offset of wanted) {
    while (bytes < offset && unit < text.length) {
      const [width, units] = step(text, unit);
      bytes += width;
      unit += units;
      point++;
    }
    if (bytes === offset) found.set(offset, { point, unit });
  }
  return found;
}

/** Byte offsets of code-point numbers in `text`. */
function byteOffsets(text: string, points: Iterable<number>): ReadonlyMap<number, number> {
  const wanted = [...new Set(points)].sort((a, b) => a - b);
  const found = new Map<number, number>();
  let bytes = 0;
  let seen = 0;
  let at = 0;
  for (const point of wanted) {
    while (seen < point && at < text.length) {
      const [width, units] = step(text, at);
      bytes += width;
      at += units;
      seen++;
    }
    found.set(point, bytes);
  }
  return found;
}

function pointLength(text: string): number {
  let points = 0;
  for (let at = 0; at < text.length; points++) at += step(text, at)[1];
  return points;
}

function sourceOf(chunk: Json): Citation | undefined {
  const body = asObject(chunk);
  const web = asObject(body?.['web']) ?? asObject(body?.['maps']) ?? asObject(body?.['image']);
  const found = web ?? asObject(body?.['retrievedContext']);
  if (found === undefined) return undefined;
  const url = asString(found['uri']) ?? asString(found['sourceUri']);
  const fields = {
    kind: web === undefined ? 'document' : 'url',
    url,
    documentId: asString(found['documentName']) ?? asString(found['fileSearchStore']),
    title: asString(found['title']),
    quote: web === undefined ? asString(found['text']) : undefined,
  };
  return compact(fields) as unknown as Citation;
}

interface Support {
  readonly start: number;
  readonly end: number;
  readonly text: string | undefined;
  readonly chunks: readonly number[];
}

function supportOf(value: Json): Support | undefined {
  const body = asObject(value);
  const segment = asObject(body?.['segment']);
  if (body === undefined || segment === undefined) return undefined;
  const chunks = listOf(body['groundingChunkIndices'])
    .map(toNumber)
    .filter((i) => typeof i === 'number');
  const end = toNumber(segment['endIndex']);
  if (typeof end !== 'number') return undefined;
  // Protobuf JSON leaves zeros out.
  const start = toNumber(segment['startIndex']) ?? 0;
  if (typeof start !== 'number') return undefined;
  return { start, end, text: asString(segment['text']), chunks };
}

interface Range {
  readonly part: number;
  readonly start: number;
  readonly end: number;
}

/** Texts joined, with the code points between which each lies. */
class TextMap {
  readonly joined: string;
  readonly #ranges: Range[] = [];

  constructor(texts: readonly VisibleText[]) {
    this.joined = texts.map((text) => text.text).join('');
    let start = 0;
    for (const { part, text } of texts) {
      const end = start + pointLength(text);
      if (end > start) this.#ranges.push({ part, start, end });
      start = end;
    }
  }

  /** The part that holds a whole range, and the range inside it. */
  place(start: number, end: number): Range | undefined {
    let low = 0;
    let high = this.#ranges.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#ranges[middle]?.start ?? 0) <= start) low = middle;
      else high = middle - 1;
    }
    const found = this.#ranges[low];
    if (found === undefined || end > found.end) return undefined;
    return { part: found.part, start: start - found.start, end: end - found.start };
  }

  get last(): number | undefined {
    return this.#ranges.at(-1)?.part;
  }
}

/** The range of a segment, if the bytes there hold the segment's own text. */
function placeOf(
  support: Support,
  map: TextMap,
  positions: ReadonlyMap<number, Position>,
): Range | undefined {
  const start = positions.get(support.start);
  const end = positions.get(support.end);
  if (start === undefined || end === undefined || end.unit < start.unit) return undefined;
  const { text } = support;
  const fits =
    text === undefined || (text.length === end.unit - start.unit && map.joined.startsWith(text, start.unit));
  return fits ? map.place(start.point, end.point) : undefined;
}

/**
 * Citations of `groundingMetadata`, one per supported segment and source; sources that support no segment
 * follow without offsets. Segments count UTF-8 **bytes** over the visible text (Gemini API "Grounding");
 * where the bytes do not hold the segment's own text, the citation has no offsets.
 */
export function decodeGrounding(metadata: Json | undefined, texts: readonly VisibleText[]): PlacedCitation[] {
  const body = asObject(metadata);
  const sources = listOf(body?.['groundingChunks']).map(sourceOf);
  const map = new TextMap(texts);
  const { last } = map;
  if (sources.length === 0 || last === undefined) return [];
  const supports = listOf(body?.['groundingSupports']).flatMap((value) => supportOf(value) ?? []);
  const positions = positionsOf(
    map.joined,
    supports.flatMap((support) => [support.start, support.end]),
  );
  const used = new Set<number>();
  const placed: PlacedCitation[] = [];
  for (const support of supports) {
    const place = placeOf(support, map, positions);
    for (const index of support.chunks) {
      const source = sources[index];
      if (source === undefined) continue;
      used.add(index);
      if (place === undefined) placed.push({ part: last, citation: source });
      else placed.push({ part: place.part, citation: { ...source, start: place.start, end: place.end } });
    }
  }
  for (const [index, source] of sources.entries()) {
    if (source !== undefined && !used.has(index)) placed.push({ part: last, citation: source });
  }
  return placed;
}

function chunkOf(citation: Citation): JsonObject {
  if (citation.kind === 'url') return { web: compact({ uri: citation.url, title: citation.title }) };
  return {
    retrievedContext: compact({
      uri: citation.url,
      documentName: citation.documentId,
      title: citation.title,
      text: citation.quote,
    }),
  };
}

/** Citations of other vendors as `groundingMetadata`, or `undefined` when there are none. */
export function encodeGrounding(parts: readonly OutputPart[]): JsonObject | undefined {
  const chunks: JsonObject[] = [];
  const known = new Map<string, number>();
  const groundingSupports: JsonObject[] = [];
  let base = 0;
  for (const part of parts) {
    if (part.type !== 'text') continue;
    const citations = part.citations ?? [];
    const bytes = byteOffsets(part.text, [
      ...citations.flatMap(({ start, end }) =>
        start === undefined || end === undefined ? [] : [start, end],
      ),
      Number.MAX_SAFE_INTEGER,
    ]);
    const letters = citations.length === 0 ? [] : [...part.text];
    for (const citation of citations) {
      const chunk = chunkOf(citation);
      const key = JSON.stringify(chunk);
      const index = known.get(key) ?? chunks.push(chunk) - 1;
      known.set(key, index);
      const { start, end } = citation;
      if (start === undefined || end === undefined) continue;
      const text = letters.slice(start, end).join('');
      const segment = {
        startIndex: base + (bytes.get(start) ?? 0),
        endIndex: base + (bytes.get(end) ?? 0),
        text,
      };
      groundingSupports.push({ segment, groundingChunkIndices: [index] });
    }
    base += bytes.get(Number.MAX_SAFE_INTEGER) ?? 0;
  }
  if (chunks.length === 0) return undefined;
  return { groundingChunks: chunks, ...(groundingSupports.length === 0 ? {} : { groundingSupports }) };
}

/** Log-probabilities in OpenAI's shape. */
export function decodeLogprobs(result: Json | undefined): Json | undefined {
  if (!isObject(result)) return undefined;
  const tops = listOf(result['topCandidates']);
  const entry = (value: Json | undefined): JsonObject => ({
    token: asString(asObject(value)?.['token']) ?? '',
    logprob: asObject(value)?.['logProbability'] ?? 0,
    bytes: null,
  });
  return {
    content: listOf(result['chosenCandidates']).map((chosen, i) => ({
      ...entry(chosen),
      top_logprobs: listOf(asObject(tops[i])?.['candidates']).map(entry),
    })),
  };
}

/** OpenAI's log-probabilities as `logprobsResult`. */
export function encodeLogprobs(logprobs: Json | undefined): JsonObject | undefined {
  const content = asObject(logprobs)?.['content'];
  if (!Array.isArray(content)) return undefined;
  const entry = (value: Json): JsonObject => {
    const body = asObject(value);
    return compact({ token: body?.['token'], logProbability: body?.['logprob'] });
  };
  return {
    chosenCandidates: content.map(entry),
    topCandidates: content.map((value) => ({
      candidates: listOf(asObject(value)?.['top_logprobs']).map(entry),
    })),
  };
}
