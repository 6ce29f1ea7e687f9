import { SluiceError } from '../core/errors/error.ts';
import { promptEstimate } from './estimate.ts';
import type { Candidate, Exchange, Grant } from './exchange.ts';
import type { Deployment } from './runtime.ts';

/** Whether a candidate stands for another model than the one that was asked for. */
export function isFallback(exchange: { readonly grant?: Grant }, candidate: Candidate): boolean {
  return exchange.grant !== undefined && candidate.route !== exchange.grant.route;
}

/**
 * Why a fallback cannot hold the prompt, if so: its window is smaller than the likely prompt (half of the upper estimate),
 * or than the window that has just overflowed. Features it lacks are found when the request is written for it.
 */
export function tooSmall(
  exchange: Exchange,
  deployment: Deployment,
  overflowed: number | undefined,
): SluiceError | undefined {
  const { contextTokens } = deployment.profile;
  if (contextTokens === undefined) return undefined;
  const likely = promptEstimate(exchange) / 2;
  if (likely <= contextTokens && (overflowed === undefined || contextTokens >= overflowed)) return undefined;
  return new SluiceError(
    'context_overflow',
    `The prompt does not fit into the ${contextTokens} tokens of the fallback \`${deployment.id}\`.`,
  );
}
