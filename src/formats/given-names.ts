import type { ChatRequest, ChatResponse, StreamEvent } from '../core/model/index.ts';
import { givenNames, NAME_RULES } from '../core/translation/tool-names.ts';
import type { StreamDecoder } from './codec.ts';

/** A decoded answer whose calls have the names that the client gave its tools. */
export function namedResponse(response: ChatResponse, request: ChatRequest | undefined): ChatResponse {
  const names = givenNames(request, NAME_RULES.openai);
  if (names === undefined) return response;
  return {
    ...response,
    choices: response.choices.map((choice) => ({
      ...choice,
      parts: choice.parts.map((part) =>
        part.type === 'tool_call' ? { ...part, name: names.get(part.name) ?? part.name } : part,
      ),
    })),
  };
}

/** A decoder whose events are changed as {@link namedResponse} does; the decoder itself if nothing has to be. */
export function namedDecoder(decoder: StreamDecoder, request: ChatRequest | undefined): StreamDecoder {
  const names = givenNames(request, NAME_RULES.openai);
  if (names === undefined) return decoder;
  const named = (event: StreamEvent): StreamEvent =>
    event.type === 'part_start' && event.head.type === 'tool_call'
      ? { ...event, head: { ...event.head, name: names.get(event.head.name) ?? event.head.name } }
      : event;
  return {
    push: (frame) => decoder.push(frame).map(named),
    end: () => decoder.end().map(named),
  };
}
