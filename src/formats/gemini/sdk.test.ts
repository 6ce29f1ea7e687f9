import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApiError, type FunctionDeclaration, GoogleGenAI, Type } from '@google/genai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SluiceError } from '../../core/errors/error.ts';
import {
  type ChatRequest,
  type ChatResponse,
  type JsonObject,
  OPEN_PROFILE,
} from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import { replayResponse } from '../../core/translation/replay.ts';
import { gemini } from './index.ts';

const ANSWER: ChatResponse = {
  choices: [
    {
      index: 0,
      parts: [
        { type: 'reasoning', text: 'Let me think.', signature: { issuer: 'claude', value: 'c2lnbmVk' } },
        {
          type: 'text',
          text: 'Grüße aus 東京 🙂',
          citations: [{ kind: 'url', url: 'https://h/x', title: 'x', start: 0, end: 5 }],
        },
        {
          type: 'tool_call',
          id: 'toolu_1',
          name: 'weather',
          arguments: '{"city": "東京"}',
          kind: 'function',
        },
        { type: 'tool_call', id: 'toolu_2', name: 'now', arguments: '', kind: 'function' },
      ],
      finish: { reason: 'tool_calls' },
    },
  ],
  usage: {
    input: 10,
    cacheRead: 4,
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    output: 25,
    reasoning: 7,
    audioInput: 0,
    audioOutput: 0,
    images: 0,
    source: 'reported',
  },
};

const REPLY = { id: 'resp_1', model: 'asked', created: 0, includeUsage: true };
const OVERLOADED = new SluiceError('upstream_overloaded', 'Try again.', { retryAfterS: 3 });

let server: Server;
let client: GoogleGenAI;
/** What the SDK sent last, as the HTTP layer hands it to the codec. */
let received: ChatRequest | undefined;

function answer(request: ChatRequest, response: ServerResponse): void {
  if (request.model === 'refused') {
    const { status, body } = gemini.encodeError(OVERLOADED, 'q1');
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    return;
  }
  if (!request.stream) {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(gemini.encodeResponse(ANSWER, REPLY)));
    return;
  }
  response.setHeader('content-type', 'text/event-stream');
  const encoder = gemini.streamEncoder(REPLY);
  const events = replayResponse(ANSWER, 4);
  const kept = request.model === 'cut' ? events.slice(0, 4) : events;
  for (const event of kept) response.write(encoder.push([event]));
  if (request.model === 'cut') response.write(encoder.push([{ type: 'error', error: OVERLOADED }]));
  response.end(encoder.end());
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const [, model = '', method = ''] = /models\/([^:]+):(\w+)/.exec(request.url ?? '') ?? [];
  const body = parseJson(Buffer.concat(pieces).toString('utf8')) as JsonObject;
  received = gemini.decodeRequest({ ...body, model, stream: method === 'streamGenerateContent' });
  answer(received, response);
}

beforeAll(async () => {
  server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  client = new GoogleGenAI({ apiKey: 'test', httpOptions: { baseUrl: `http://127.0.0.1:${port}` } });
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const weather: FunctionDeclaration = {
  name: 'weather',
  description: 'Weather of a city.',
  parameters: {
    type: Type.OBJECT,
    properties: { city: { type: Type.STRING, nullable: true } },
    required: ['city'],
  },
};

test('the official SDK reads a whole answer', async () => {
  const response = await client.models.generateContent({ model: 'plain', contents: 'hi' });
  expect(response.text).toBe('Grüße aus 東京 🙂');
  expect(response.functionCalls).toEqual([
    { id: 'toolu_1', name: 'weather', args: { city: '東京' } },
    { id: 'toolu_2', name: 'now', args: {} },
  ]);
  expect(response.candidates?.[0]?.content?.parts?.[0]).toMatchObject({
    thought: true,
    text: 'Let me think.',
  });
  expect(response.candidates?.[0]?.groundingMetadata?.groundingSupports?.[0]?.segment).toMatchObject({
    endIndex: 7,
  });
  expect(response.usageMetadata).toEqual({
    promptTokenCount: 14,
    cachedContentTokenCount: 4,
    candidatesTokenCount: 18,
    thoughtsTokenCount: 7,
    totalTokenCount: 39,
  });
});

test('the official SDK reads a stream, and what it keeps of it is a lawful next request', async () => {
  const chat = client.chats.create({
    model: 'plain',
    config: {
      systemInstruction: 'be brief',
      tools: [{ functionDeclarations: [weather] }],
      temperature: 0.5,
      thinkingConfig: { thinkingBudget: 100, includeThoughts: true },
      automaticFunctionCalling: { disable: true },
    },
  });
  let text = '';
  let last: { finishReason?: unknown; usage?: unknown } = {};
  for await (const chunk of await chat.sendMessageStream({ message: 'hi' })) {
    text += (chunk.candidates?.[0]?.content?.parts ?? [])
      .map((part) => (part.thought === true ? '' : (part.text ?? '')))
      .join('');
    last = { finishReason: chunk.candidates?.[0]?.finishReason, usage: chunk.usageMetadata?.totalTokenCount };
  }
  expect(text).toBe('Grüße aus 東京 🙂');
  expect(last).toEqual({ finishReason: 'STOP', usage: 39 });
  expect(received).toMatchObject({
    sampling: { temperature: 0.5 },
    reasoning: { enabled: true, budgetTokens: 100, summary: 'auto' },
    tools: [
      {
        type: 'function',
        name: 'weather',
        parameters: { properties: { city: { type: ['string', 'null'] } } },
      },
    ],
  });
  const result = (id: string, name: string) => ({
    functionResponse: { id, name, response: { output: 'ok' } },
  });
  await chat.sendMessage({ message: [result('toolu_1', 'weather'), result('toolu_2', 'now')] });
  const [system, , calls, results] = received?.messages ?? [];
  expect(system).toMatchObject({ role: 'system', parts: [{ text: 'be brief' }] });
  expect(calls?.parts).toMatchObject([
    { type: 'reasoning', text: 'Let me think.', signature: { issuer: 'claude', value: 'c2lnbmVk' } },
    { type: 'text', text: 'Grüße aus 東京 🙂' },
    { type: 'tool_call', id: 'toolu_1' },
    { type: 'tool_call', id: 'toolu_2' },
  ]);
  expect(results?.parts).toMatchObject([{ callId: 'toolu_1' }, { callId: 'toolu_2' }]);
});

test('the official SDK throws on an error answer and on an error inside a stream', async () => {
  const refused = client.models.generateContent({ model: 'refused', contents: 'hi' });
  await expect(refused).rejects.toThrow(ApiError);
  await expect(refused).rejects.toMatchObject({ status: 503 });
  const read = async () => {
    for await (const chunk of await client.models.generateContentStream({ model: 'cut', contents: 'hi' })) {
      expect(chunk.candidates?.[0]?.finishReason).toBeUndefined();
    }
  };
  await expect(read()).rejects.toMatchObject({ status: 503 });
});

test('what the SDK asked for is what an upstream is asked', async () => {
  await client.models.generateContent({
    model: 'plain',
    contents: [
      { role: 'user', parts: [{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }, { text: 'what?' }] },
    ],
    config: {
      stopSequences: ['x'],
      seed: 7,
      candidateCount: 2,
      responseMimeType: 'application/json',
      responseJsonSchema: { type: 'object' },
      safetySettings: [],
    },
  });
  if (received === undefined) throw new Error('nothing was received');
  const target = { model: 'm', profile: OPEN_PROFILE, quirks: {}, defaultMaxOutputTokens: 1 };
  expect(gemini.encodeRequest(received, target).body).toEqual({
    contents: [
      { role: 'user', parts: [{ inlineData: { mimeType: 'image/png', data: 'AAAA' } }, { text: 'what?' }] },
    ],
    generationConfig: {
      stopSequences: ['x'],
      seed: 7,
      candidateCount: 2,
      responseMimeType: 'application/json',
      responseJsonSchema: { type: 'object' },
    },
    safetySettings: [],
  });
});
