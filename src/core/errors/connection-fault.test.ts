import { expect, it } from 'vitest';
import { connectionFault } from './connection-fault.ts';

it.each([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'certificate'],
  ['CERT_HAS_EXPIRED', 'certificate'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'no_tls'],
  ['ENOTFOUND', 'unknown_host'],
  ['ECONNREFUSED', 'refused'],
  ['ERR_OUTBOUND_PROXY', 'proxy'],
  ['ECONNRESET', undefined],
])('tells %s', (code, fault) => {
  const error = Object.assign(new Error('failed'), { code });
  expect(connectionFault(error)).toBe(fault);
  expect(connectionFault(new TypeError('fetch failed', { cause: error }))).toBe(fault);
});

it('makes nothing of what is no error of a socket', () => {
  expect(connectionFault(undefined)).toBeUndefined();
  expect(connectionFault(new Error('other'))).toBeUndefined();
});
