import type { ChatRequest } from '../../core/model/index.ts';
import type { Stage } from '../compose.ts';
import { extend, type Guarded, type Reserved } from '../exchange.ts';

/**
 * Input guardrails. None are built yet: the stage passes every request and says so by leaving `needsContent` false, so
 * that same-format bytes go through untouched. It offers the canonical request, decoded on first use.
 */
export function createGuardInput(): Stage<Reserved, Guarded> {
  return (exchange) => {
    let decoded: ChatRequest | undefined;
    return extend(exchange, {
      needsContent: false,
      decoded: () => {
        decoded ??= exchange.codec.decodeRequest(exchange.body);
        return decoded;
      },
    });
  };
}
