import { expect, test } from 'vitest';
import type { JsonObject, Message } from '../../core/model/index.ts';
import { anthropicMessages as codec } from './index.ts';
import { assistant, BASE, call, encode, result, system, target, user } from './request-samples.ts';

test('messages: leading system messages become the system prompt, in order', () => {
  const { body } = encode({ messages: [system('a'), system('b'), user('Hi')] });
  expect(body['system']).toEqual([
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b' },
  ]);
  expect(encode({ messages: [system('a'), user('Hi')] }).body['system']).toBe('a');
});

test('messages: a later system message keeps its place, natively or marked', () => {
  const messages = [user('1'), system('Rule.'), assistant('2'), user('3')];
  expect(encode({ messages }, target({ systemAnywhere: true })).body['messages']).toMatchObject([
    { role: 'user' },
    { role: 'system', content: 'Rule.' },
    { role: 'assistant' },
    { role: 'user' },
  ]);
  const marked = encode({ messages });
  expect((marked.body['messages'] as JsonObject[])[1]).toEqual({
    role: 'user',
    content: '<system>\nRule.\n</system>',
  });
  expect(marked.dropped).toHaveLength(1);
});

test('messages: results of one turn come first in one user turn, whatever stood between', () => {
  const { body } = encode({
    messages: [
      user('go'),
      { role: 'assistant', parts: [call('a'), call('b')] },
      system('Careful.'),
      { role: 'user', parts: [{ type: 'text', text: 'and' }, result('a')] },
      { role: 'user', parts: [result('b')] },
    ],
  });
  const last = (body['messages'] as JsonObject[]).at(-1);
  expect(body['messages']).toHaveLength(3);
  expect((last?.['content'] as JsonObject[] | undefined)?.map((block) => block['type'])).toEqual([
    'tool_result',
    'tool_result',
    'text',
    'text',
  ]);
});

test('messages: turns of one role are not merged otherwise', () => {
  expect(encode({ messages: [user('a'), user('b')] }).body['messages']).toHaveLength(2);
});

test('messages: blank texts and turns go, their cache mark stays on the block before', () => {
  const { body } = encode({
    messages: [
      {
        role: 'user',
        parts: [
          { type: 'text', text: 'a' },
          { type: 'text', text: ' \n', cache: { ttl: '1h' } },
        ],
      },
      assistant(''),
      user('b'),
    ],
  });
  expect(body['messages']).toEqual([
    {
      role: 'user',
      content: [{ type: 'text', text: 'a', cache_control: { type: 'ephemeral', ttl: '1h' } }],
    },
    { role: 'user', content: 'b' },
  ]);
});

test('messages: a prefill is trimmed, or refused where the model refuses it', () => {
  const messages = [user('Count'), assistant('1, 2,  \n')];
  expect((encode({ messages }).body['messages'] as JsonObject[])[1]?.['content']).toBe('1, 2,');
  expect(() => encode({ messages }, target({ refuses: ['prefill'] }))).toThrow(
    expect.objectContaining({ code: 'unsupported_feature' }),
  );
});

test('messages: arguments keep their digits, empty ones are {}, broken ones are kept', () => {
  const inputs = (args: string) => {
    const messages: Message[] = [
      user('go'),
      { role: 'assistant', parts: [call('a', args)] },
      { role: 'user', parts: [result('a')] },
    ];
    const { body } = codec.encodeRequest({ ...BASE, messages }, target());
    const turns = body['messages'] as { content: JsonObject[] }[];
    return JSON.stringify(turns[1]?.content[0]?.['input']);
  };
  expect(inputs('{"z":1,"id":12345678901234567890}')).toBe('{"z":1,"id":12345678901234567890}');
  expect(inputs('')).toBe('{}');
  expect(inputs('null')).toBe('{}');
  expect(inputs('{"a":')).toContain('{\\"a\\":');
});

test('messages: ids and names that Anthropic refuses are re-written, links kept', () => {
  const id = 'functions.f:0';
  const { body } = encode({
    tools: [{ type: 'function', name: 'mcp.read file' }],
    messages: [
      user('go'),
      { role: 'assistant', parts: [{ ...call(id), name: 'mcp.read file' }] },
      { role: 'user', parts: [result(id)] },
    ],
  });
  const [, turn, answer] = body['messages'] as { content: JsonObject[] }[];
  const name = String((body['tools'] as JsonObject[])[0]?.['name']);
  expect(name).toMatch(/^[a-zA-Z0-9_-]{1,128}$/);
  expect(turn?.content[0]).toMatchObject({ name, id: expect.stringMatching(/^[a-zA-Z0-9_-]+$/) });
  expect(answer?.content[0]?.['tool_use_id']).toBe(turn?.content[0]?.['id']);
  const source = {
    quirks: {},
    request: { ...BASE, tools: [{ type: 'function', name: 'mcp.read file' } as const] },
  };
  const content = [{ type: 'tool_use', id: 'x', name, input: {} }];
  const [part] = codec.decodeResponse({ content, stop_reason: 'tool_use' }, source).choices[0]?.parts ?? [];
  expect(part).toMatchObject({ name: 'mcp.read file' });
});

const thought = (issuer: 'claude' | 'gemini'): Message[] => [
  user('go'),
  {
    role: 'assistant',
    parts: [
      { type: 'reasoning', text: 'hm', signature: { issuer, value: 'sig' } },
      { type: 'reasoning', text: '', redacted: 'secret' },
      { type: 'text', text: 'so' },
    ],
  },
  user('and'),
];

test('reasoning replay: Claude’s own goes back unchanged', () => {
  const { body, dropped } = encode({ messages: thought('claude') });
  expect((body['messages'] as JsonObject[])[1]?.['content']).toEqual([
    { type: 'thinking', thinking: 'hm', signature: 'sig' },
    { type: 'redacted_thinking', data: 'secret' },
    { type: 'text', text: 'so' },
  ]);
  expect(dropped).toEqual([]);
});

test('reasoning replay: a foreign one is left out and named', () => {
  const { body, dropped } = encode({ messages: thought('gemini') });
  expect(JSON.stringify(body)).not.toContain('sig');
  expect(dropped).toEqual(['reasoning (gemini)']);
});

test('reasoning replay: a Gemini signature on a call survives an Anthropic client', () => {
  const parts = [
    { type: 'reasoning' as const, text: 't', signature: { issuer: 'gemini' as const, value: 'A' } },
    { ...call('a'), signature: { issuer: 'gemini' as const, value: 'B' } },
  ];
  const finish = { reason: 'tool_calls' as const };
  const usage = { ...codec.decodeResponse({ content: [] }, { quirks: {} }).usage };
  const { content } = codec.encodeResponse(
    { choices: [{ index: 0, parts, finish }], usage },
    { id: 'm', model: 'm', created: 0, includeUsage: false },
  );
  const decoded = codec.decodeRequest({
    model: 'm',
    messages: [
      { role: 'user', content: 'go' },
      { role: 'assistant', content: content ?? [] },
    ],
  });
  expect(decoded.messages[1]?.parts).toEqual(parts);
});

const encodeMedia = (part: Message['parts'][number], to = target()) =>
  encode({ messages: [{ role: 'user', parts: [part] }] }, to).body['messages'];

test('media: image types are normalised, unknown ones refused', () => {
  const image = (mediaType: string) =>
    ({ type: 'image', source: { kind: 'base64', mediaType, data: 'AA==' } }) as const;
  expect(JSON.stringify(encodeMedia(image('image/jpg')))).toContain('"media_type":"image/jpeg"');
  expect(() => encodeMedia(image('image/tiff'))).toThrow(/image\/tiff/);
});

test('media: a text file becomes a text document', () => {
  const data = Buffer.from('Grüße').toString('base64');
  const part = {
    type: 'document',
    name: 'a.txt',
    source: { kind: 'base64', mediaType: 'text/plain', data },
  } as const;
  expect(encodeMedia(part)).toMatchObject([
    { content: [{ title: 'a.txt', source: { type: 'text', data: 'Grüße' } }] },
  ]);
});

test('media: audio is refused, never dropped', () => {
  const part = { type: 'audio', source: { kind: 'base64', mediaType: 'audio/wav', data: 'AA==' } } as const;
  expect(() => encodeMedia(part)).toThrow(expect.objectContaining({ code: 'unsupported_feature' }));
});

test('media: images for a model without eyes are refused by their place', () => {
  const part = { type: 'image', source: { kind: 'url', url: 'https://example.com/a.png' } } as const;
  expect(() => encodeMedia(part, target({ input: ['text'] }))).toThrow(
    expect.objectContaining({ facts: expect.objectContaining({ param: 'messages[0].content[0]' }) }),
  );
});
