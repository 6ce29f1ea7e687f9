import type { ChatRequest, MediaPart, Message, Part } from '../../../src/core/model/index.ts';
import { parseJson } from '../../../src/core/model/parse-json.ts';

/** What a request asks for, in words that survive a change of format. */
export interface Meaning {
  readonly system: string;
  readonly turns: readonly { readonly role: string; readonly items: readonly object[] }[];
  readonly tools: readonly object[];
  readonly choice: string;
  readonly output: string;
  readonly stop: string;
}

function argumentsOf(text: string): unknown {
  if (text === '' || text === 'null') return {};
  try {
    return parseJson(text);
  } catch {
    return { text };
  }
}

/** Call ids are each target's own: a link is the place of the call it answers. */
class Places {
  readonly #places = new Map<string, number>();
  #next = 0;

  place(id: string): number {
    this.#places.set(id, this.#next);
    return this.#next++;
  }

  of(id: string): number {
    return this.#places.get(id) ?? -1;
  }
}

/** What encoders write around content that has to move, documented in docs/compatibility.md. */
const WRAPPING =
  /\((?:image|document|audio|video|file) attached in the next user message\)|\(See the \w+ in the next message\.\)|Content of tool result \S+:|<\/?system>/g;

function plain(text: string): string {
  // Formats differ in what joins texts, and Converse in which names it allows; neither is content.
  return text.replaceAll(WRAPPING, '').replaceAll(/\s+|\.(?=txt)/g, '');
}

/** JSON texts are compared as values: an object travels as one where the target wants an object. */
function resultText(text: string): string {
  try {
    return JSON.stringify(parseJson(text.replaceAll(WRAPPING, '')));
  } catch {
    return plain(text);
  }
}

function media(part: MediaPart): object {
  const { source, name } = part;
  // A text document is its title and text wherever documents are files only.
  if (source.kind === 'text') return { text: plain(`${name ?? ''} ${source.text}`) };
  const bytes = source.kind === 'base64' ? source.data : '';
  return { media: part.type, bytes, where: source.kind === 'url' ? source.url : '' };
}

function isMedia(part: Part): part is MediaPart {
  return part.type === 'image' || part.type === 'document' || part.type === 'audio' || part.type === 'video';
}

function item(part: Part, places: Places): object[] {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return plain(part.text) === '' ? [] : [{ text: plain(part.text) }];
    case 'tool_call':
      return [
        {
          call: part.name,
          place: places.place(part.id),
          args: part.kind === 'custom' ? { input: part.arguments } : argumentsOf(part.arguments),
        },
      ];
    case 'tool_result': {
      const text = part.content.map((entry) => (entry.type === 'text' ? entry.text : '')).join('');
      return [
        { result: places.of(part.callId), value: resultText(text) },
        ...part.content.filter(isMedia).map(media),
      ];
    }
    case 'image':
    case 'document':
    case 'audio':
    case 'video':
      return [media(part)];
    default:
      // Foreign reasoning is opaque to other vendors; opaque parts are named in `dropped`.
      return [];
  }
}

/** Results stand first; neighbouring texts are one, since formats differ in how many parts a turn may have. */
function arranged(items: readonly object[]): object[] {
  const joined: object[] = items.filter((entry) => 'result' in entry);
  for (const entry of items) {
    if ('result' in entry) continue;
    const before = joined.at(-1);
    if ('text' in entry && before !== undefined && 'text' in before)
      joined[joined.length - 1] = { text: `${String(before.text)}${String(entry.text)}` };
    else joined.push(entry);
  }
  return joined;
}

function turnsOf(messages: readonly Message[]): Meaning['turns'] {
  const places = new Places();
  const turns: { role: string; items: object[] }[] = [];
  for (const { role: given, parts } of messages) {
    // Instructions in the middle of a talk go as the user's, marked, where the target has no place for them.
    const role = given === 'system' ? 'user' : given;
    const items = parts.flatMap((part) => item(part, places));
    if (items.length === 0) continue;
    const before = turns.at(-1);
    if (before?.role === role) before.items.push(...items);
    else turns.push({ role, items });
  }
  return turns.map(({ role, items }) => ({ role, items: arranged(items) }));
}

/** Tools and choice as they bind the model: a choice of one tool is that tool alone, and required. */
function toolsOf({ tools, toolChoice }: ChatRequest): { tools: object[]; choice: string } {
  const names = (wanted: (name: string) => boolean): object[] =>
    tools.flatMap((tool): object[] => {
      if (tool.type === 'server') return [{ server: tool.label }];
      return wanted(tool.name) ? [{ name: tool.name, description: tool.description ?? '' }] : [];
    });
  if (tools.length === 0 || toolChoice?.type === 'none') return { tools: [], choice: 'none' };
  if (toolChoice?.type === 'tool')
    return { tools: names((name) => name === toolChoice.name), choice: 'required' };
  if (toolChoice?.type === 'allowed')
    return {
      tools: names((name) => toolChoice.names.includes(name)),
      choice: toolChoice.required ? 'required' : 'auto',
    };
  return { tools: names(() => true), choice: toolChoice?.type ?? 'auto' };
}

/** See {@link Meaning}. */
export function meaningOf(request: ChatRequest): Meaning {
  const first = request.messages.findIndex(({ role }) => role !== 'system');
  const leading = first < 0 ? request.messages : request.messages.slice(0, first);
  const system = leading.flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text : '')));
  const { output } = request;
  return {
    system: plain(system.join(' ')),
    turns: turnsOf(first < 0 ? [] : request.messages.slice(first)),
    ...toolsOf(request),
    output: output.type,
    stop: (request.stop ?? []).join('\n'),
  };
}
