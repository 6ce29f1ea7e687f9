import { SluiceError } from '../../core/errors/error.ts';
import type { ErrorCode } from '../../core/errors/table.ts';
import { EgressError } from './egress.ts';

const TIMEOUTS: ReadonlySet<string> = new Set([
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
]);
const MALFORMED: ReadonlySet<string> = new Set([
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RESPONSE_STATUS_CODE',
]);

const SENTENCES: Readonly<Partial<Record<ErrorCode, string>>> = {
  upstream_timeout:
    'The provider did not answer in time. Try again, or raise the timeout of this provider or model.',
  upstream_malformed: 'The provider sent an answer that is not valid HTTP.',
  upstream_cut: 'The provider broke off its answer.',
  upstream_unreachable:
    'The provider could not be reached. Check its base URL and the network, or add a fallback model.',
};

/** What to say when the upstream took too long. */
export function timeoutSentence(): string {
  return SENTENCES['upstream_timeout'] ?? '';
}

function codeOf(error: Error, started: boolean): ErrorCode {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (TIMEOUTS.has(code)) return 'upstream_timeout';
  if (MALFORMED.has(code) || code.startsWith('HPE_')) return started ? 'upstream_cut' : 'upstream_malformed';
  return started ? 'upstream_cut' : 'upstream_unreachable';
}

/** An undici or socket error in our words. `started`: the answer's headers had arrived. Never names an address. */
export function toSluiceError(error: Error, started: boolean): SluiceError {
  if (error instanceof SluiceError) return error;
  if (error instanceof EgressError || error.cause instanceof EgressError) {
    return new SluiceError(
      'upstream_unreachable',
      'The provider’s address is on a private network; set `allow_private_network: true` on the provider to allow it.',
      { cause: error },
    );
  }
  const code = codeOf(error, started);
  return new SluiceError(code, SENTENCES[code] ?? 'The provider failed.', { cause: error });
}
