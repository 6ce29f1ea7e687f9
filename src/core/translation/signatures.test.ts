import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Issuer, issuerOf, mayReplay, unwrapSignature, wrapSignature } from './signatures.ts';

const ISSUERS: readonly Issuer[] = ['claude', 'gemini', 'openai', 'deepseek', 'other'];

test('a native value passes unchanged both ways', () => {
  const signature = { issuer: 'claude', value: 'EqQBCkYI+/==' } as const;
  expect(wrapSignature({ signature }, 'claude')).toBe('EqQBCkYI+/==');
  expect(unwrapSignature('EqQBCkYI+/==', 'claude')).toEqual({ signature });
});

test('a foreign value survives in the field', () => {
  const carried = { signature: { issuer: 'gemini', value: 'abc+/=' } } as const;
  expect(wrapSignature(carried, 'claude')).toBe('sluice:1:gemini:abc+/=');
  expect(unwrapSignature('sluice:1:gemini:abc+/=', 'claude')).toEqual(carried);
});

test('a value that only looks wrapped is taken as it is', () => {
  for (const value of ['sluice:1:', 'sluice:1:gemini', 'sluice:1:nobody:x', 'sluice:2:gemini:x', '']) {
    expect(unwrapSignature(value, 'claude').signature).toEqual({ issuer: 'claude', value });
  }
});

test('whatever is wrapped is unwrapped', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...ISSUERS),
      fc.constantFrom(...ISSUERS),
      fc.base64String({ minLength: 1 }),
      fc.option(fc.string({ unit: 'binary' }), { nil: undefined }),
      fc.boolean(),
      (issuer, home, value, id, previous) => {
        const carried = {
          signature: { issuer, value },
          ...(id === undefined || issuer === home ? {} : { id }),
          ...(previous ? { previous } : {}),
        };
        expect(unwrapSignature(wrapSignature(carried, home), home)).toEqual(carried);
      },
    ),
  );
});

test('opaque state goes back to its issuer only', () => {
  expect(mayReplay({ issuer: 'claude', value: 'x' }, 'claude')).toBe(true);
  expect(mayReplay({ issuer: 'claude', value: 'x' }, 'gemini')).toBe(false);
  expect(mayReplay({ issuer: 'openai', value: 'x' }, 'gpt')).toBe(true);
  expect(mayReplay({ issuer: 'claude', value: 'x' }, 'unheard-of', 'claude')).toBe(true);
  expect(issuerOf('constructor')).toBe('other');
});
