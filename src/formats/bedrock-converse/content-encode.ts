import { unsupported } from '../../core/errors/error.ts';
import type {
  CacheMark,
  Citation,
  JsonObject,
  MediaPart,
  MediaSource,
  OpaquePart,
  Part,
  ReasoningPart,
  TextPart,
  ToolResultPart,
} from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import { issuerOf, mayReplay, wrapSignature } from '../../core/translation/signatures.ts';
import { compact } from '../fields.ts';
import { argumentsObject } from '../tool-bridge.ts';
import type { Dropped } from '../uncarried.ts';
import { FORMAT, formatWordOf, own } from './wire.ts';

/** What the blocks of one request or answer are written with. */
export interface BlockContext {
  /** The target's family, which decides whose signatures it reads; absent in answers, where all pass. */
  readonly family?: string;
  readonly dropped: Dropped;
  /** Document names in use: Converse wants them unique in a request. */
  readonly names: Set<string>;
}

/** `cachePoint` for a mark; five minutes is the default and older models know no `ttl`. */
export function cachePoint(mark: CacheMark): JsonObject {
  return { cachePoint: mark.ttl === '1h' ? { type: 'default', ttl: '1h' } : { type: 'default' } };
}

const NAME_LENGTH = 200;

/**
 * A document name of letters, digits, single spaces, `-`, parentheses and brackets, at most 200 characters
 * and not used before (API reference DocumentBlock).
 */
export function documentName(wish: string | undefined, used: Set<string>): string {
  const clean = (wish ?? '')
    .replace(/[^A-Za-z0-9\s\-()[\]]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, NAME_LENGTH - 6)
    .trim();
  const base = clean === '' ? 'document' : clean;
  let name = base;
  for (let turn = 2; used.has(name); turn++) name = `${base} (${turn})`;
  used.add(name);
  return name;
}

function encodeSource(source: MediaSource, extra: JsonObject): JsonObject | undefined {
  if (source.kind === 'base64') return { bytes: source.data };
  if (source.kind === 'text') return { text: source.text };
  if (source.kind !== 'url' || !source.url.startsWith('s3://')) return undefined;
  return { s3Location: compact({ uri: source.url, bucketOwner: extra['bucketOwner'] }) };
}

function encodeMedia(part: MediaPart, context: BlockContext): JsonObject {
  const { source, type } = part;
  const { bucketOwner, ...extra } = own(part.extensions);
  const wire = encodeSource(source, bucketOwner === undefined ? {} : { bucketOwner });
  if (wire === undefined) {
    throw unsupported(
      type,
      `Bedrock Converse takes no ${source.kind} reference for this ${type}; send its bytes.`,
    );
  }
  const fallback = source.kind === 'text' ? 'text/plain' : '';
  const word = formatWordOf(type, source.mediaType ?? fallback, source.kind === 'base64' ? source.data : '');
  const format = word ?? (source.kind === 'text' ? 'txt' : undefined);
  if (format === undefined && context.family !== undefined) {
    throw unsupported(type, `Bedrock Converse has no ${type} format for ${source.mediaType ?? 'this type'}.`);
  }
  const value: JsonObject = { format: format ?? 'png', source: wire };
  if (type === 'document') value['name'] = documentName(part.name, context.names);
  if (part.citationsEnabled !== undefined) value['citations'] = { enabled: part.citationsEnabled };
  return { [type]: { ...value, ...extra } };
}

/** One citation, as in `citationsContent` and in stream deltas. */
export function encodeCitation(citation: Citation): JsonObject {
  const brought = own(citation.extensions);
  if (Object.keys(brought).length > 0) return brought;
  return compact({
    title: citation.title,
    source: citation.documentId,
    sourceContent: citation.quote === undefined ? undefined : [{ text: citation.quote }],
    location: citation.url === undefined ? undefined : { web: { url: citation.url } },
  });
}

function encodeText(part: TextPart): JsonObject {
  if (part.citations === undefined || part.citations.length === 0) return { text: part.text };
  return {
    citationsContent: { content: [{ text: part.text }], citations: part.citations.map(encodeCitation) },
  };
}

/** The blob of a redacted thought; see `decodeRedacted`. */
export function redactedBlob(part: Pick<ReasoningPart, 'redacted' | 'extensions'>): string {
  const value = part.redacted ?? '';
  if (own(part.extensions)['redactedBlob'] === true) return value;
  return Buffer.from(value, 'utf8').toString('base64');
}

function encodeReasoning(part: ReasoningPart, context: BlockContext): JsonObject | undefined {
  const { family } = context;
  const isClaude = family === undefined || issuerOf(family, 'claude') === 'claude';
  if (part.redacted !== undefined) {
    if (isClaude) return { reasoningContent: { redactedContent: redactedBlob(part) } };
    context.dropped.add('redacted reasoning');
    return undefined;
  }
  const { signature } = part;
  if (family === undefined) {
    const text = signature === undefined ? undefined : wrapSignature({ ...part, signature }, 'claude');
    return { reasoningContent: { reasoningText: compact({ text: part.text, signature: text }) } };
  }
  if (signature !== undefined && mayReplay(signature, family, 'claude')) {
    return { reasoningContent: { reasoningText: { text: part.text, signature: signature.value } } };
  }
  if (!isClaude && signature === undefined && part.text.trim() !== '') {
    return { reasoningContent: { reasoningText: { text: part.text } } };
  }
  // Claude answers a thought without its own signature with a 400.
  context.dropped.add(
    signature === undefined ? 'reasoning without a signature' : 'foreign reasoning signature',
  );
  return undefined;
}

function encodeOpaque(part: OpaquePart, context: BlockContext): JsonObject | undefined {
  if (part.format === FORMAT && isObject(part.value)) return part.value;
  context.dropped.add(part.label);
  return undefined;
}

function encodeResultPart(
  part: TextPart | MediaPart | OpaquePart,
  context: BlockContext,
): JsonObject | undefined {
  if (part.type === 'opaque') return encodeOpaque(part, context);
  if (part.type !== 'text') return encodeMedia(part, context);
  if (own(part.extensions)['json'] === true) {
    try {
      return { json: parseJson(part.text) };
    } catch {
      return { text: part.text };
    }
  }
  return part.text.trim() === '' ? undefined : { text: part.text };
}

/**
 * A result without content is a 400 for errors with every model and for any result with some; blank text is one too
 * ("The content field … toolResult cannot be empty when status value is error").
 */
const NO_OUTPUT = '(no output)';

function encodeResult(part: ToolResultPart, context: BlockContext): JsonObject {
  const content: JsonObject[] = [];
  for (const entry of part.content) {
    const block = encodeResultPart(entry, context);
    if (block !== undefined) content.push(block);
  }
  if (content.length === 0) content.push({ text: NO_OUTPUT });
  const status = part.isError === undefined ? undefined : part.isError ? 'error' : 'success';
  return {
    toolResult: { ...compact({ toolUseId: part.callId, content, status }), ...own(part.extensions) },
  };
}

/** One part as a block; `undefined` if there is nothing to send, noted where something was lost. */
export function encodePart(part: Part, context: BlockContext): JsonObject | undefined {
  switch (part.type) {
    case 'text':
      return encodeText(part);
    case 'refusal':
      return { text: part.text };
    case 'reasoning':
      return encodeReasoning(part, context);
    case 'tool_call': {
      const call = { toolUseId: part.id, name: part.name, input: argumentsObject(part) };
      return { toolUse: { ...call, ...own(part.extensions) } };
    }
    case 'tool_result':
      return encodeResult(part, context);
    case 'opaque':
      return encodeOpaque(part, context);
    default:
      return encodeMedia(part, context);
  }
}

function isBlank(part: Part): boolean {
  return (part.type === 'text' || part.type === 'refusal') && part.text.trim() === '';
}

/**
 * The blocks of a turn of the prompt, with cache points behind the parts that carry marks. Blank text is left
 * out, because Converse refuses it; its mark goes to the block before it.
 */
export function encodeTurn(parts: readonly Part[], context: BlockContext): JsonObject[] {
  const blocks: JsonObject[] = [];
  for (const part of parts) {
    const block = isBlank(part) ? undefined : encodePart(part, context);
    if (block !== undefined) blocks.push(block);
    const before = blocks.at(-1);
    if (part.cache === undefined) continue;
    if (before === undefined || before['cachePoint'] !== undefined) context.dropped.add('cache_control');
    else blocks.push(cachePoint(part.cache));
  }
  return blocks;
}
