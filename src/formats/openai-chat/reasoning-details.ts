import type { Json, JsonObject, ReasoningPart, Signature } from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';
import { compact } from '../fields.ts';
import { formatOfIssuer, issuerOfFormat, vendorOfIssuer } from './detail-formats.ts';

/*
 * OpenRouter's `reasoning_details` beside `reasoning_content`: the only Chat fields that carry opaque reasoning state. An
 * entry without `text` means "what of the reasoning text no other entry holds", so a stream need not send it twice.
 */

interface Group {
  text: string | undefined;
  signature: Signature | undefined;
  redacted: string | undefined;
  id: string | undefined;
  format: Json | undefined;
  readonly index: Json | undefined;
}

function stringOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function addEntry(groups: Group[], entry: JsonObject): void {
  const { type, format, index } = entry as { type?: Json; format?: Json; index?: Json };
  const data = stringOf(entry['data']);
  const isRedacted = type === 'reasoning.encrypted' && issuerOfFormat(format) === 'claude';
  const last = groups.at(-1);
  const joins =
    last !== undefined && index !== undefined && last.index === index && last.signature === undefined;
  let group = joins && !isRedacted && last.redacted === undefined ? last : undefined;
  if (group === undefined) {
    group = { text: undefined, signature: undefined, redacted: undefined, id: undefined, format, index };
    groups.push(group);
  }
  const text = stringOf(entry['text']) ?? stringOf(entry['summary']);
  if (text !== undefined) group.text = (group.text ?? '') + text;
  group.id = stringOf(entry['id']) ?? group.id;
  if (isRedacted) group.redacted = data;
  const value = stringOf(entry['signature']) ?? (isRedacted ? undefined : data);
  if (value !== undefined) group.signature = { issuer: issuerOfFormat(format), value };
}

/** Gives the text that no entry holds to the first entry that could have it. */
function placeText(groups: Group[], text: string): ReasoningPart | undefined {
  const known = groups.map((group) => group.text ?? '').join('');
  if (text === '' || known === text) return undefined;
  const home = groups.find((group) => group.text === undefined && group.redacted === undefined);
  if (home === undefined) return known === '' ? { type: 'reasoning', text } : undefined;
  home.text = text.endsWith(known) ? text.slice(0, text.length - known.length) : text;
  return undefined;
}

/** What a message says about its reasoning. `byCall`: signatures that belong to tool calls, by call id. */
export interface ReadReasoning {
  readonly parts: ReasoningPart[];
  readonly byCall: ReadonlyMap<string, Signature>;
}

/**
 * Reads `reasoning_content` or `reasoning` with `reasoning_details`. `callIds` are the ids of the message's tool calls:
 * an encrypted entry under such an id is that call's signature (OpenRouter with Gemini, S).
 */
export function readReasoning(
  text: string,
  details: Json | undefined,
  callIds: readonly string[],
): ReadReasoning {
  const groups: Group[] = [];
  const byCall = new Map<string, Signature>();
  for (const entry of Array.isArray(details) ? details : []) {
    if (!isObject(entry)) continue;
    const { id, data } = entry;
    if (typeof id === 'string' && typeof data === 'string' && callIds.includes(id)) {
      byCall.set(id, { issuer: issuerOfFormat(entry['format']), value: data });
    } else addEntry(groups, entry);
  }
  const plain = placeText(groups, text);
  const parts: ReasoningPart[] = plain === undefined ? [] : [plain];
  for (const group of groups) {
    if (!group.text && group.signature === undefined && group.redacted === undefined) continue;
    parts.push(partOf(group));
  }
  return { parts, byCall };
}

function partOf({ text, signature, redacted, id, format }: Group): ReasoningPart {
  // A format word that the issuer does not give back is kept: xAI's is one of many of `other`.
  const isOther = signature?.issuer === 'other' && typeof format === 'string' && format !== 'unknown';
  return {
    type: 'reasoning',
    text: text ?? '',
    ...(signature === undefined ? {} : { signature }),
    ...(redacted === undefined ? {} : { redacted }),
    ...(id === undefined ? {} : { id }),
    ...(isOther ? { extensions: { 'openai-chat': { format } } } : {}),
  };
}

/**
 * The entries that carry a reasoning part: one, or a summary with its encrypted state. `withText` false leaves the text
 * to the entry's position, see above.
 */
export function detailsOf(part: ReasoningPart, index: number, withText = true): JsonObject[] {
  const kept = part.extensions?.['openai-chat']?.['format'];
  const text = withText ? part.text : undefined;
  if (part.redacted !== undefined) {
    const format = formatOfIssuer('claude');
    return [compact({ type: 'reasoning.encrypted', data: part.redacted, id: part.id, format, index })];
  }
  const { signature } = part;
  if (signature === undefined) {
    return [compact({ type: 'reasoning.text', text, id: part.id, format: 'unknown', index })];
  }
  const format = kept ?? formatOfIssuer(signature.issuer);
  if (signature.issuer === 'openai' || signature.issuer === 'other') {
    const summary = { type: 'reasoning.summary', summary: part.text, format, index };
    const state = compact({ type: 'reasoning.encrypted', data: signature.value, id: part.id, format, index });
    return withText ? [summary, state] : [state];
  }
  return [compact({ type: 'reasoning.text', text, signature: signature.value, id: part.id, format, index })];
}

/** Google's convention for opaque state on a message or a tool call. */
export function extraContent(signature: Signature): JsonObject {
  return { [vendorOfIssuer(signature.issuer)]: { thought_signature: signature.value } };
}

const VENDORS = ['gemini', 'claude', 'openai', 'deepseek', 'other'] as const;

/** Reads {@link extraContent}; `undefined` when there is none. */
export function signatureIn(extra: Json | undefined): Signature | undefined {
  if (!isObject(extra)) return undefined;
  for (const issuer of VENDORS) {
    const inner = extra[vendorOfIssuer(issuer)];
    const value = isObject(inner) ? inner['thought_signature'] : undefined;
    if (typeof value === 'string' && value !== '') return { issuer, value };
  }
  return undefined;
}
