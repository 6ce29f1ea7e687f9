import { SluiceError } from '../core/errors/error.ts';
import type { Finish } from '../core/model/index.ts';
import type { Routed } from './exchange.ts';

/**
 * An answer without content that ends by a failure, a filter or no reason rather than by the model. Throws
 * `upstream_error`, `upstream_malformed`, or `upstream_content_filter` where another model is configured for that cause;
 * without one a filtered answer stays a lawful one.
 */
export function refuseEmptyEnd(exchange: Routed, { reason }: Finish, provider: string): void {
  if (reason === 'error') {
    throw new SluiceError('upstream_error', `\`${provider}\` failed before it had answered anything.`, {
      provider,
    });
  }
  if (reason === 'unknown') {
    throw new SluiceError('upstream_malformed', `\`${provider}\` sent an answer without content.`, {
      provider,
    });
  }
  const filtered = reason === 'content_filter' || reason === 'refusal';
  if (filtered && exchange.candidatesOn('content_filter').length > 0) {
    throw new SluiceError(
      'upstream_content_filter',
      `\`${provider}\` refused the content of this request by its policy.`,
      { provider },
    );
  }
}
