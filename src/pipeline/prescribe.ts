import type { ChatRequest } from '../core/model/index.ts';
import type { Stage } from './compose.ts';
import type { Guarded, Reserved } from './exchange.ts';

/** The request with what policy prescribes: a prompt before the conversation, a length where the client named none. */
function prescribed(request: ChatRequest, { systemPrompt, envelope }: Guarded): ChatRequest {
  const length = request.maxOutputTokens ?? envelope.maxOutputTokens;
  const messages: ChatRequest['messages'] =
    systemPrompt === undefined
      ? request.messages
      : [{ role: 'system', parts: [{ type: 'text', text: systemPrompt }] }, ...request.messages];
  return { ...request, messages, ...(length === undefined ? {} : { maxOutputTokens: length }) };
}

function prescribe(exchange: Guarded): Guarded {
  const { systemPrompt, principal, decoded } = exchange;
  const bounded = principal.policy.maxOutputTokens !== undefined;
  if (systemPrompt === undefined && !bounded) return exchange;
  // A client that named a lawful length itself needs nothing.
  if (systemPrompt === undefined && decoded().maxOutputTokens !== undefined) return exchange;
  let request: ChatRequest | undefined;
  exchange.decoded = () => {
    request ??= prescribed(decoded(), exchange);
    return request;
  };
  exchange.needsContent = true;
  return exchange;
}

/**
 * Puts what policy prescribes into the canonical request, so that it holds in every dialect. After the input guardrails:
 * they look at what the client wrote.
 */
export function withPrescriptions(guardInput: Stage<Reserved, Guarded>): Stage<Reserved, Guarded> {
  return (exchange) => {
    const guarded = guardInput(exchange);
    return guarded instanceof Promise ? guarded.then(prescribe) : prescribe(guarded);
  };
}
