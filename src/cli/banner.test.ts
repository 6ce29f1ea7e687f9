import { describe, expect, it } from 'vitest';
import { bannerLines, firstCall, type StartFacts } from './banner.ts';

const plain = (_style: string, text: string) => text;
const facts: StartFacts = {
  url: 'http://127.0.0.1:4100',
  version: '1.2.3',
  pid: 1,
  demo: false,
  access_mode: 'open',
  config_path: null,
  providers: [
    { name: 'openai', type: 'openai', found_by: 'OPENAI_API_KEY' },
    { name: 'ollama', type: 'ollama', found_by: 'reachable' },
  ],
  keys: 0,
  example_model: 'gpt-4o-mini',
  sign_in_url: 'http://127.0.0.1:4100/sign-in#token',
};

describe('the banner', () => {
  it('names address, providers with their variable, access and sign-in link', () => {
    const text = bannerLines(facts, plain).join('\n');
    expect(text).toContain('http://127.0.0.1:4100');
    expect(text).toContain('openai (OPENAI_API_KEY), ollama (answers on its port)');
    expect(text).toContain('open: calls need no virtual key');
    expect(text).toContain('http://127.0.0.1:4100/sign-in#token');
    expect(text).not.toContain('DEMO');
  });

  it('says demo mode plainly, and what ends it', () => {
    const text = bannerLines({ ...facts, demo: true, providers: [] }, plain).join('\n');
    expect(text).toContain('DEMO MODE');
    expect(text).toContain('OPENAI_API_KEY');
  });

  it('asks for a key where one is needed', () => {
    expect(firstCall(facts).join('\n')).not.toContain('authorization');
    expect(firstCall({ ...facts, access_mode: 'keys' }).join('\n')).toContain(
      'authorization: Bearer sk-sluice-',
    );
    expect(bannerLines({ ...facts, access_mode: 'keys' }, plain).join('\n')).toContain('sluice keys create');
  });

  it('gives a body that is JSON, whatever the model is called', () => {
    const [, body = ''] = /-d '(.*)'$/s.exec(firstCall({ ...facts, example_model: 'a"b' }).join('\n')) ?? [];
    expect(JSON.parse(body)).toMatchObject({ model: 'a"b' });
  });

  it('counts providers beyond eight', () => {
    const many = Array.from({ length: 10 }, (_, index) => ({ name: `p${index}`, type: 'x', found_by: null }));
    expect(bannerLines({ ...facts, providers: many }, plain).join('\n')).toContain('p7, and 2 more');
  });
});
