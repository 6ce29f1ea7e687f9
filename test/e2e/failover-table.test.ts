import { afterEach, describe, expect, it } from 'vitest';
import { ERRORS, type ErrorCode } from '../../src/core/errors/table.ts';
import { openTrials, type Trials, type Wish } from '../support/trials.ts';
import { type Behaviour, chatAnswer, json, startUpstream, type TestUpstream } from '../support/upstream.ts';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  while (open.length > 0) await open.pop()?.close();
});

const failing = (status: number, error: object = {}, headers: Record<string, string> = {}): Behaviour =>
  json(status, { error: { message: 'no', ...error } }, headers);

interface Row {
  readonly code: ErrorCode;
  readonly behaviour: Behaviour;
  /** Calls to the deployment that fails, to its sibling and to the fallback model. */
  readonly calls: readonly [failing: number, sibling: number, fallback: number];
  /** The same with `x-sluice-fallback: off` and no sibling that works. */
  readonly status: number;
}

/** Every upstream failure: what is done about it while the client has seen nothing. */
const TABLE: readonly Row[] = [
  {
    code: 'upstream_refused',
    behaviour: failing(400, { param: 'temperature' }),
    calls: [1, 0, 0],
    status: 400,
  },
  { code: 'upstream_refused', behaviour: failing(422), calls: [1, 0, 0], status: 422 },
  {
    code: 'context_overflow',
    behaviour: failing(400, {
      code: 'context_length_exceeded',
      message: 'maximum context length is 10 tokens',
    }),
    calls: [1, 0, 1],
    status: 400,
  },
  {
    code: 'upstream_content_filter',
    behaviour: failing(400, { code: 'content_filter', message: 'content policy' }),
    calls: [1, 0, 1],
    status: 400,
  },
  { code: 'upstream_auth', behaviour: failing(401), calls: [1, 1, 0], status: 502 },
  { code: 'upstream_auth', behaviour: failing(403), calls: [1, 1, 0], status: 502 },
  { code: 'upstream_quota', behaviour: failing(402), calls: [1, 1, 0], status: 502 },
  { code: 'upstream_not_found', behaviour: failing(404), calls: [1, 1, 0], status: 404 },
  {
    code: 'upstream_rate_limited',
    behaviour: failing(429, {}, { 'retry-after': '60' }),
    calls: [1, 1, 0],
    status: 429,
  },
  { code: 'upstream_overloaded', behaviour: failing(503), calls: [2, 1, 0], status: 503 },
  { code: 'upstream_overloaded', behaviour: failing(529), calls: [2, 1, 0], status: 503 },
  { code: 'upstream_error', behaviour: failing(500), calls: [2, 1, 0], status: 502 },
  { code: 'upstream_error', behaviour: failing(520), calls: [2, 1, 0], status: 502 },
  {
    code: 'upstream_unreachable',
    behaviour: (_seen, response) => void response.destroy(),
    calls: [2, 1, 0],
    status: 502,
  },
  { code: 'upstream_malformed', behaviour: json(200, { nothing: true }), calls: [1, 1, 0], status: 502 },
  {
    code: 'upstream_cut',
    behaviour: (_seen, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('{"id":');
      setTimeout(() => response.destroy(), 5);
    },
    calls: [2, 1, 0],
    status: 502,
  },
  { code: 'upstream_timeout', behaviour: () => undefined, calls: [1, 1, 0], status: 504 },
];

async function setUp(
  behaviour: Behaviour,
  siblings: boolean,
): Promise<{ trials: Trials; places: TestUpstream[] }> {
  const places = [
    await startUpstream(behaviour),
    await startUpstream(chatAnswer('sibling')),
    await startUpstream(chatAnswer('fallback')),
  ];
  open.push(...places);
  const [a, b, c] = places.map(({ url }) => `${url}/v1`);
  const provider = (base_url: string | undefined) => ({ type: 'openai-compatible', base_url, api_key: 'k' });
  const trials = openTrials({
    providers: { a: provider(a), b: provider(b), c: provider(c) } as never,
    models: {
      m: {
        deployments: siblings ? ['a/m', 'b/m'] : ['a/m'],
        strategy: 'priority',
        retries: { attempts: 1, backoff_ms: 1, max_backoff_ms: 2 },
        timeouts: { total_ms: 150 },
        fallbacks: ['other'],
        fallbacks_on: { context_overflow: ['other'], content_filter: ['other'], rate_limit: ['other'] },
      },
      other: { deployments: ['c/other'] },
    },
  });
  open.push(trials);
  return { trials, places };
}

const countsOf = (places: readonly TestUpstream[]) => places.map(({ seen }) => seen.length);

describe('every upstream failure', () => {
  it.each(TABLE.map((row) => [row.code, row] as const))('%s', async (_code, row) => {
    const { trials, places } = await setUp(row.behaviour, true);
    const told = await trials.ask();
    expect(countsOf(places)).toEqual(row.calls);
    expect(told.attempts[0]?.error).toBe(row.code);
    const kinds = told.attempts.map(({ kind }) => kind ?? 'first');
    const expected = ['first', 'retry'].slice(0, row.calls[0]);
    if (row.calls[1] > 0) expected.push('failover');
    if (row.calls[2] > 0) expected.push('fallback');
    expect(kinds).toEqual(expected);
    if (row.calls[1] + row.calls[2] > 0) expect(told.error).toBeUndefined();
    else expect(told.error?.status).toBe(row.status);
  });

  it.each(TABLE.map((row) => [row.code, row] as const))('%s, without any other place', async (_code, row) => {
    const { trials, places } = await setUp(row.behaviour, false);
    const wish: Wish = { fallback: false };
    const told = await trials.ask(wish);
    expect(told.error).toMatchObject({ code: row.code, status: row.status });
    expect(countsOf(places)).toEqual([row.calls[0], 0, 0]);
    // An answer that was lost is owed for; without a price nobody knows how much.
    const isLost = row.code === 'upstream_malformed' || row.code === 'upstream_cut';
    expect(told.cost?.total).toBe(isLost ? undefined : 0);
  });

  it.each(TABLE.filter(({ calls }) => calls[1] > 0).map((row) => [row.code, row] as const))(
    '%s of the only deployment falls back to the other model',
    async (_code, row) => {
      const { trials, places } = await setUp(row.behaviour, false);
      const told = await trials.ask();
      expect(told.error).toBeUndefined();
      expect(told.provider).toBe('c');
      expect(countsOf(places)[2]).toBe(1);
      expect(told.attempts.at(-1)?.kind).toBe('fallback');
    },
  );

  it('names every upstream code of the error table', () => {
    const tested = new Set(TABLE.map(({ code }) => code));
    const upstream = (Object.keys(ERRORS) as ErrorCode[]).filter((code) => code.startsWith('upstream_'));
    // An answer above the size limit needs 64 MB; `resilience.test.ts` knows the limit.
    expect(upstream.filter((code) => !tested.has(code))).toEqual(['upstream_too_large']);
  });
});
