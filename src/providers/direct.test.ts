import { describe, expect, it } from 'vitest';
import { directUrl } from './address.ts';
import { PROVIDERS } from './index.ts';
import { modelInPath, namesModelInPath } from './named-model.ts';
import type { Provider } from './provider.ts';

function vendor(id: string): Provider {
  const found = PROVIDERS.get(id);
  if (found === undefined) throw new Error(id);
  return found;
}

const at = (id: string, path: string, baseUrl?: string) =>
  directUrl(vendor(id), path, { model: '', baseUrl, project: 'p' }).href;

describe('directUrl', () => {
  it('stands below the base URL, which may be repeated in the path', () => {
    expect(at('openai', '/files')).toBe('https://api.openai.com/v1/files');
    expect(at('openai', '/v1/files')).toBe('https://api.openai.com/v1/files');
    expect(at('gemini', '/v1beta/models/x:countTokens')).toMatch(
      /googleapis\.com\/v1beta\/models\/x:countTokens$/,
    );
    expect(at('bedrock', '/model/a%3A0/converse')).toContain('/model/a%3A0/converse');
    expect(at('openai', '/{model}/{x}')).toBe('https://api.openai.com/v1/%7Bmodel%7D/%7Bx%7D');
    expect(at('openai', '/files/a..b')).toBe('https://api.openai.com/v1/files/a..b');
  });

  it.each([
    '/../x',
    '/a/./b',
    '/a/..',
    '/%2e%2e/x',
    '/%2E./x',
    '/a/%252e%252e/x',
    '/a%2f..%2fb',
    '/a%5c..%5cb',
    '/..;x/y',
    '/a\\..\\b',
    '//evil.example/x',
    '/a//b',
    'x',
    '@evil.example',
    '/a b',
    '/a#b',
    '/a?b',
    '/a\u0000',
    '/%25252525252e./x',
  ])('refuses %j', (path) => {
    expect(() => at('openai', path)).toThrow(/path/);
  });
});

describe('the model in a path', () => {
  it('is read where the vendor names it there', () => {
    expect(modelInPath(vendor('gemini'), '/v1beta/models/gemini-2.5-pro:streamGenerateContent')).toBe(
      'gemini-2.5-pro',
    );
    expect(modelInPath(vendor('bedrock'), '/model/anthropic.claude%3A0/converse')).toBe('anthropic.claude:0');
    expect(modelInPath(vendor('gemini'), '/v1beta/files')).toBeUndefined();
    expect(modelInPath(vendor('gemini'), '/v1beta/models/%zz:generateContent')).toBeUndefined();
    expect([namesModelInPath(vendor('gemini')), namesModelInPath(vendor('openai'))]).toEqual([true, false]);
  });
});
