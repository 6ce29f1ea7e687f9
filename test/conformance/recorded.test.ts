import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChatRequest, JsonObject } from '../../src/core/model/index.ts';
import { CLIENT_DIALECTS } from '../../src/formats/dialects.ts';
import { CODECS } from '../../src/formats/registry.ts';
import { type WireCase, wireBytes } from '../golden/wire.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { callGateway, eachOf } from './support/calls.ts';
import { throughDialect } from './support/losses.ts';
import { NEUTRAL, neutralRequest } from './support/neutral-request.ts';
import { compared, decodeAs, withCustomCalls } from './support/reading.ts';
import { pinFormat, pinnedName } from './support/vendors.ts';
import {
  API_FORMATS,
  CORPUS_PRESENT,
  canonOf,
  chatCases,
  type Decoded,
  openUpstream,
  recordedRequest,
} from './support/wire-corpus.ts';

/** Client dialects that can hold any recorded answer; legacy Completions has no tools and no reasoning. */
const DIALECTS = Object.keys(CLIENT_DIALECTS).filter((dialect) => NEUTRAL[dialect] !== undefined);
/** Answers that were errors inside a 200 belong to the failures. */
const CASES = chatCases().filter(({ status, id }) => status < 400 && canonOf(id).error === null);
const CHUNKINGS = ['event', '1', 'odd', 'utf8'] as const;
const BAR = 0.99;
const LONG_ANSWER = 8192;

/** Where the gateway reads a recording differently from the reference decoder, and why. They count as unequal. */
const KNOWN_DIFFERENCES: Readonly<Record<string, string>> = {
  'azure-foundry-chat-006': 'more cached than prompt tokens: they are counted outside the prompt',
  'azure-foundry-chat-s-001': 'as azure-foundry-chat-006',
  'snowflake-chat-s-002': 'the thoughts stand in `reasoning_details`, which the reference does not read',
  'azure-responses-s-005': 'the file holds several streams one after the other; a client reads the first',
};

/** Output and reasoning tokens where WIRE §1.1 counts otherwise than the reference decoder: both are accepted. */
const BY_WIRE_FACTS: Readonly<Record<string, { readonly output: number; readonly reasoning: number }>> = {
  // Thoughts stand only in the total: output = total - prompt.
  'gemini-chat-001': { output: 74, reasoning: 62 },
  'gemini-chat-002': { output: 34, reasoning: 28 },
  // More reasoning than completion tokens: they are outside.
  'vercel-gateway-chat-s-005': { output: 57, reasoning: 43 },
};

/** One recorded case through one client dialect with one chunking. */
interface Job {
  readonly dialect: string;
  readonly entry: WireCase;
  readonly chunk: string;
}

function jobs(): Job[] {
  const all = process.env['SLUICE_ALL_CHUNKINGS'] === '1';
  return CASES.flatMap((entry, at) =>
    DIALECTS.flatMap((dialect, turn): Job[] => {
      if (!entry.stream) return [{ dialect, entry, chunk: 'whole' }];
      // Every case meets every chunking, in one dialect each.
      const sampled = CHUNKINGS[(at + turn) % CHUNKINGS.length] ?? 'event';
      // One byte at a time is slow for long answers; without `SLUICE_ALL_CHUNKINGS=1` they are cut oddly instead.
      const quick = sampled === '1' && wireBytes(entry.response).length > LONG_ANSWER ? 'odd' : sampled;
      return (all ? CHUNKINGS : [quick]).map((chunk) => ({ dialect, entry, chunk }));
    }),
  );
}

/** Recordings of hosted Claude whose model is not known are given one, so that they reach Claude's endpoint. */
function modelOf(entry: WireCase): string {
  if (!entry.model.startsWith('None')) return entry.model;
  return entry.provider === 'bedrock' ? 'anthropic.claude-sonnet-4-5' : 'claude-sonnet-4-5';
}

function formatOf(entry: WireCase) {
  const format = API_FORMATS[entry.api];
  if (format === undefined) throw new Error(`${entry.id}: no format for ${entry.api}`);
  return format;
}

function gatewayYaml(upstream: string): string {
  const accounts = new Map(CASES.map((entry) => [pinnedName(entry.provider, formatOf(entry)), entry]));
  const lines = [...accounts].map(([name, entry]) => {
    pinFormat(entry.provider, formatOf(entry));
    const project = entry.provider === 'vertex' ? ', region: us-east1, credentials: { project: p }' : '';
    return `  ${name}: { base_url: "${upstream}"${project} }`;
  });
  return `version: 1\nupstream: { retries: { attempts: 0 } }\nproviders:\n${lines.join('\n')}\n`;
}

function decodedRequest(entry: WireCase): ChatRequest | undefined {
  const body = { model: modelOf(entry), stream: entry.stream, ...recordedRequest(entry) } as JsonObject;
  try {
    return CODECS[formatOf(entry)].decodeRequest(body);
  } catch {
    // Requests written for the recording may be incomplete; then only the answer counts.
    return undefined;
  }
}

/** What the client was given and what it should have been, when they differ. */
interface Difference {
  readonly job: Job;
  readonly got: unknown;
  readonly want: unknown;
}

describe.skipIf(!CORPUS_PRESENT)('recorded answers through the running gateway', () => {
  let gateway: TestGateway;
  let upstream: Awaited<ReturnType<typeof openUpstream>>;
  const differences: Difference[] = [];
  const all = jobs();

  async function read({ dialect, entry, chunk }: Job): Promise<Decoded | object> {
    const format = formatOf(entry);
    const model = `${pinnedName(entry.provider, format)}/${modelOf(entry)}`;
    const isOwn = dialect === format && decodedRequest(entry) !== undefined;
    const body = isOwn ? recordedRequest(entry) : neutralRequest(dialect, model, decodedRequest(entry));
    const { stream } = entry;
    const credential = `case:${entry.id}~chunk=${chunk}`;
    const reply = await callGateway(gateway.url, { dialect, model, stream, body, credential });
    if (reply.status !== 200)
      return { status: reply.status, body: reply.bytes.toString('utf8').slice(0, 300) };
    return withCustomCalls(dialect, reply, upstream.decode(decodeAs(dialect, stream), reply.bytes));
  }

  async function check(job: Job): Promise<void> {
    const { id } = job.entry;
    const canon = { ...canonOf(id), model: null };
    const facts = BY_WIRE_FACTS[id];
    const wanted = [canon];
    if (facts !== undefined && canon.usage !== null) {
      wanted.push({ ...canon, usage: { ...canon.usage, ...facts } });
    }
    let got: object;
    try {
      const answer = await read(job);
      got = 'tools' in answer ? compared(answer) : answer;
    } catch (error) {
      got = { thrown: String(error) };
    }
    const wants = wanted.map((answer) => compared(throughDialect(job.dialect, answer)));
    if (!wants.some((want) => isDeepStrictEqual(got, want))) differences.push({ job, got, want: wants[0] });
  }

  beforeAll(async () => {
    upstream = await openUpstream();
    gateway = await startGateway({ yaml: gatewayYaml(upstream.replay.url) });
    await eachOf(all, 8, check);
  }, 600_000);
  afterAll(async () => {
    await gateway?.close();
    await upstream?.replay.close();
  });

  it('differ from the reference only where it is written down', () => {
    const unexplained = differences.filter(({ job }) => KNOWN_DIFFERENCES[job.entry.id] === undefined);
    const shown = unexplained.map(({ job, got, want }) => {
      return `${job.dialect} ${job.entry.id} chunk=${job.chunk}\n  got  ${JSON.stringify(got)}\n  want ${JSON.stringify(want)}`;
    });
    expect(shown.map((line) => line.slice(0, 2500))).toEqual([]);
  });

  it.each(DIALECTS)('equal the reference in at least 99 of 100 cases: %s', (dialect) => {
    const mine = all.filter((job) => job.dialect === dialect);
    const wrong = differences.filter(({ job }) => job.dialect === dialect);
    const share = (mine.length - wrong.length) / mine.length;
    console.info(
      `${dialect}: ${mine.length - wrong.length} of ${mine.length} recorded answers equal (${(share * 100).toFixed(2)} %)`,
    );
    expect(share).toBeGreaterThanOrEqual(BAR);
  });
});

it('the recorded traffic is there, or this run says that it is not', () => {
  if (!CORPUS_PRESENT) console.warn('recorded traffic is absent: no answer was compared');
  expect(CASES.length > 500).toBe(CORPUS_PRESENT);
});
