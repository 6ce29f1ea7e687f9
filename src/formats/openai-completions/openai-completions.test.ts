import { describe, expect, it } from 'vitest';
import { SluiceError } from '../../core/errors/error.ts';
import { type StreamEvent, UNKNOWN_USAGE } from '../../core/model/index.ts';
import { replayResponse } from '../../core/translation/replay.ts';
import type { Reply } from '../codec.ts';
import { CLIENT_DIALECTS } from '../dialects.ts';
import { openaiCompletions } from './index.ts';

const REPLY: Reply = { id: 'cmpl-1', model: 'm', created: 1, includeUsage: true };

function refusal(body: Record<string, never> | object): { code: string; param: string | undefined } {
  try {
    openaiCompletions.decodeRequest({ model: 'm', prompt: 'p', ...body });
  } catch (error) {
    if (error instanceof SluiceError) return { code: error.code, param: error.facts.param };
  }
  return { code: 'none', param: undefined };
}

describe('a request', () => {
  it('becomes one user message with its settings', () => {
    const request = openaiCompletions.decodeRequest({
      model: 'm',
      prompt: ['Once'],
      max_tokens: 5,
      n: 2,
      best_of: 2,
      stop: '.',
      temperature: 0.5,
      logprobs: 2,
      suffix: null,
      echo: false,
      user: 'u',
      odd: 1,
    });
    expect(request).toEqual({
      model: 'm',
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'Once' }] }],
      tools: [],
      sampling: { temperature: 0.5, logprobs: true, topLogprobs: 2 },
      maxOutputTokens: 5,
      stop: ['.'],
      choices: 2,
      output: { type: 'text' },
      stream: false,
      includeUsage: false,
      user: 'u',
      extensions: { 'openai-completions': { odd: 1 } },
    });
  });

  it.each([
    [{ suffix: 'x' }, 'unsupported_feature', 'suffix'],
    [{ echo: true }, 'unsupported_feature', 'echo'],
    [{ best_of: 3 }, 'unsupported_feature', 'best_of'],
    [{ prompt: [1, 2] }, 'unsupported_feature', 'prompt'],
    [{ prompt: [[1]] }, 'unsupported_feature', 'prompt'],
    [{ prompt: ['a', 'b'] }, 'unsupported_feature', 'prompt'],
    [{ prompt: '' }, 'bad_request', 'prompt'],
    [{ prompt: null }, 'bad_request', 'prompt'],
    [{ logprobs: 6 }, 'bad_request', 'logprobs'],
    [{ stop: [1] }, 'bad_request', 'stop'],
  ])('%j is refused naming the field', (body, code, param) => {
    expect(refusal(body)).toEqual({ code, param });
  });
});

const LOGPROBS = {
  content: [
    { token: 'Hi', logprob: -0.1, top_logprobs: [{ token: 'Hi', logprob: -0.1 }] },
    { token: '!', logprob: -0.2, top_logprobs: [] },
  ],
};

const ANSWER = {
  id: 'x',
  choices: [
    {
      index: 0,
      parts: [
        { type: 'reasoning', text: 'hm' },
        { type: 'text', text: 'Hi!' },
      ],
      finish: { reason: 'length' },
      logprobs: LOGPROBS,
    },
    { index: 1, parts: [{ type: 'refusal', text: 'No.' }], finish: { reason: 'refusal' } },
  ],
  usage: { ...UNKNOWN_USAGE, input: 3, output: 4, source: 'reported' },
} as const;

describe('an answer', () => {
  it('holds the words, the log-probabilities in lists, and usage', () => {
    expect(openaiCompletions.encodeResponse(ANSWER, REPLY)).toMatchObject({
      id: 'cmpl-1',
      object: 'text_completion',
      choices: [
        {
          text: 'Hi!',
          index: 0,
          finish_reason: 'length',
          logprobs: { tokens: ['Hi', '!'], token_logprobs: [-0.1, -0.2], text_offset: [0, 2] },
        },
        { text: 'No.', index: 1, finish_reason: 'stop', logprobs: null },
      ],
      usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
    });
  });

  it('streams to the same words, finish and usage', () => {
    const encoder = openaiCompletions.streamEncoder(REPLY);
    const text = String(encoder.push(replayResponse(ANSWER))) + String(encoder.end());
    const lines = text.split('\n\n').filter((line) => line !== '');
    expect(lines.pop()).toBe('data: [DONE]');
    const chunks = lines.map((line) => JSON.parse(line.slice('data: '.length)));
    const words = ['', ''];
    const finishes: unknown[] = [];
    for (const chunk of chunks) {
      expect(chunk.object).toBe('text_completion');
      for (const choice of chunk.choices) {
        words[choice.index] += choice.text;
        if (choice.finish_reason !== null) finishes[choice.index] = choice.finish_reason;
      }
    }
    expect(words).toEqual(['Hi!', 'No.']);
    expect(finishes).toEqual(['length', 'stop']);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 7 } });
  });

  it('ends with the error when it was cut, and with nothing after it', () => {
    const encoder = openaiCompletions.streamEncoder(REPLY);
    const error: StreamEvent = { type: 'error', error: new SluiceError('upstream_cut', 'Cut.') };
    expect(encoder.push([error, { type: 'finish', choice: 0, finish: { reason: 'stop' } }])).toBe(
      'data: {"error":{"message":"Cut.","type":"server_error","param":null,"code":"server_error"}}\n\n',
    );
    expect(encoder.end()).toBe('');
  });
});

describe('the registry of dialects', () => {
  it('lists every dialect under its own name', () => {
    for (const [name, dialect] of Object.entries(CLIENT_DIALECTS)) expect(dialect.id).toBe(name);
  });
});
