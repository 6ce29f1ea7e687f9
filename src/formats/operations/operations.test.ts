import { describe, expect, it } from 'vitest';
import { SluiceError } from '../../core/errors/error.ts';
import type { JsonObject } from '../../core/model/index.ts';
import { fromBase64, toBase64 } from './embeddings.ts';
import { OPERATIONS, reportedUsage, UsageWatcher } from './index.ts';

const { embeddings, rerank } = OPERATIONS;
const REPLY = { id: 'exc_1', model: 'asked' };

function refused(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof SluiceError) return `${error.code} ${error.facts.param ?? ''}`;
  }
  return 'none';
}

const ANSWERS: Readonly<Record<string, JsonObject>> = {
  openai: {
    data: [
      { index: 1, embedding: [2, 0.5] },
      { index: 0, embedding: toBase64([1, 0.5]) },
    ],
    usage: { prompt_tokens: 4, total_tokens: 4 },
  },
  jina: {
    data: [{ embedding: [1, 0.5] }, { embedding: [2, 0.5] }],
    usage: { total_tokens: 4, prompt_tokens: 4 },
  },
  voyage: {
    data: [
      { index: 0, embedding: [1, 0.5] },
      { index: 1, embedding: [2, 0.5] },
    ],
    usage: { total_tokens: 4 },
  },
  cohere: {
    embeddings: {
      float: [
        [1, 0.5],
        [2, 0.5],
      ],
    },
    meta: { billed_units: { input_tokens: 4 } },
  },
  'gemini-embeddings': {
    embeddings: [{ values: [1, 0.5] }, { values: [2, 0.5] }],
    usageMetadata: { promptTokenCount: 4 },
  },
};

const REQUESTS: Readonly<Record<string, JsonObject>> = {
  openai: { model: 'asked', input: ['a', 'b'], dimensions: 2, input_type: 'query' },
  'gemini-embeddings': {
    model: 'asked',
    requests: ['a', 'b'].map((text) => ({
      content: { parts: [{ text }] },
      taskType: 'RETRIEVAL_QUERY',
      outputDimensionality: 2,
    })),
  },
};

const SENT: Readonly<Record<string, JsonObject>> = {
  openai: { model: 'up', input: ['a', 'b'], dimensions: 2, encoding_format: 'float' },
  jina: { model: 'up', input: ['a', 'b'], task: 'retrieval.query', dimensions: 2, embedding_type: 'float' },
  voyage: { model: 'up', input: ['a', 'b'], input_type: 'query', output_dimension: 2 },
  cohere: {
    model: 'up',
    texts: ['a', 'b'],
    input_type: 'search_query',
    embedding_types: ['float'],
    output_dimension: 2,
  },
  'gemini-embeddings': {
    requests: ['a', 'b'].map((text) => ({
      model: 'models/up',
      content: { parts: [{ text }] },
      taskType: 'RETRIEVAL_QUERY',
      outputDimensionality: 2,
    })),
  },
};

describe.each(Object.keys(REQUESTS))('embeddings asked for as %s', (client) => {
  it.each(Object.keys(ANSWERS))('reach a provider that speaks %s, and come back in order', (upstream) => {
    const call = embeddings.translate({ body: REQUESTS[client] ?? {}, client, upstream, model: 'up' });
    expect(call.body).toEqual(SENT[upstream]);
    const { body, usage } = call.answer(ANSWERS[upstream] ?? {}, REPLY);
    const rows = (body['data'] ?? body['embeddings']) as JsonObject[];
    expect(rows.map((row) => row['embedding'] ?? row['values'])).toEqual([
      [1, 0.5],
      [2, 0.5],
    ]);
    expect(usage).toMatchObject({ input: 4, output: 0, source: 'reported' });
  });
});

describe('embeddings', () => {
  it('keep a vector through base64 exactly', () => {
    expect(fromBase64(toBase64([1, -0.5, 0.25]))).toEqual([1, -0.5, 0.25]);
  });

  it('write base64 when the client asked for it, whatever the provider speaks', () => {
    const body = { model: 'm', input: ['a', 'b'], encoding_format: 'base64' };
    const call = embeddings.translate({ body, client: 'openai', upstream: 'cohere', model: 'up' });
    const told = call.answer(ANSWERS['cohere'] ?? {}, REPLY).body as { data: { embedding: string }[] };
    expect(told.data.map(({ embedding }) => fromBase64(embedding))).toEqual([
      [1, 0.5],
      [2, 0.5],
    ]);
  });

  it('name what a target has no word for', () => {
    const body = { model: 'm', input: 'a', user: 'u', odd: 1 };
    const dropped = (upstream: string) =>
      embeddings.translate({ body, client: 'openai', upstream, model: 'up' }).dropped;
    expect(dropped('cohere')).toEqual(['odd', 'user']);
  });

  it.each([
    [{}, 'bad_request input'],
    [{ input: [] }, 'bad_request input'],
    [{ input: ['a', 1] }, 'bad_request input[1]'],
    [{ input: [1, 2] }, 'unsupported_feature input'],
    [{ input: [[1], [2]] }, 'unsupported_feature input'],
    [{ input: 'a', encoding_format: 'int8' }, 'bad_request encoding_format'],
    [{ input: 'a', dimensions: 0 }, 'bad_request dimensions'],
  ])('refuse %j for Cohere', (body, message) => {
    const run = () =>
      embeddings.translate({
        body: { model: 'm', ...body },
        client: 'openai',
        upstream: 'cohere',
        model: 'u',
      });
    expect(refused(run)).toBe(message);
  });

  it.each([
    [{ data: [{ embedding: [1] }] }],
    [{ data: [{ embedding: [1] }, { embedding: 'AAA=' }] }],
    [{ data: [{ embedding: [1] }, { embedding: ['x'] }] }],
    [{ ok: true }],
  ])('take no answer but a whole one: %j', (answer) => {
    const body = { model: 'm', input: ['a', 'b'] };
    const call = embeddings.translate({ body, client: 'openai', upstream: 'jina', model: 'u' });
    expect(refused(() => call.answer(answer as JsonObject, REPLY))).toBe('upstream_malformed ');
  });

  it('estimate usage that nobody reports', () => {
    const call = embeddings.translate({
      body: { input: ['hello world'] },
      client: 'openai',
      upstream: 'cohere',
      model: 'u',
    });
    expect(call.answer({ embeddings: { float: [[1]] } }, REPLY).usage).toMatchObject({
      input: 2,
      source: 'estimated',
    });
  });

  it.each([0, -5, 1e15, '77'])('estimate what %j tokens cannot be', (tokens) => {
    const call = embeddings.translate({
      body: { input: ['hello world'] },
      client: 'openai',
      upstream: 'openai',
      model: 'u',
    });
    const usage = { prompt_tokens: tokens, total_tokens: tokens };
    const body = { data: [{ index: 0, embedding: [1] }], usage };
    expect(call.answer(body, REPLY).usage).toMatchObject({ input: 2, source: 'estimated' });
  });
});

describe('rerank', () => {
  const body = {
    model: 'm',
    query: 'q',
    documents: ['a', { text: 'b', id: 1 }],
    top_n: 1,
    max_tokens_per_doc: 9,
  };
  const call = (upstream: string) => rerank.translate({ body, client: 'rerank', upstream, model: 'up' });

  it('is written in each provider’s words', () => {
    expect(call('cohere').body).toEqual({
      model: 'up',
      query: 'q',
      documents: ['a', 'b'],
      top_n: 1,
      max_tokens_per_doc: 9,
    });
    expect(call('jina').body).toMatchObject({ documents: body.documents, top_n: 1, return_documents: false });
    expect(call('jina').dropped).toEqual(['max_tokens_per_doc']);
    expect(call('voyage').body).toMatchObject({ documents: ['a', 'b'], top_k: 1 });
  });

  it('reads each provider’s scores', () => {
    const scores = [{ index: 1, relevance_score: 0.5 }];
    for (const [upstream, answer] of [
      ['cohere', { results: scores, meta: { billed_units: { search_units: 2 } } }],
      ['jina', { results: scores, usage: { total_tokens: 7 } }],
      ['voyage', { data: scores, usage: { total_tokens: 7 } }],
    ] as const) {
      const told = call(upstream).answer(answer as unknown as JsonObject, REPLY);
      expect(told.body['results']).toEqual(scores);
      expect(told.usage.source).toBe(upstream === 'cohere' ? 'estimated' : 'reported');
    }
    const beyond = { results: [{ index: 2, relevance_score: 1 }] };
    expect(refused(() => call('jina').answer(beyond, REPLY))).toBe('upstream_malformed ');
  });

  it('refuses documents that a target cannot read', () => {
    const odd = { model: 'm', query: 'q', documents: [{ image: 'x' }] };
    expect(
      refused(() => rerank.translate({ body: odd, client: 'rerank', upstream: 'cohere', model: 'u' })),
    ).toBe('unsupported_feature documents[0]');
  });
});

describe('reported usage', () => {
  it.each([
    [{ usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 } }, { input: 3, output: 2 }],
    [
      { usage: { input_tokens: 3, output_tokens: 2, cache_read_input_tokens: 4 } },
      { input: 3, cacheRead: 4 },
    ],
    [{ response: { usage: { input_tokens: 3, output_tokens: 2 } } }, { input: 3, output: 2 }],
    [{ usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2 } }, { input: 3, output: 2 }],
    [{ usage: { type: 'duration', seconds: 2.5 } }, { audioInput: 25, audioSeconds: 3, source: 'reported' }],
    [{ usage: { inputTokens: 3, outputTokens: 2 } }, { input: 3, output: 2 }],
    [
      { prompt_eval_count: 3, eval_count: 2 },
      { input: 3, output: 2 },
    ],
    [{ usage: { tokens: { input_tokens: 3, output_tokens: 2 } } }, { input: 3, output: 2 }],
  ])('of %j', (body, usage) => expect(reportedUsage(body as JsonObject)).toMatchObject(usage));

  it('is none where nothing is said, or nothing to be believed', () => {
    const said = [{}, { usage: null }, { usage: {} }, { usage: 'x' }];
    const absurd = [
      { usage: { total_tokens: 1e15 } },
      { usage: { inputTokens: 1e15 } },
      { usage: { type: 'duration', seconds: 1e300 } },
      { prompt_eval_count: 1e15, eval_count: -1 },
    ];
    for (const body of [...said, ...absurd]) {
      expect(reportedUsage(body as JsonObject)).toBeUndefined();
    }
  });

  it('adds up over a stream in pieces', () => {
    const watcher = new UsageWatcher();
    watcher.observe({ type: 'message_start', message: { usage: { input_tokens: 7, output_tokens: 1 } } });
    watcher.observe({ type: 'message_delta', usage: { output_tokens: 9, input_tokens: null } });
    watcher.observe({ type: 'message_stop' });
    expect(watcher.usage).toMatchObject({ input: 7, output: 9 });
  });
});
