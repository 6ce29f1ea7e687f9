import { expect, test } from 'vitest';
import { toSluiceError } from './errors.ts';

const failing = (code: string) => Object.assign(new Error(code), { code });

test.each([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'certificate is not trusted'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'does not speak TLS'],
  ['ENOTFOUND', 'host name is not known'],
  ['ECONNREFUSED', 'could not be reached'],
])('%s is told as what it is, with the same code', (code, words) => {
  const error = toSluiceError(failing(code), false);
  expect(error.code).toBe('upstream_unreachable');
  expect(error.message).toContain(words);
});

test('a connection that ends in the middle is cut, whatever its reason', () => {
  expect(toSluiceError(failing('ERR_SSL_WRONG_VERSION_NUMBER'), true).code).toBe('upstream_cut');
});
