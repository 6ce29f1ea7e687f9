import { type ConnectionFault, connectionFault } from '../../core/errors/connection-fault.ts';
import { SluiceError } from '../../core/errors/error.ts';
import type { ErrorCode } from '../../core/errors/table.ts';
import { EgressError } from './egress.ts';
import { ProxyError } from './tunnel.ts';

/** An answer that is no HTTP/1.1, or goes beyond a limit. */
export class MalformedAnswerError extends Error {
  override readonly name = 'MalformedAnswerError';
}

/** A limit on how long an answer, or its next piece, may take. */
export class AnswerTimeoutError extends Error {
  override readonly name = 'AnswerTimeoutError';
}

const SENTENCES: Readonly<Partial<Record<ErrorCode, string>>> = {
  upstream_timeout:
    'The provider did not answer in time. Try again, or raise the timeout of this provider or model.',
  upstream_malformed: 'The provider sent an answer that is not valid HTTP. Check its base URL.',
  upstream_cut: 'The provider broke off its answer.',
  upstream_unreachable:
    'The provider could not be reached. Check its base URL and the network, or add a fallback model.',
};

/** More than that it could not be reached, where more is known. */
const FAULTS: Readonly<Partial<Record<ConnectionFault, string>>> = {
  certificate:
    'The provider’s certificate is not trusted here. Check its base URL; NODE_EXTRA_CA_CERTS adds an authority of your own.',
  no_tls: 'The provider does not speak TLS there. Check whether its base URL has to start with http://.',
  unknown_host: 'The provider’s host name is not known here. Check its base URL and the name server.',
};

function sentenceOf(code: ErrorCode, error: Error): string {
  const fault = code === 'upstream_unreachable' ? connectionFault(error) : undefined;
  return (fault && FAULTS[fault]) ?? SENTENCES[code] ?? 'The provider failed.';
}

function codeOf(error: Error, started: boolean): ErrorCode {
  if (error instanceof AnswerTimeoutError || (error as NodeJS.ErrnoException).code === 'ETIMEDOUT')
    return 'upstream_timeout';
  if (started) return 'upstream_cut';
  return error instanceof MalformedAnswerError ? 'upstream_malformed' : 'upstream_unreachable';
}

/** An error of a connection or its socket in our words. `started`: the answer's headers had arrived. Never names an address. */
export function toSluiceError(error: Error, started: boolean): SluiceError {
  if (error instanceof SluiceError) return error;
  if (error instanceof EgressError || error.cause instanceof EgressError) {
    return new SluiceError(
      'upstream_unreachable',
      'The provider’s address is on a private network; set `allow_private_network: true` on the provider to allow it.',
      { cause: error },
    );
  }
  if (error instanceof ProxyError) {
    const said = error.status === undefined ? 'does not answer' : `answers ${error.status}`;
    return new SluiceError(
      'upstream_unreachable',
      `The outbound proxy (\`HTTPS_PROXY\`) opens no way to the provider: it ${said}. Check its address, its credentials and what it lets through.`,
      { cause: error },
    );
  }
  const code = codeOf(error, started);
  return new SluiceError(code, sentenceOf(code, error), { cause: error });
}
