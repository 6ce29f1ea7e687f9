import { badRequest, SluiceError } from '../../core/errors/error.ts';
import {
  type ChatRequest,
  type FormatId,
  isObject,
  type JsonObject,
  type Message,
} from '../../core/model/index.ts';

/** Formats whose owners refuse a tool call without its result; the others are lenient (WIRE §1.5). */
const PAIRED: ReadonlySet<FormatId> = new Set([
  'openai-chat',
  'openai-responses',
  'anthropic-messages',
  'bedrock-converse',
]);

/** What the owners take as a call id (WIRE §1.3). */
const IDS: Readonly<Partial<Record<FormatId, RegExp>>> = {
  'openai-chat': /^.{1,40}$/s,
  'openai-responses': /^.{1,64}$/s,
  'anthropic-messages': /^[a-zA-Z0-9_-]+$/,
  'bedrock-converse': /^[a-zA-Z0-9_.:-]{1,64}$/,
};

function idsOf(message: Message | undefined, type: 'tool_call' | 'tool_result'): string[] {
  return (message?.parts ?? []).flatMap((part) => {
    if (part.type === 'tool_call' && type === 'tool_call') return [part.id];
    return part.type === 'tool_result' && type === 'tool_result' ? [part.callId] : [];
  });
}

function checkPairs(request: ChatRequest): void {
  const asked = new Set<string>();
  for (const [index, message] of request.messages.entries()) {
    for (const id of idsOf(message, 'tool_result')) {
      if (!asked.has(id)) {
        throw badRequest(`messages[${index}]`, `No tool call was found for the tool result with id ${id}.`);
      }
    }
    const calls = idsOf(message, 'tool_call');
    if (calls.length === 0) continue;
    for (const id of calls) asked.add(id);
    // A conversation may end with calls only where the model is to go on from them, which no vendor allows.
    const answered = new Set(
      request.messages.slice(index + 1).flatMap((later) => idsOf(later, 'tool_result')),
    );
    const missing = calls.find((id) => !answered.has(id));
    if (missing === undefined) continue;
    const sentence = `An assistant message with tool calls must be followed by the result of each call; ${missing} has none.`;
    throw badRequest(`messages[${index}]`, sentence);
  }
}

/**
 * What the owners of the formats refuse although it can be decoded, as far as gateways get it wrong (WIRE §1.3, §2.1).
 * @throws SluiceError `bad_request`
 */
export function checkRules(format: FormatId, body: JsonObject, request: ChatRequest): void {
  if (format === 'anthropic-messages' && typeof body['max_tokens'] !== 'number') {
    throw badRequest('max_tokens', 'max_tokens: Field required');
  }
  if (format === 'anthropic-messages' && isObject(body['thread'])) {
    // Nothing is kept here; the vendor's word for it lets SDKs go on with the whole conversation.
    const upstreamCode = 'thread_unsupported_request';
    throw new SluiceError('bad_request', 'thread: this organization keeps no threads.', { upstreamCode });
  }
  const budget = request.reasoning?.budgetTokens;
  if (format === 'anthropic-messages' && budget !== undefined && request.reasoning?.enabled === true) {
    if (budget < 1024) throw badRequest('thinking', 'thinking.budget_tokens: must be at least 1024');
    if (budget >= (request.maxOutputTokens ?? 0)) {
      throw badRequest('max_tokens', '`max_tokens` must be greater than `thinking.budget_tokens`.');
    }
  }
  if (format === 'openai-responses' && (request.maxOutputTokens ?? 16) < 16) {
    throw badRequest('max_output_tokens', "Invalid 'max_output_tokens': expected a value >= 16.");
  }
  const pattern = IDS[format];
  if (pattern === undefined || !PAIRED.has(format)) return;
  const wrong = request.messages
    .flatMap((message) => idsOf(message, 'tool_call'))
    .find((id) => !pattern.test(id));
  if (wrong !== undefined)
    throw badRequest('messages', `The tool call id '${wrong}' does not match ${pattern.source}.`);
  // A conversation continued by reference holds only its newest part.
  if (request.previousResponseId === undefined) checkPairs(request);
}
