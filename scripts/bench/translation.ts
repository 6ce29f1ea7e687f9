/**
 * What translating costs, without sockets: CPU µs per whole exchange (parse, request and answer both ways, stringify) and
 * per streamed event, between two formats. Prints one line of JSON. Run: node scripts/bench/translation.ts [milliseconds]
 */
import { isObject, type JsonObject, OPEN_PROFILE, type StreamEvent } from '../../src/core/model/index.ts';
import type { ChatCodec, Reply, Target } from '../../src/formats/codec.ts';
import { createFrameReader } from '../../src/formats/reader.ts';
import { CODECS } from '../../src/formats/registry.ts';
import { MODEL, requestBody, wholeAnswer } from './wire.ts';

const EVENTS = 100;
const ms = Number(process.argv[2] ?? 1500);
const target: Target = { model: MODEL, profile: OPEN_PROFILE, quirks: {}, defaultMaxOutputTokens: 4096 };
const reply: Reply = { id: 'bench-1', model: MODEL, created: 1_760_000_000, includeUsage: true };

function parse(text: string): JsonObject {
  const value: unknown = JSON.parse(text);
  if (!isObject(value)) throw new Error('not an object');
  return value;
}

/** CPU µs of one call, by the process's own account. */
function cost(run: () => void): number {
  const warm = performance.now() + ms / 3;
  while (performance.now() < warm) run();
  const before = process.cpuUsage();
  const from = performance.now();
  let calls = 0;
  while (performance.now() - from < ms) {
    run();
    calls++;
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
}

function textOf(chunk: string | Uint8Array): Buffer {
  return typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk);
}

/** A stream of 100 events in a format, one network chunk per event. */
function streamOf(codec: ChatCodec): Buffer[] {
  const encoder = codec.streamEncoder(reply);
  const send = (events: readonly StreamEvent[]) => textOf(encoder.push(events));
  const { usage } = CODECS['openai-chat'].decodeResponse(answerBody(), { quirks: {} });
  const chunks = [
    send([
      { type: 'start', id: 'bench-1', model: MODEL },
      { type: 'part_start', choice: 0, part: 0, head: { type: 'text' } },
    ]),
  ];
  for (let index = 0; index < EVENTS; index++) {
    chunks.push(send([{ type: 'delta', choice: 0, part: 0, text: ' harbour' }]));
  }
  chunks.push(
    send([
      { type: 'part_end', choice: 0, part: 0 },
      { type: 'finish', choice: 0, finish: { reason: 'stop' } },
      { type: 'usage', usage },
    ]),
  );
  chunks.push(textOf(encoder.end()));
  return chunks;
}

function answerBody(): JsonObject {
  const bytes = wholeAnswer();
  return parse(bytes.toString('utf8', bytes.indexOf('\r\n\r\n') + 4));
}

function wholeCost(client: ChatCodec, upstream: ChatCodec, bytes: number): number {
  const chat = CODECS['openai-chat'];
  const asked = chat.decodeRequest(parse(requestBody(bytes, { model: MODEL, stream: false })));
  const requestText = JSON.stringify(client.encodeRequest(asked, target).body);
  const answer = chat.decodeResponse(answerBody(), { quirks: {} });
  const answerText = JSON.stringify(upstream.encodeResponse(answer, reply));
  return cost(() => {
    const request = client.decodeRequest(parse(requestText));
    JSON.stringify(upstream.encodeRequest(request, target).body);
    const response = upstream.decodeResponse(parse(answerText), { quirks: {}, request });
    JSON.stringify(client.encodeResponse(response, { ...reply, request }));
  });
}

function eventCost(client: ChatCodec, upstream: ChatCodec): number {
  const chunks = streamOf(upstream);
  let bytes = 0;
  const perStream = cost(() => {
    const reader = createFrameReader(upstream.framing);
    const decoder = upstream.streamDecoder({ quirks: {} });
    const encoder = client.streamEncoder(reply);
    for (const chunk of chunks) {
      for (const frame of reader.push(chunk)) bytes += encoder.push(decoder.push(frame)).length;
    }
    bytes += encoder.push(decoder.end()).length + encoder.end().length;
  });
  if (bytes === 0) throw new Error('the stream came to nothing');
  return perStream / EVENTS;
}

/** The raw parse of an event of that stream: what this machine takes for the least that can be done with it. */
function parseCost(upstream: ChatCodec): number {
  const reader = createFrameReader(upstream.framing);
  const texts = streamOf(upstream)
    .flatMap((chunk) => reader.push(chunk).map(({ data }) => data))
    .filter((data) => data.startsWith('{'));
  return cost(() => texts.forEach((text) => void parse(text))) / texts.length;
}

const pairs = [
  ['openai-chat', 'anthropic-messages'],
  ['anthropic-messages', 'openai-chat'],
] as const;

const results = pairs.map(([from, to]) => {
  const client = CODECS[from];
  const upstream = CODECS[to];
  return {
    pair: `${from} → ${to}`,
    whole: wholeCost(client, upstream, 600),
    whole20: wholeCost(client, upstream, 20_000),
    event: eventCost(client, upstream),
    parse: parseCost(upstream),
  };
});
console.log(JSON.stringify(results));
