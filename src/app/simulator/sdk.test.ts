import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningSimulator, startSimulator } from '../simulator.ts';

const SCHEMA = {
  type: 'object' as const,
  properties: { city: { type: 'string' }, unit: { type: 'string', enum: ['celsius', 'fahrenheit'] } },
  required: ['city'],
};
const DESCRIPTION = 'Current weather of a city';
const TWO_CITIES = 'What is the weather in Paris and Berlin, in celsius?';
const BRIDGES = 'Explain how bridges carry load';

let sim: RunningSimulator;
beforeAll(async () => {
  sim = await startSimulator({ latency: 'none' });
});
afterAll(() => sim.close());

const client = () => new OpenAI({ baseURL: `${sim.url}/v1`, apiKey: 'sk-test', maxRetries: 0 });
const tools = [
  {
    type: 'function' as const,
    function: { name: 'get_weather', description: DESCRIPTION, parameters: SCHEMA },
  },
];

describe('the OpenAI SDK, chat', () => {
  it('gives the same words whole and streamed, with usage that adds up', async () => {
    const messages = [{ role: 'user' as const, content: BRIDGES }];
    const whole = await client().chat.completions.create({ model: 'gpt', messages });
    const stream = client().chat.completions.stream({
      model: 'gpt',
      messages,
      stream_options: { include_usage: true },
    });
    const streamed = await stream.finalChatCompletion();
    expect(whole.choices[0]?.message.content).toContain('bridges');
    expect(streamed.choices[0]?.message.content).toBe(whole.choices[0]?.message.content);
    expect(streamed.usage).toEqual(whole.usage);
    const usage = whole.usage;
    expect(usage?.total_tokens).toBe((usage?.prompt_tokens ?? 0) + (usage?.completion_tokens ?? 0));
    expect(usage?.completion_tokens).toBeGreaterThan(50);
  });

  it('calls the tool once per city, then answers with what came back', async () => {
    const asked = [{ role: 'user' as const, content: TWO_CITIES }];
    const first = await client().chat.completions.create({ model: 'gpt', tools, messages: asked });
    const message = first.choices[0]?.message;
    expect(first.choices[0]?.finish_reason).toBe('tool_calls');
    const calls = (message?.tool_calls ?? []).filter((call) => call.type === 'function');
    expect(calls.map((call) => JSON.parse(call.function.arguments))).toEqual([
      { city: 'Paris', unit: 'celsius' },
      { city: 'Berlin', unit: 'celsius' },
    ]);
    const results = calls.map((call, index) => ({
      role: 'tool' as const,
      tool_call_id: call.id,
      content: `${17 + index} degrees`,
    }));
    const second = await client().chat.completions.create({
      model: 'gpt',
      tools,
      messages: [...asked, { role: 'assistant', content: null, tool_calls: calls }, ...results],
    });
    expect(second.choices[0]?.message.content).toContain('17 degrees');
    expect(second.choices[0]?.message.content).toContain('18 degrees');
  });
});

describe('the OpenAI SDK, chat settings', () => {
  it('makes one call where parallel calls are off, and the forced one where the prompt asks for none', async () => {
    const one = await client().chat.completions.create({
      model: 'gpt',
      tools,
      parallel_tool_calls: false,
      messages: [{ role: 'user', content: TWO_CITIES }],
    });
    expect(one.choices[0]?.message.tool_calls).toHaveLength(1);
    const forced = await client().chat.completions.create({
      model: 'gpt',
      tools,
      tool_choice: 'required',
      messages: [{ role: 'user', content: 'Hello' }],
    });
    expect(forced.choices[0]?.message.tool_calls).toHaveLength(1);
    const none = await client().chat.completions.create({
      model: 'gpt',
      tools,
      tool_choice: 'none',
      messages: [{ role: 'user', content: TWO_CITIES }],
    });
    expect(none.choices[0]?.message.tool_calls).toBeUndefined();
  });

  it('honours max tokens, stop sequences, n and a schema', async () => {
    const messages = [{ role: 'user' as const, content: BRIDGES }];
    const cut = await client().chat.completions.create({
      model: 'gpt',
      messages,
      max_completion_tokens: 10,
      n: 3,
    });
    expect(cut.choices.map((choice) => choice.finish_reason)).toEqual(['length', 'length', 'length']);
    expect(cut.usage?.completion_tokens).toBeLessThanOrEqual(30);
    const stopped = await client().chat.completions.create({ model: 'gpt', messages, stop: ['bridges'] });
    expect(stopped.choices[0]?.message.content).not.toContain('bridges');
    const shaped = await client().chat.completions.create({
      model: 'gpt',
      messages,
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'weather', strict: true, schema: SCHEMA },
      },
    });
    const json = JSON.parse(shaped.choices[0]?.message.content ?? '');
    expect(json).toMatchObject({
      city: expect.any(String),
      unit: expect.stringMatching(/celsius|fahrenheit/),
    });
  });
});

describe('the OpenAI SDK, Responses and embeddings', () => {
  it('speaks Responses, whole and streamed', async () => {
    const whole = await client().responses.create({ model: 'responses', input: BRIDGES });
    const stream = client().responses.stream({ model: 'responses', input: BRIDGES });
    const streamed = await stream.finalResponse();
    expect(whole.output_text).toContain('bridges');
    expect(streamed.output_text).toBe(whole.output_text);
    expect(streamed.usage).toEqual(whole.usage);
    const cut = await client().responses.create({
      model: 'responses',
      input: BRIDGES,
      max_output_tokens: 20,
    });
    expect(cut.incomplete_details?.reason).toBe('max_output_tokens');
    expect(cut.usage?.output_tokens).toBeLessThanOrEqual(20);
  });

  it('embeds related texts nearer to each other', async () => {
    const input = ['bridges carry heavy load', 'a bridge carries load', 'cats sleep all day'];
    const { data } = await client().embeddings.create({ model: 'embed', input });
    const [a = [], b = [], c = []] = data.map(({ embedding }) => embedding);
    const near = (x: number[], y: number[]) => x.reduce((sum, value, at) => sum + value * (y[at] ?? 0), 0);
    expect(near(a, b)).toBeGreaterThan(near(a, c));
    expect(near(a, a)).toBeCloseTo(1, 4);
  });
});

describe('the Anthropic SDK', () => {
  const client = () => new Anthropic({ baseURL: sim.url, apiKey: 'sk-test', maxRetries: 0 });
  const tools = [{ name: 'get_weather', description: DESCRIPTION, input_schema: SCHEMA }];

  it('gives the same words whole and streamed', async () => {
    const messages = [{ role: 'user' as const, content: BRIDGES }];
    const whole = await client().messages.create({ model: 'claude', max_tokens: 900, messages });
    const streamed = await client()
      .messages.stream({ model: 'claude', max_tokens: 900, messages })
      .finalMessage();
    expect(streamed.content).toEqual(whole.content);
    expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens);
    expect(streamed.usage.input_tokens).toBe(whole.usage.input_tokens);
  });

  it('calls tools in parallel', async () => {
    const stream = client().messages.stream({
      model: 'claude',
      max_tokens: 900,
      tools,
      messages: [{ role: 'user', content: TWO_CITIES }],
    });
    const message = await stream.finalMessage();
    expect(message.stop_reason).toBe('tool_use');
    const inputs = message.content.map((block) => (block.type === 'tool_use' ? block.input : undefined));
    expect(inputs).toEqual([
      { city: 'Paris', unit: 'celsius' },
      { city: 'Berlin', unit: 'celsius' },
    ]);
  });

  it('takes its own thinking back, and refuses it changed', async () => {
    const asked = { role: 'user' as const, content: BRIDGES };
    const thinking = { type: 'enabled' as const, budget_tokens: 1024 };
    const first = await client().messages.create({
      model: 'claude',
      max_tokens: 4000,
      thinking,
      messages: [asked],
    });
    const [thought, ...rest] = first.content;
    if (thought?.type !== 'thinking') throw new Error('no thinking block came');
    const again = (block: Anthropic.ThinkingBlock) =>
      client().messages.create({
        model: 'claude',
        max_tokens: 4000,
        thinking,
        messages: [
          asked,
          { role: 'assistant', content: [block, ...rest] },
          { role: 'user', content: 'And then?' },
        ],
      });
    expect((await again(thought)).stop_reason).toBe('end_turn');
    await expect(again({ ...thought, thinking: `${thought.thinking}!` })).rejects.toThrow(
      /Invalid `signature`/,
    );
    await expect(again({ ...thought, signature: `A${thought.signature.slice(1)}` })).rejects.toMatchObject({
      status: 400,
    });
  });

  it('writes and then reads a marked prompt prefix', async () => {
    const text = 'The quick brown fox jumps over the lazy dog near the river bank. '.repeat(120);
    const ask = () =>
      client().messages.create({
        model: 'claude',
        max_tokens: 50,
        system: [{ type: 'text', text, cache_control: { type: 'ephemeral' } }],
        messages: [{ role: 'user', content: 'Hi' }],
      });
    const first = await ask();
    const second = await ask();
    expect(first.usage.cache_creation_input_tokens).toBeGreaterThan(1024);
    expect(second.usage.cache_read_input_tokens).toBe(first.usage.cache_creation_input_tokens);
    expect(second.usage.cache_creation_input_tokens).toBe(0);
  });

  it('counts the same tokens that it bills', async () => {
    const messages = [{ role: 'user' as const, content: BRIDGES }];
    const counted = await client().messages.countTokens({ model: 'claude', messages });
    const billed = await client().messages.create({ model: 'claude', max_tokens: 50, messages });
    expect(counted.input_tokens).toBe(billed.usage.input_tokens);
  });
});

describe('the Google SDK', () => {
  const client = () => new GoogleGenAI({ apiKey: 'test', httpOptions: { baseUrl: sim.url } });

  it('gives the same words whole and streamed', async () => {
    const whole = await client().models.generateContent({ model: 'gemini', contents: BRIDGES });
    const stream = await client().models.generateContentStream({ model: 'gemini', contents: BRIDGES });
    let text = '';
    for await (const chunk of stream) text += chunk.text ?? '';
    expect(text).toBe(whole.text);
    const usage = whole.usageMetadata;
    expect(usage?.totalTokenCount).toBe((usage?.promptTokenCount ?? 0) + (usage?.candidatesTokenCount ?? 0));
  });

  it('signs the first of several calls', async () => {
    const whole = await client().models.generateContent({
      model: 'gemini',
      contents: TWO_CITIES,
      config: {
        thinkingConfig: { thinkingBudget: 512 },
        tools: [
          {
            functionDeclarations: [
              { name: 'get_weather', description: DESCRIPTION, parametersJsonSchema: SCHEMA },
            ],
          },
        ],
      },
    });
    const parts = whole.candidates?.[0]?.content?.parts ?? [];
    const calls = parts.filter((part) => part.functionCall !== undefined);
    expect(calls.map((part) => part.functionCall?.args)).toEqual([
      { city: 'Paris', unit: 'celsius' },
      { city: 'Berlin', unit: 'celsius' },
    ]);
    expect(calls.map((part) => part.thoughtSignature !== undefined)).toEqual([true, false]);
    expect(whole.usageMetadata?.thoughtsTokenCount).toBeGreaterThan(0);
  });
});
