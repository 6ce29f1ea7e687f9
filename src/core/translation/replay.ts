import type { ChatResponse, OutputPart, PartHead, StreamEvent } from '../model/index.ts';

function headOf(part: OutputPart): PartHead {
  switch (part.type) {
    case 'text':
    case 'refusal':
      return { type: part.type };
    case 'reasoning':
      return {
        type: 'reasoning',
        ...(part.id === undefined ? {} : { id: part.id }),
        ...(part.redacted === undefined ? {} : { redacted: part.redacted }),
      };
    case 'tool_call':
      return {
        type: 'tool_call',
        id: part.id,
        name: part.name,
        kind: part.kind,
        ...(part.itemId === undefined ? {} : { itemId: part.itemId }),
        ...(part.extensions === undefined ? {} : { extensions: part.extensions }),
      };
    default:
      return part;
  }
}

function textOf(part: OutputPart): string {
  if (part.type === 'tool_call') return part.arguments;
  return 'text' in part ? part.text : '';
}

function* partEvents(
  value: OutputPart,
  place: { readonly choice: number; readonly part: number },
  size: number,
): Generator<StreamEvent> {
  const { choice, part } = place;
  yield { type: 'part_start', choice, part, head: headOf(value) };
  const text = textOf(value);
  for (let at = 0; at < text.length; ) {
    let end = Math.min(text.length, at + size);
    // Never cut a surrogate pair: a lone half cannot be sent as UTF-8.
    if (end < text.length && (text.charCodeAt(end - 1) & 0xfc00) === 0xd800) end++;
    yield { type: 'delta', choice, part, text: text.slice(at, end) };
    at = end;
  }
  if (value.type === 'text') {
    for (const citation of value.citations ?? []) yield { type: 'citation', choice, part, citation };
  }
  if ('signature' in value && value.signature !== undefined) {
    yield { type: 'signature', choice, part, signature: value.signature };
  }
  yield {
    type: 'part_end',
    choice,
    part,
    ...(value.extensions === undefined ? {} : { extensions: value.extensions }),
  };
}

/** A whole answer as the events of a stream, text cut into pieces of about `size` UTF-16 units. */
export function replayResponse(response: ChatResponse, size = Number.MAX_SAFE_INTEGER): StreamEvent[] {
  const { choices, usage, ...facts } = response;
  const events: StreamEvent[] = [{ type: 'start', ...facts }];
  for (const choice of choices) {
    for (const [part, value] of choice.parts.entries()) {
      events.push(...partEvents(value, { choice: choice.index, part }, size));
    }
    if (choice.logprobs !== undefined) {
      events.push({ type: 'logprobs', choice: choice.index, logprobs: choice.logprobs });
    }
    events.push({
      type: 'finish',
      choice: choice.index,
      finish: choice.finish,
      ...(choice.extensions === undefined ? {} : { extensions: choice.extensions }),
    });
  }
  events.push({ type: 'usage', usage });
  return events;
}
