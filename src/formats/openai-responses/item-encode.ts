import {
  isObject,
  type Json,
  type JsonObject,
  type MediaPart,
  type OutputPart,
  type ReasoningPart,
  type RefusalPart,
  type Signature,
  type TextPart,
  type ToolCallPart,
} from '../../core/model/index.ts';
import { wrapSignature } from '../../core/translation/signatures.ts';
import { compact } from '../fields.ts';
import { codePoints, encodeAnnotation } from './citations.ts';
import { REDACTED } from './items.ts';
import { FORMAT, HOME_ISSUER, IN_CONTENT, ITEM, ownFields, PIECES } from './wire.ts';

/** A run of parts that becomes one message item, or a part that is an item of its own. */
export type Group =
  | {
      readonly kind: 'message';
      readonly parts: readonly OutputPart[];
      readonly fields: JsonObject | undefined;
    }
  | { readonly kind: 'part'; readonly part: Exclude<OutputPart, TextPart | RefusalPart> };

/** Whether a part lives inside a message item. */
export function isMessageContent(part: { readonly type: string; readonly extensions?: object }): boolean {
  if (part.type === 'text' || part.type === 'refusal') return true;
  return part.type === 'opaque' && ownFields(part)?.[IN_CONTENT] === true;
}

/** The message item's own fields if it ends with this part. */
export function itemFields(part: {
  readonly extensions?: OutputPart['extensions'] & object;
}): JsonObject | undefined {
  const fields = ownFields(part)?.[ITEM];
  return isObject(fields) ? fields : undefined;
}

/** Cuts an assistant turn into items. Text parts join one message until a part says that its item ended there. */
export function groupParts(parts: readonly OutputPart[]): readonly Group[] {
  const groups: Group[] = [];
  let open: OutputPart[] = [];
  const close = (fields: JsonObject | undefined) => {
    if (open.length > 0) groups.push({ kind: 'message', parts: open, fields });
    open = [];
  };
  for (const part of parts) {
    if (isMessageContent(part)) {
      open.push(part);
      const fields = itemFields(part);
      // A signature goes out behind the item, so the part that has one must be the item's last.
      const isSigned = part.type === 'text' && part.signature !== undefined;
      if (fields !== undefined || isSigned) close(fields);
      continue;
    }
    close(undefined);
    if (part.type !== 'text' && part.type !== 'refusal') groups.push({ kind: 'part', part });
  }
  close(undefined);
  return groups;
}

/** A part's own fields without the codec's own marks. */
export function wireRest(part: { readonly extensions?: OutputPart['extensions'] & object }): JsonObject {
  const { [ITEM]: _item, [PIECES]: _pieces, [IN_CONTENT]: _inContent, ...rest } = ownFields(part) ?? {};
  return rest;
}

/** `output_text` with everything the official type demands. */
export function outputText(part: TextPart, logprobs: readonly Json[] = []): JsonObject {
  const length = part.citations === undefined ? 0 : codePoints(part.text);
  return {
    type: 'output_text',
    text: part.text,
    annotations: (part.citations ?? []).map((cited) => encodeAnnotation(cited, length)),
    logprobs: [...logprobs],
    ...wireRest(part),
  };
}

/** Any part of a message item. */
export function contentOf(part: OutputPart, logprobs?: readonly Json[]): JsonObject | undefined {
  if (part.type === 'text') return outputText(part, logprobs);
  if (part.type === 'refusal') return { type: 'refusal', refusal: part.text, ...wireRest(part) };
  return part.type === 'opaque' && part.format === FORMAT && isObject(part.value) ? part.value : undefined;
}

type TextKind = 'summary' | 'content';

/** Splits a reasoning text as it came; a text that was edited since no longer fits its layout and becomes one piece. */
function textPieces(part: ReasoningPart, fallback: TextKind): readonly (readonly [TextKind, string])[] {
  const layout = ownFields(part)?.[PIECES];
  const pieces: (readonly [TextKind, string])[] = [];
  let from = 0;
  for (const piece of Array.isArray(layout) ? layout : []) {
    if (!Array.isArray(piece) || typeof piece[1] !== 'number') break;
    pieces.push([
      piece[0] === 'reasoning_text' ? 'content' : 'summary',
      part.text.slice(from, from + piece[1]),
    ]);
    from += piece[1];
  }
  if (pieces.length > 0 && from === part.text.length) return pieces;
  return part.text === '' ? [] : [[fallback, part.text]];
}

/** What goes into `encrypted_content`; foreign state is wrapped so that the client hands it back. */
export function encryptedContent(part: ReasoningPart): string | undefined {
  if (part.redacted !== undefined) {
    const signature: Signature = { issuer: 'claude', value: part.redacted };
    return wrapSignature({ signature, id: REDACTED }, HOME_ISSUER);
  }
  return part.signature === undefined ? undefined : wrapSignature({ signature: part.signature }, HOME_ISSUER);
}

/** A reasoning item; without `id` where the vendor makes ids. `fallback`: where text goes that has no layout. */
export function reasoningItem(
  part: ReasoningPart,
  id: string | undefined,
  fallback: TextKind = 'summary',
): JsonObject {
  const pieces = textPieces(part, fallback);
  const content = pieces.filter(([kind]) => kind === 'content');
  return compact({
    id,
    type: 'reasoning',
    summary: pieces
      .filter(([kind]) => kind === 'summary')
      .map(([, text]) => ({ type: 'summary_text', text })),
    content: content.length === 0 ? undefined : content.map(([, text]) => ({ type: 'reasoning_text', text })),
    encrypted_content: encryptedContent(part),
    ...wireRest(part),
  });
}

/** A call item. `''` arguments mean none were given, which JSON writes as `{}`. */
export function callItem(part: ToolCallPart, id: string | undefined, status?: string): JsonObject {
  const head = { id, call_id: part.id, name: part.name, status };
  if (part.kind === 'custom') {
    return compact({ type: 'custom_tool_call', ...head, input: part.arguments, ...wireRest(part) });
  }
  return compact({
    type: 'function_call',
    ...head,
    arguments: part.arguments === '' ? '{}' : part.arguments,
    ...wireRest(part),
  });
}

/**
 * Carries a call's or text's signature (Gemini) through a client: a reasoning item right behind the item it belongs to,
 * because no other field of the dialect is meant for opaque state.
 */
export function carrierItem(signature: Signature, id: string): JsonObject {
  const encrypted_content = wrapSignature({ signature, previous: true }, HOME_ISSUER);
  return { id, type: 'reasoning', summary: [], encrypted_content };
}

/** A picture the model made, as the format's image tool gives it; `undefined` for what the format cannot show. */
export function mediaItem(part: MediaPart, id: string): JsonObject | undefined {
  if (part.type !== 'image' || part.source.kind !== 'base64') return undefined;
  return { id, type: 'image_generation_call', status: 'completed', result: part.source.data };
}
