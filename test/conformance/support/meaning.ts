import type { ChatRequest, Message, Part, Tool } from '../../../src/core/model/index.ts';
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

function item(part: Part, places: Places): object[] {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return part.text.trim() === '' ? [] : [{ text: part.text.trim() }];
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
      const media = part.content.filter(({ type }) => type !== 'text' && type !== 'opaque').length;
      return [{ result: places.of(part.callId), text: text.trim(), media }];
    }
    case 'image':
    case 'document':
    case 'audio':
    case 'video': {
      const { source } = part;
      const bytes = source.kind === 'base64' ? source.data : source.kind === 'text' ? source.text : '';
      return [{ media: part.type, bytes, where: source.kind === 'url' ? source.url : '' }];
    }
    default:
      // Foreign reasoning is opaque to other vendors; opaque parts are named in `dropped`.
      return [];
  }
}

/** Neighbouring texts in one, since formats differ in how many parts a turn may have. */
function joinTexts(items: readonly object[]): object[] {
  const joined: object[] = [];
  for (const entry of items) {
    const before = joined.at(-1);
    if ('text' in entry && before !== undefined && 'text' in before && !('result' in entry) && !('result' in before))
      joined[joined.length - 1] = { text: `${String(before.text)} ${String(entry.text)}`.trim() };
    else joined.push(entry);
  }
  return joined;
}

function turnsOf(messages: readonly Message[]): Meaning['turns'] {
  const places = new Places();
  const turns: { role: string; items: object[] }[] = [];
  for (const { role, parts } of messages) {
    const items = parts.flatMap((part) => item(part, places));
    if (items.length === 0) continue;
    const before = turns.at(-1);
    if (before?.role === role) before.items.push(...items);
    else turns.push({ role, items });
  }
  return turns.map(({ role, items }) => ({ role, items: joinTexts(items) }));
}

function toolOf(tool: Tool): object[] {
  if (tool.type === 'server') return [{ server: tool.label }];
  return [{ name: tool.name, description: tool.description ?? '' }];
}

/** See {@link Meaning}. */
export function meaningOf(request: ChatRequest): Meaning {
  const first = request.messages.findIndex(({ role }) => role !== 'system');
  const leading = first < 0 ? request.messages : request.messages.slice(0, first);
  const system = leading
    .flatMap(({ parts }) => parts.map((part) => (part.type === 'text' ? part.text.trim() : '')))
    .filter(Boolean)
    .join(' ');
  const { toolChoice, output } = request;
  const choice = toolChoice?.type === 'tool' ? `tool ${toolChoice.name}` : (toolChoice?.type ?? 'auto');
  return {
    system: system.replaceAll(/\s+/g, ' '),
    turns: turnsOf(first < 0 ? [] : request.messages.slice(first)),
    tools: request.tools.flatMap(toolOf),
    choice: request.tools.length === 0 ? 'auto' : choice,
    output: output.type === 'json_schema' ? 'json_schema' : output.type,
    stop: (request.stop ?? []).join('\n'),
  };
}
