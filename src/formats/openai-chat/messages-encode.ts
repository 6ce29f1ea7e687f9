import type {
  JsonObject,
  MediaPart,
  Message,
  OpaquePart,
  Part,
  ReasoningPart,
  Signature,
  TextPart,
  ToolCallPart,
  ToolResultPart,
} from '../../core/model/index.ts';
import { mayReplay } from '../../core/translation/signatures.ts';
import { fitToolIds, ID_RULES } from '../../core/translation/tool-ids.ts';
import { at, compact } from '../fields.ts';
import { encodeCall } from './calls.ts';
import { contentOf, encodePart, type PartTarget } from './parts-encode.ts';
import { detailsOf, extraContent } from './reasoning-details.ts';
import { takesCustom } from './tools.ts';

type PromptPart = TextPart | MediaPart | OpaquePart;

function isPrompt(part: Part): part is PromptPart {
  return (
    part.type !== 'reasoning' &&
    part.type !== 'refusal' &&
    part.type !== 'tool_call' &&
    part.type !== 'tool_result'
  );
}

/** Writes `messages`; one object per request. */
class MessageWriter {
  readonly out: JsonObject[] = [];
  readonly #to: PartTarget;

  constructor(to: PartTarget) {
    this.#to = to;
  }

  write(message: Message, path: string): void {
    this.#to.dropped.addForeign(message.extensions, 'messages');
    if (message.role === 'assistant') this.#assistant(message, path);
    else this.#plain(message, path);
  }

  /** System and user turns; a user turn may begin with tool results, which are messages of their own here. */
  #plain(message: Message, path: string): void {
    const results = message.parts.filter((part) => part.type === 'tool_result');
    const rest = message.parts.filter(isPrompt);
    const media = results.flatMap((part, index) => this.#result(part, at(at(path, 'parts'), index)));
    if (results.length > 0 && rest.length === 0 && media.length === 0) return;
    const { wireRole, name, role } = message;
    // Other formats have wire roles of their own (`instructions`), which are none here.
    const written = wireRole === 'developer' ? wireRole : 'system';
    const systemRole = this.#to.target.quirks.systemRole ?? written;
    const parts = rest
      .map((part, index) => encodePart(part, at(at(path, 'parts'), index), this.#to))
      .filter((part) => part !== undefined);
    // Instructions of which nothing can be said here (Anthropic's changes of tools) leave no empty message behind.
    if (role === 'system' && rest.length > 0 && parts.length === 0) return;
    this.out.push(
      compact({
        ...message.extensions?.['openai-chat'],
        role: role === 'system' ? systemRole : 'user',
        content: contentOf([...media, ...parts]),
        name,
      }),
    );
  }

  /**
   * One `tool` message. It takes text only (an image part is a 400, S), so media become a note there and parts of the
   * user message that follows, which are returned.
   */
  #result(part: ToolResultPart, path: string): JsonObject[] {
    const texts: JsonObject[] = [];
    const media: JsonObject[] = [];
    for (const [index, piece] of part.content.entries()) {
      const encoded = encodePart(piece, at(at(path, 'content'), index), this.#to);
      if (encoded === undefined) continue;
      if (encoded['type'] === 'text') {
        texts.push(encoded);
        continue;
      }
      if (media.length === 0) media.push({ type: 'text', text: `Content of tool result ${part.callId}:` });
      texts.push({ type: 'text', text: `(${piece.type} attached in the next user message)` });
      media.push(encoded);
    }
    if (part.isError === true) this.#to.dropped.add('tool_result.is_error');
    const own = part.extensions?.['openai-chat'];
    this.#to.dropped.addForeign(part.extensions, 'tool_result');
    // A mark on the whole result is written on its last text, where every reader of marks looks for it.
    const last = texts.at(-1);
    if (part.cache !== undefined && last !== undefined) Object.assign(last, this.#cache(part));
    const content = contentOf(texts);
    this.out.push(compact({ ...own, role: 'tool', tool_call_id: part.callId, content }));
    return media;
  }

  #cache(part: ToolResultPart): JsonObject {
    const marked = encodePart(
      { type: 'text', text: '', ...(part.cache ? { cache: part.cache } : {}) },
      '',
      this.#to,
    );
    return marked?.['cache_control'] === undefined ? {} : { cache_control: marked['cache_control'] };
  }

  #may(signature: Signature | undefined): Signature | undefined {
    if (signature === undefined) return undefined;
    if (mayReplay(signature, this.#to.target.profile.family)) return signature;
    this.#to.dropped.add('reasoning signature');
    return undefined;
  }

  #assistant(message: Message, path: string): void {
    const calls = message.parts.filter((part) => part.type === 'tool_call');
    const content: JsonObject[] = [];
    const fields: JsonObject = {};
    for (const [index, part] of message.parts.entries()) {
      if (part.type === 'refusal') fields['refusal'] = `${fields['refusal'] ?? ''}${part.text}`;
      else if (isPrompt(part)) this.#output(part, { path: at(at(path, 'parts'), index), content, fields });
    }
    const thoughts = message.parts.filter((part) => part.type === 'reasoning');
    const replay = this.#thoughts(thoughts, calls.length > 0, content);
    const isEmpty = content.length === 0 && calls.length === 0 && fields['refusal'] === undefined;
    if (
      isEmpty &&
      message.parts.length > 0 &&
      fields['audio'] === undefined &&
      !('reasoning_details' in replay)
    ) {
      return;
    }
    this.out.push(
      compact({
        ...message.extensions?.['openai-chat'],
        role: 'assistant',
        content: content.length > 0 ? contentOf(content) : isEmpty ? '' : null,
        ...fields,
        name: message.name,
        ...replay,
        tool_calls: calls.length === 0 ? undefined : calls.map((call) => this.#call(call)),
      }),
    );
  }

  #call(call: ToolCallPart): JsonObject {
    this.#to.dropped.addForeign(call.extensions, 'tool_call');
    return encodeCall(call, { signature: this.#may(call.signature), custom: takesCustom(this.#to.target) });
  }

  /** Text, media and foreign parts of an assistant turn; a model's own sound goes back by its id. */
  #output(part: PromptPart, into: { path: string; content: JsonObject[]; fields: JsonObject }): void {
    if (part.type === 'text') {
      const signature = this.#may(part.signature);
      if (signature !== undefined) into.fields['extra_content'] = extraContent(signature);
      if (part.text === '' && part.cache === undefined) return;
    }
    if (part.type === 'audio') {
      const id = part.source.kind === 'file' ? part.source.id : part.extensions?.['openai-chat']?.['id'];
      if (typeof id === 'string') into.fields['audio'] = { id };
      else this.#to.dropped.add('audio of an earlier answer');
      return;
    }
    if (part.type === 'image') {
      this.#to.dropped.add('image of an earlier answer');
      return;
    }
    const encoded = encodePart(part, into.path, this.#to);
    if (encoded !== undefined) into.content.push(encoded);
  }

  /** Earlier reasoning in the way the vendor wants it back, see `Quirks.reasoningReplay`. */
  #thoughts(thoughts: readonly ReasoningPart[], hasCalls: boolean, content: JsonObject[]): JsonObject {
    const { quirks } = this.#to.target;
    const text = thoughts.map((part) => part.text).join('');
    switch (quirks.reasoningReplay ?? 'none') {
      case 'reasoning_content':
        // DeepSeek answers a tool turn without the field with a 400, even if it had nothing to say (WIRE §2.1).
        return text !== '' || hasCalls ? { reasoning_content: text } : {};
      case 'reasoning':
        return text === '' ? {} : { reasoning: text };
      case 'thinking_parts':
        if (text !== '') content.unshift({ type: 'thinking', thinking: [{ type: 'text', text }] });
        return {};
      case 'reasoning_details':
        return this.#details(thoughts, text);
      default:
        if (thoughts.length > 0) this.#to.dropped.add('reasoning of earlier turns');
        return {};
    }
  }

  #details(thoughts: readonly ReasoningPart[], text: string): JsonObject {
    const details = thoughts.flatMap((part, index) => {
      if (part.redacted !== undefined && this.#to.target.profile.family !== 'claude') {
        this.#to.dropped.add('redacted reasoning');
        return [];
      }
      const signature = this.#may(part.signature);
      if (signature === undefined && part.signature !== undefined) {
        const { signature: _, ...plain } = part;
        return part.text === '' ? [] : detailsOf(plain, index);
      }
      return detailsOf(part, index);
    });
    return {
      ...(text === '' ? {} : { reasoning: text }),
      ...(details.length === 0 ? {} : { reasoning_details: details }),
    };
  }
}

/** Encodes the conversation as `messages`, call ids re-written to what the target takes. */
export function encodeMessages(messages: readonly Message[], to: PartTarget): JsonObject[] {
  const rule = to.target.quirks.toolCallIds === 'alnum9' ? ID_RULES.alnum9 : ID_RULES.chat40;
  const writer = new MessageWriter(to);
  for (const [index, message] of fitToolIds(messages, rule).entries()) {
    writer.write(message, at('messages', index));
  }
  return writer.out;
}
