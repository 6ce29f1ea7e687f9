import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { SNIPPETS } from './snippets.ts';

const hostile = {
  baseUrl: 'http://127.0.0.1:4100',
  model: `it's "odd" \\ $(id) \`id\``,
  key: "sk-sluice-'; id",
};
const write = (id: string, facts: typeof hostile | { baseUrl: string; model: string; key: undefined }) =>
  SNIPPETS.find((snippet) => snippet.id === id)?.write(facts) ?? '';

describe('snippets', () => {
  it('puts names with quotes into the shell as they are', () => {
    const printed = execFileSync('sh', ['-c', `curl() { printf '%s\\n' "$@"; }\n${write('curl', hostile)}`]);
    const [url, , authorization, , type, , ...body] = printed.toString().split('\n');
    expect(url).toBe('http://127.0.0.1:4100/v1/chat/completions');
    expect(authorization).toBe("authorization: Bearer sk-sluice-'; id");
    expect(type).toBe('content-type: application/json');
    expect(JSON.parse(body.join('\n')).model).toBe(hostile.model);
  });

  it('leaves the header out when no key is needed', () => {
    expect(write('curl', { ...hostile, key: undefined })).not.toContain('authorization');
    expect(write('python-openai', { ...hostile, key: undefined })).toContain('api_key="not-needed"');
  });

  it('gives each SDK the base it appends to', () => {
    expect(write('python-openai', hostile)).toContain('base_url="http://127.0.0.1:4100/v1"');
    expect(write('typescript-openai', hostile)).toContain('baseURL: "http://127.0.0.1:4100/v1"');
    expect(write('python-anthropic', hostile)).toContain('base_url="http://127.0.0.1:4100",');
  });
});
