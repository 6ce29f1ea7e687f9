import { badRequest } from '../../core/errors/error.ts';
import {
  type ChatRequest,
  isObject,
  type JsonObject,
  type Message,
  type OpaquePart,
  type Part,
  type ReasoningPart,
  type Signature,
} from '../../core/model/index.ts';
import { mayReplay } from '../../core/translation/signatures.ts';
import { fitToolIds } from '../../core/translation/tool-ids.ts';
import type { Target } from '../codec.ts';
import { at } from '../fields.ts';
import { MADE_ID } from './message-decode.ts';
import type { Notes } from './notes.ts';
import { encodeCall, encodeMedia, encodeResult, withUnknown } from './part-encode.ts';

/**
 * Google documents this value for calls that its own models did not make (Gemini API "Thought signatures",
 * FAQ).
 */
const SKIP_VALIDATION = 'skip_thought_signature_validator';

/** Google states no limit for ids; longer ones than this are nobody's. */
const ID_RULE = { maxLength: 256, prefix: MADE_ID } as const;

class ContentWriter {
  readonly #target: Target;
  readonly #notes: Notes;
  /** Index of the first message of the current turn: only its calls must be signed. */
  readonly #turnStart: number;

  constructor(target: Target, notes: Notes, turnStart: number) {
    this.#target = target;
    this.#notes = notes;
    this.#turnStart = turnStart;
  }

  content(message: Message, index: number): JsonObject | undefined {
    const role = message.role === 'assistant' ? 'model' : 'user';
    const path = at('messages', index);
    this.#notes.when(message.name !== undefined, 'message name');
    const parts =
      message.role === 'system'
        ? this.#lateSystem(message)
        : this.#parts(message, path, index >= this.#turnStart);
    return parts.length === 0 ? undefined : { ...message.extensions?.gemini, role, parts };
  }

  /** Leading system messages, block by block. */
  system(messages: readonly Message[]): JsonObject[] {
    return messages.flatMap((message, i) => this.#parts(message, at('messages', i), false));
  }

  /** Kept where it stood: hoisting it would change its meaning and the prompt cache (WIRE §2.1). */
  #lateSystem(message: Message): JsonObject[] {
    const text = message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('\n');
    return text.trim() === '' ? [] : [{ text: `<system>\n${text}\n</system>` }];
  }

  #parts(message: Message, path: string, current: boolean): JsonObject[] {
    const out: JsonObject[] = [];
    const beside: JsonObject[] = [];
    let unsigned = current && message.role === 'assistant' && this.#mustSign();
    for (const [i, part] of message.parts.entries()) {
      this.#notes.when(part.cache !== undefined, 'cache_control');
      if (part.type === 'tool_result') {
        const inside = this.#target.profile.reasoning.kind !== 'budget';
        const rules = this.#rules(at(at(path, 'content'), i));
        const result = encodeResult(part, { ...rules, names: rules.names || inside, inside });
        out.push(result.response);
        beside.push(...result.beside);
        continue;
      }
      // Media of results stand right after all results, so that calls and results stay side by side.
      out.push(...beside.splice(0));
      const skip = unsigned && part.type === 'tool_call';
      if (part.type === 'tool_call') unsigned = false;
      const encoded = this.#part(part, at(at(path, 'content'), i), skip);
      if (encoded !== undefined) out.push(encoded);
    }
    out.push(...beside);
    return out;
  }

  /** Gemini 3 answers 400 to a call of the current turn without a signature; Gemini 2.5 has no such rule. */
  #mustSign(): boolean {
    const { family, reasoning } = this.#target.profile;
    return family === 'gemini' && reasoning.kind === 'effort';
  }

  #rules(path: string) {
    const { mediaUrls, geminiSurface } = this.#target.quirks;
    return { path, notes: this.#notes, urls: mediaUrls !== false, names: geminiSurface === 'vertex' };
  }

  /** `{thoughtSignature}`, if this model may read it. */
  #signature(signature: Signature | undefined): JsonObject {
    if (signature === undefined) return {};
    if (mayReplay(signature, this.#target.profile.family, 'gemini'))
      return { thoughtSignature: signature.value };
    this.#notes.add('reasoning signature');
    return {};
  }

  #part(part: Exclude<Part, { type: 'tool_result' }>, path: string, skip: boolean): JsonObject | undefined {
    switch (part.type) {
      case 'text': {
        const sign = this.#signature(part.signature);
        if (part.text === '' && sign['thoughtSignature'] === undefined) return undefined;
        return withUnknown({ text: part.text, ...sign }, part.extensions);
      }
      case 'refusal':
        return part.text === '' ? undefined : { text: part.text };
      case 'reasoning':
        return this.#thought(part);
      case 'tool_call': {
        const sign = this.#signature(part.signature);
        const bypass = skip && sign['thoughtSignature'] === undefined;
        return encodeCall(part, bypass ? { thoughtSignature: SKIP_VALIDATION } : sign);
      }
      case 'opaque':
        return this.#opaque(part);
      default: {
        const body = { ...encodeMedia(part, this.#rules(path)), ...this.#signature(part.signature) };
        return withUnknown(body, part.extensions);
      }
    }
  }

  /**
   * Thoughts of other vendors are theirs: without the signature they would be the model's own words to
   * Gemini.
   */
  #thought(part: ReasoningPart): JsonObject | undefined {
    const sign = this.#signature(part.signature);
    const foreign = part.signature !== undefined && sign['thoughtSignature'] === undefined;
    if (foreign || part.redacted !== undefined) {
      this.#notes.add('reasoning');
      return undefined;
    }
    if (part.text === '' && sign['thoughtSignature'] === undefined) return undefined;
    return withUnknown({ text: part.text, thought: true, ...sign }, part.extensions);
  }

  #opaque(part: OpaquePart): JsonObject | undefined {
    if (part.format === 'gemini' && isObject(part.value)) return part.value;
    this.#notes.add(part.label);
    return undefined;
  }
}

/** The index after the last user message that is more than results: what follows is the current turn. */
function currentTurn(messages: readonly Message[]): number {
  for (let i = messages.length - 1; i >= 0; i--) {
    const message = messages[i];
    if (message?.role === 'user' && message.parts.some((part) => part.type !== 'tool_result')) return i + 1;
  }
  return 0;
}

/**
 * `systemInstruction` and `contents`. Results are named after their calls; a request of system messages alone
 * becomes one user turn, because Google demands one.
 */
export function encodeMessages(request: ChatRequest, target: Target, notes: Notes): JsonObject {
  const messages = fitToolIds(request.messages, ID_RULE);
  const leading = messages.findIndex((message) => message.role !== 'system');
  const head = leading < 0 ? messages.length : leading;
  const writer = new ContentWriter(target, notes, currentTurn(messages));
  const system = writer.system(messages.slice(0, head));
  const contents: JsonObject[] = [];
  for (let i = head; i < messages.length; i++) {
    const message = messages[i];
    const content = message === undefined ? undefined : writer.content(message, i);
    if (content !== undefined) contents.push(content);
  }
  if (contents.length > 0) {
    return { ...(system.length === 0 ? {} : { systemInstruction: { parts: system } }), contents };
  }
  if (system.length === 0) throw badRequest('messages', 'The request has no message with content.');
  return { contents: [{ role: 'user', parts: system }] };
}
