/** Why a connection to a server could not be made, as far as it decides what to do. */
export type ConnectionFault = 'certificate' | 'no_tls' | 'proxy' | 'unknown_host' | 'refused';

/** Code of the error of an outbound proxy that opens no way. */
export const PROXY_FAULT = 'ERR_OUTBOUND_PROXY';

/** Node's names for OpenSSL's verification failures (X509_V_ERR_…) that do not start with `CERT_`. */
const UNTRUSTED: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

function faultOf(code: unknown): ConnectionFault | undefined {
  if (typeof code !== 'string') return undefined;
  if (UNTRUSTED.has(code) || code.startsWith('CERT_')) return 'certificate';
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') return 'no_tls';
  if (code === PROXY_FAULT) return 'proxy';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'unknown_host';
  return code === 'ECONNREFUSED' ? 'refused' : undefined;
}

/** Reads it from the code of an error or of its cause; `undefined` for everything else, a timeout among it. */
export function connectionFault(error: unknown): ConnectionFault | undefined {
  const { code, cause } = (error ?? {}) as {
    readonly code?: unknown;
    readonly cause?: { readonly code?: unknown };
  };
  return faultOf(code) ?? faultOf(cause?.code);
}
