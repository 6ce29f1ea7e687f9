import type { ChatRequest } from '../../core/model/index.ts';
import type { ResponsePins } from '../../core/routing/pins.ts';
import type { ReasoningMemory } from '../../core/translation/reasoning-memory.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Stage } from '../compose.ts';
import type { Guarded, Reserved } from '../exchange.ts';

/**
 * Input guardrails. None are built yet: the stage passes every request and says so by leaving `needsContent` false, so
 * that same-format bytes go through untouched. It offers the canonical request, decoded on first use, with reasoning that
 * the client dropped put back.
 */
export function createGuardInput(ports: {
  readonly memory: ReasoningMemory;
  readonly pins: ResponsePins;
  readonly clock: Clock;
}): Stage<Reserved, Guarded> {
  const { memory, pins, clock } = ports;
  return (exchange) => {
    let decoded: ChatRequest | undefined;
    const scope = exchange.principal.key?.id ?? '';
    const guarded = exchange as Guarded;
    guarded.needsContent = false;
    guarded.decoded = () => {
      decoded ??= memory.restore(scope, exchange.codec.decodeRequest(exchange.body), clock.now());
      return decoded;
    };
    guarded.remember = (parts) => memory.remember(scope, parts, clock.now());
    guarded.issuerOf = (id) => pins.issuerOf(scope, id);
    guarded.issuerAccountOf = (id) => pins.accountOf(scope, id);
    guarded.issued = (id, deployment) =>
      pins.remember(scope, id, { deployment, account: exchange.facts.credential });
    return guarded;
  };
}
