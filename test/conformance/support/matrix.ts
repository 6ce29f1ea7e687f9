import { startSimulator } from '../../../src/app/simulator.ts';
import {
  type ChatRequest,
  type ChatResponse,
  isObject,
  type JsonObject,
  type UpstreamFormat,
} from '../../../src/core/model/index.ts';
import { parseJson } from '../../../src/core/model/parse-json.ts';
import { createCollector } from '../../../src/core/translation/collect.ts';
import { CLIENT_DIALECTS } from '../../../src/formats/dialects.ts';
import { createFrameReader } from '../../../src/formats/reader.ts';
import { CODECS } from '../../../src/formats/registry.ts';
import { PROVIDERS } from '../../../src/providers/index.ts';
import { neutral } from '../../golden/wire.ts';
import { startGateway } from '../../support/gateway.ts';
import { eachOf } from './calls.ts';
import { anthropicMessages } from './clients/anthropic-messages.ts';
import { type Answer, type Client, type DialectName, decoded, type Question } from './clients/client.ts';
import { gemini } from './clients/gemini.ts';
import { openaiChat } from './clients/openai-chat.ts';
import { openaiCompletions } from './clients/openai-completions.ts';
import { openaiResponses } from './clients/openai-responses.ts';
import { throughDialect } from './losses.ts';
import { type Recorded, type Recorder, startRecorder } from './recorder.ts';
import { OUTPUT_SCHEMA, SCENARIOS, type Scenario } from './scenarios.ts';
import { pinFormat } from './vendors.ts';
import type { Decoded } from './wire-corpus.ts';

/** The SDK of each client dialect; a new dialect without one does not compile. */
export const CLIENTS: Readonly<Record<DialectName, (baseUrl: string) => Client>> = {
  'openai-chat': openaiChat,
  'openai-responses': openaiResponses,
  'openai-completions': openaiCompletions,
  'anthropic-messages': anthropicMessages,
  gemini,
};

/** One cell of the matrix, streamed and whole. */
export interface Cell {
  readonly dialect: DialectName;
  readonly format: UpstreamFormat;
  readonly feature: string;
  /** `absent`: the dialect itself cannot say it. `told`: it arrives but for what `dropped` names. */
  readonly result: 'carried' | 'told' | 'refused' | 'absent' | 'failed';
  /** Names of `x-sluice-dropped`, or the refusal's sentence, or what is wrong. */
  readonly notes: readonly string[];
  /** Opaque reasoning states that the upstream gave, so that a test sees that there was something to carry. */
  readonly signatures?: number;
}

/** The vendor that stands for a format: its owner, as far as the registry names one, else the first that serves it. */
function vendorOf(format: UpstreamFormat): string {
  const serving = [...PROVIDERS.values()].filter(({ endpoints }) =>
    endpoints.chat.some((endpoint) => endpoint.format === format && endpoint.models === undefined),
  );
  const owner = serving.find(({ id }) => format.startsWith(id)) ?? serving[0];
  if (owner === undefined) throw new Error(`nobody serves ${format}`);
  return owner.id;
}

const FORMATS = Object.keys(CODECS) as UpstreamFormat[];
const DIALECTS = Object.keys(CLIENT_DIALECTS) as DialectName[];

interface Stage {
  readonly recorder: Recorder;
  readonly clients: Readonly<Record<DialectName, Client>>;
  readonly accounts: Readonly<Record<string, string>>;
}

/** What the upstream's bytes say, read by the format's own codec. */
function said(format: UpstreamFormat, stream: boolean, { response }: Recorded): ChatResponse {
  const codec = CODECS[format];
  const source = { quirks: {} };
  if (!stream) {
    const body = parseJson(response.toString('utf8'));
    if (!isObject(body)) throw new Error('the upstream did not answer with an object');
    return codec.decodeResponse(body, source);
  }
  const reader = createFrameReader(codec.framing);
  const decoder = codec.streamDecoder(source);
  const collector = createCollector();
  for (const frame of [...reader.push(response), ...reader.end()]) collector.push(decoder.push(frame));
  collector.push(decoder.end());
  return collector.response();
}

function received(format: UpstreamFormat, { request }: Recorded): ChatRequest {
  return CODECS[format].decodeRequest({ model: 'm', stream: false, ...(JSON.parse(request) as JsonObject) });
}

function facts({ text, reasoning, refusal, stop, usage, tools }: Decoded): object {
  return { text, reasoning, refusal, stop, usage, tools: tools.map(({ name, args }) => ({ name, args })) };
}

function expectSame(what: string, got: unknown, want: unknown): string[] {
  const [a, b] = [JSON.stringify(got), JSON.stringify(want)];
  if (a === b) return [];
  const from = Math.max(0, [...a].findIndex((letter, at) => letter !== b[at]) - 60);
  return [`${what}: got ${a.slice(from, from + 260)} instead of ${b.slice(from, from + 260)}`];
}

function signaturesIn(response: ChatResponse): string[] {
  return (response.choices[0]?.parts ?? []).flatMap((part) => {
    const own = 'signature' in part && part.signature !== undefined ? [part.signature.value] : [];
    return part.type === 'reasoning' && part.redacted !== undefined ? [...own, part.redacted] : own;
  });
}

/** What the upstream was asked, against what the client wanted; what `dropped` names may be missing. */
function checkRequest({ ask }: Scenario, request: ChatRequest, dropped: string): string[] {
  const parts = request.messages.flatMap(({ role, parts }) => parts.map((part) => ({ role, part })));
  const texts = (wanted: string) =>
    parts.map(({ role, part }) => (role === wanted && part.type === 'text' ? part.text : '')).join('');
  const results = parts.flatMap(({ part }) =>
    part.type === 'tool_result' ? [bare(JSON.stringify(part.content))] : [],
  );
  const { system, attachment, stop } = ask;
  const media = parts.some(
    ({ part }) =>
      part.type === attachment?.kind && part.source.kind === 'base64' && part.source.data === attachment.data,
  );
  const arrived: Readonly<Record<string, boolean>> = {
    prompt: texts('user').includes(ask.prompt),
    system: system === undefined || texts('system').includes(system),
    attachment: attachment === undefined || media,
    tools: ask.tools !== true || request.tools.length === 1,
    results: (ask.results ?? []).every((result) => results.some((text) => text.includes(bare(result)))),
    reasoning: ask.reasoning !== true || request.reasoning?.enabled === true,
    schema: ask.schema !== true || request.output.type === 'json_schema',
    stop: stop === undefined || request.stop?.includes(stop) === true,
  };
  const missing = Object.keys(arrived).filter(
    (name) => arrived[name] === false && !dropped.split(', ').includes(name),
  );
  return missing.map((name) => `the upstream did not get: ${name}`);
}

/** A result's letters, however JSON was written around them. */
function bare(text: string): string {
  return text.replaceAll(/[\\\s"{}]/g, '');
}

interface Run {
  readonly answer: Answer;
  readonly upstream: ChatResponse;
  readonly wrong: string[];
}

/** One call, and what is wrong with what came of it. */
async function runOnce(
  stage: Stage,
  cell: Place,
  asked: { question: Question; stream: boolean },
): Promise<Run> {
  const { question, stream } = asked;
  const client = stage.clients[cell.dialect];
  stage.recorder.take(cell.mark);
  const answer = await (stream ? client.stream(question) : client.whole(question));
  const call = stage.recorder.take(cell.mark).at(-1);
  if (call === undefined) throw new Error('nothing reached the upstream');
  const upstream = said(cell.format, stream, call);
  const { text, reasoning, refusal, stop, usage, tools } = neutral(upstream);
  const want = throughDialect(cell.dialect, decoded({ text, reasoning, refusal, stop, usage, tools }));
  const how = stream ? 'streamed' : 'whole';
  const wrong = [
    ...expectSame(`${how} answer`, facts(throughDialect(cell.dialect, answer.read)), facts(want)),
    ...checkRequest(
      cell.scenario,
      received(cell.format, call),
      answer.headers.get('x-sluice-dropped') ?? '',
    ).map((sentence) => `${how}: ${sentence}`),
  ];
  return { answer, upstream, wrong };
}

/** A cell's place in the matrix. */
interface Place {
  readonly dialect: DialectName;
  readonly format: UpstreamFormat;
  readonly scenario: Scenario;
  /** In the model's name, so that a call is recognised upstream. */
  readonly mark: string;
}

/** A first answer's opaque state has to stand in the second request, byte for byte. */
function checkReplay(first: Run, second: Recorded): string[] {
  const missing = signaturesIn(first.upstream).filter(
    (value) => !second.request.includes(JSON.stringify(value).slice(1, -1)),
  );
  return missing.map((value) => `the upstream did not get its signature ${value.slice(0, 24)}… back`);
}

async function runMode(
  stage: Stage,
  cell: Place,
  stream: boolean,
): Promise<{ wrong: string[]; dropped: string; run: Run }> {
  const { scenario } = cell;
  const options = ['seed=7', `key=${cell.mark}`, ...(scenario.sim === undefined ? [] : [scenario.sim])];
  const model = `${stage.accounts[cell.format]}/${'any'}~${options.join(',')}`;
  const question: Question = { model, ask: scenario.ask };
  let run = await runOnce(stage, cell, { question, stream });
  const wrong = [...run.wrong];
  if (scenario.twice) {
    run = await runOnce(stage, cell, { question, stream });
    wrong.push(...run.wrong);
  }
  if (scenario.ask.schema) {
    const value: unknown = JSON.parse(run.answer.read.text);
    const complete = OUTPUT_SCHEMA.required.every(
      (key) => typeof value === 'object' && value !== null && key in value,
    );
    if (!complete) wrong.push('the answer does not fit the schema');
  }
  if (scenario.secondTurn) {
    const client = stage.clients[cell.dialect];
    const after = { ...question, after: run.answer };
    await (stream ? client.stream(after) : client.whole(after));
    const second = stage.recorder.take(cell.mark).at(-1);
    if (second !== undefined) wrong.push(...checkReplay(run, second));
  }
  return { wrong, dropped: run.answer.headers.get('x-sluice-dropped') ?? '', run };
}

function statusOf(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null && 'status' in error ? Number(error.status) : undefined;
}

/** The sentence of a refusal, in whichever shape the SDK reports it. */
function sentence(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /"message":"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text.replace(/^\d+ /, '');
}

async function runFailure(stage: Stage, cell: Place, status: number): Promise<string[]> {
  const wrong: string[] = [];
  for (const stream of [false, true]) {
    try {
      await runMode(stage, cell, stream);
      wrong.push(`${stream ? 'streamed' : 'whole'}: no error came`);
    } catch (error) {
      if (statusOf(error) !== status)
        wrong.push(`${stream ? 'streamed' : 'whole'}: ${String(error)} instead of a ${status}`);
    }
  }
  return wrong;
}

async function runCell(stage: Stage, cell: Place): Promise<Cell> {
  const { dialect, format, scenario } = cell;
  const place = { dialect, format, feature: scenario.feature };
  if (!stage.clients[dialect].can(scenario.ask)) return { ...place, result: 'absent', notes: [] };
  if (scenario.fails !== undefined) {
    const wrong = await runFailure(stage, cell, scenario.fails);
    return { ...place, result: wrong.length === 0 ? 'carried' : 'failed', notes: wrong };
  }
  try {
    const whole = await runMode(stage, cell, false);
    const stream = await runMode(stage, cell, true);
    const wrong = [...whole.wrong, ...stream.wrong];
    // A warm prompt cache is the one thing that may differ between the two.
    const withoutUsage = ({ read }: Answer) => ({ ...facts(read), usage: undefined });
    if (wrong.length === 0)
      wrong.push(
        ...expectSame(
          'stream against whole',
          withoutUsage(stream.run.answer),
          withoutUsage(whole.run.answer),
        ),
      );
    const notes = [...new Set([whole.dropped, stream.dropped].flatMap((list) => list.split(', ')))].filter(
      Boolean,
    );
    if (wrong.length > 0)
      return { ...place, result: 'failed', notes: [...wrong, ...notes.map((note) => `dropped ${note}`)] };
    const signatures = signaturesIn(stream.run.upstream).length;
    return { ...place, result: notes.length > 0 ? 'told' : 'carried', notes, signatures };
  } catch (error) {
    // 422 is `unsupported_feature` alone; what an upstream refuses keeps its 400 and is a defect here.
    const refused = statusOf(error) === 422;
    return {
      ...place,
      result: refused ? 'refused' : 'failed',
      notes: [refused ? sentence(error) : String(error)],
    };
  }
}

/** Runs client dialects, all by default, against every upstream format with every feature, through a running gateway. */
export async function runMatrix(dialects: readonly DialectName[] = DIALECTS): Promise<readonly Cell[]> {
  const simulator = await startSimulator({ latency: 'none' });
  const recorder = await startRecorder(simulator.url);
  const accounts = Object.fromEntries(FORMATS.map((format) => [format, pinFormat(vendorOf(format), format)]));
  const lines = Object.values(accounts).map(
    (name) => `  ${name}: { base_url: "${recorder.url}", api_key: key }`,
  );
  const gateway = await startGateway({
    yaml: `version: 1\nupstream: { retries: { attempts: 0 } }\nproviders:\n${lines.join('\n')}\n`,
  });
  const clientsOf = (): Record<DialectName, Client> =>
    Object.fromEntries(DIALECTS.map((name) => [name, CLIENTS[name](gateway.url)])) as Record<
      DialectName,
      Client
    >;
  try {
    const cells: Place[] = dialects.flatMap((dialect) =>
      FORMATS.flatMap((format) =>
        SCENARIOS.map((scenario, at) => ({
          dialect,
          format,
          scenario,
          mark: `cell-${dialect}-${format}-${at}-`,
        })),
      ),
    );
    const done = new Map<Place, Cell>();
    // Clients remember the last headers, so every cell has its own.
    await eachOf(cells, 4, async (cell) => {
      done.set(cell, await runCell({ recorder, accounts, clients: clientsOf() }, cell));
    });
    return cells.flatMap((cell) => done.get(cell) ?? []);
  } finally {
    await gateway.close();
    await recorder.close();
    await simulator.close();
  }
}
