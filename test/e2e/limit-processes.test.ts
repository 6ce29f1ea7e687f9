import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';
import { endProcess, type GatewayProcess, ProcessGroup, soon } from './process-group.ts';

// Three real processes on one data directory: a rate limit holds for all of them together.

const HOUR_MS = 3_600_000;

let upstream: TestUpstream;
let group: ProcessGroup;
let all: GatewayProcess[] = [];
let delayMs = 5;
let inFlight = 0;
let mostInFlight = 0;

const yaml = () => `
version: 1
access: { mode: keys }
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
models: { m: { deployments: ["one/m"] } }
`;

beforeAll(async () => {
  upstream = await startUpstream(async (seen, response) => {
    inFlight += 1;
    mostInFlight = Math.max(mostInFlight, inFlight);
    response.once('close', () => {
      inFlight -= 1;
    });
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    await chatAnswer('Hello', { prompt_tokens: 9, completion_tokens: 12, total_tokens: 21 })(seen, response);
  });
  group = new ProcessGroup(yaml());
  all = await Promise.all([group.start(0), group.start(1), group.start(2)]);
});

afterAll(async () => {
  await group.close(all);
  await upstream?.close();
});

beforeEach(() => {
  delayMs = 5;
  mostInFlight = 0;
  upstream.seen.length = 0;
});

const one = () => all[0] as GatewayProcess;

function call(to: GatewayProcess, key: string): Promise<Response> {
  return fetch(`${to.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'm', max_tokens: 20, messages: [{ role: 'user', content: 'hi' }] }),
  });
}

async function outcome(to: GatewayProcess, key: string): Promise<string> {
  const answer = await call(to, key);
  await answer.arrayBuffer();
  return answer.headers.get('x-sluice-error') ?? String(answer.status);
}

/** So many requests at once, dealt out to the processes one after the other. */
async function burst(count: number, key: string, to = all): Promise<{ ok: number; refused: number }> {
  const found = await Promise.all(
    Array.from({ length: count }, (_, n) => outcome(to[n % to.length] as GatewayProcess, key)),
  );
  const ok = found.filter((status) => status === '200').length;
  const refused = found.filter((status) => status === 'rate_limited').length;
  expect(found.filter((status) => status !== '200' && status !== 'rate_limited')).toEqual([]);
  return { ok, refused };
}

/** A key with these limits that every process knows. */
async function keyWith(limits: object): Promise<string> {
  const { key } = await one().client.call('createKey', { name: 'k', limits });
  for (const process of all) {
    // Asking for the models takes from no limit.
    await soon('the key is known', async () => {
      const answer = await fetch(`${process.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } });
      await answer.arrayBuffer();
      return answer.status === 200;
    });
  }
  return key;
}

describe('a limit holds for all processes together', () => {
  it.each(['rpm', 'rph', 'rpd'])('requests: a burst gets %s through, no more and no less', async (name) => {
    const key = await keyWith({ [name]: 30 });
    expect(await burst(90, key)).toEqual({ ok: 30, refused: 60 });
    expect(upstream.seen).toHaveLength(30);
    for (const process of all) {
      const refusal = await call(process, key);
      await refusal.arrayBuffer();
      expect(refusal.status).toBe(429);
      expect(refusal.headers.get('x-ratelimit-remaining-requests')).toBe('0');
      expect(Number(refusal.headers.get('retry-after'))).toBeGreaterThan(1);
    }
  });

  it('says at each of them what is left for all', async () => {
    const key = await keyWith({ rpm: 100 });
    const left: number[] = [];
    for (let n = 0; n < 6; n++) {
      const answer = await call(all[n % 3] as GatewayProcess, key);
      await answer.arrayBuffer();
      left.push(Number(answer.headers.get('x-ratelimit-remaining-requests')));
    }
    expect(left).toEqual([99, 98, 97, 96, 95, 94]);
  });

  it('tokens: by estimate, corrected by what was used, wherever it was used', async () => {
    const key = await keyWith({ tpd: 500 });
    let answered = 0;
    for (let n = 0; n < 60; n++) {
      if ((await outcome(all[n % 3] as GatewayProcess, key)) !== '200') break;
      answered += 1;
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    // 21 tokens each; the last one needs room for its estimate.
    expect(answered).toBeGreaterThan(15);
    expect(answered * 21).toBeLessThanOrEqual(500);
  });

  it('concurrency: never more at once, and what one gives back another can take', async () => {
    const key = await keyWith({ concurrency: 4 });
    delayMs = 400;
    const { ok, refused } = await burst(30, key);
    expect(mostInFlight).toBe(4);
    expect({ ok, refused }).toEqual({ ok: 4, refused: 26 });
    delayMs = 20;
    // Four clients that go round the processes, each with one request after the other.
    const clients = Array.from({ length: 4 }, async (_, client) => {
      const found: string[] = [];
      for (let n = 0; n < 15; n++) found.push(await outcome(all[(client + n) % 3] as GatewayProcess, key));
      return found;
    });
    const found = (await Promise.all(clients)).flat();
    expect(mostInFlight).toBe(4);
    expect(found.filter((status) => status !== '200')).toEqual([]);
  });

  it('on_limit: queue lets wait across processes', async () => {
    const key = await keyWith({ concurrency: 2, on_limit: 'queue', max_wait_ms: 15_000 });
    delayMs = 50;
    expect(await burst(24, key)).toEqual({ ok: 24, refused: 0 });
    expect(mostInFlight).toBeLessThanOrEqual(2);
  });

  it('of places and rules as well, all of them or none', async () => {
    const team = await one().client.call('createTeam', { name: 't', policy: { limits: { rpm: 20 } } });
    const { key, id } = await one().client.call('createKey', { name: 'k', team_id: team.id });
    await one().client.call('createLimit', { scope: 'key', scope_id: id, limits: { rpm: 12 } });
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect(await burst(60, key)).toEqual({ ok: 12, refused: 48 });
    // What the narrower limit refused took nothing from the wider one.
    const other = await one().client.call('createKey', { name: 'o', team_id: team.id });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(await burst(40, other.key)).toEqual({ ok: 8, refused: 32 });
  });
});

it('tells how many run in all of them', async () => {
  const { key, id: keyId } = await one().client.call('createKey', { name: 'k' });
  const limits = { concurrency: 9 };
  const { id } = await one().client.call('createLimit', { scope: 'key', scope_id: keyId, limits });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  delayMs = 600;
  const running = burst(6, key);
  await soon('all run', async () => upstream.seen.length === 6);
  for (const process of all) expect((await process.client.call('getLimit', { id })).in_flight).toBe(6);
  expect((await running).ok).toBe(6);
  await soon('none runs', async () => (await one().client.call('getLimit', { id })).in_flight === 0);
});

describe('clocks that step', () => {
  it.each([HOUR_MS, -HOUR_MS])('by %d ms in one process: nothing more is let through', async (byMs) => {
    const key = await keyWith({ rpm: 20, concurrency: 20 });
    expect((await burst(9, key)).ok).toBe(9);
    await group.stepClock(1, byMs);
    const { created_at } = await (all[1] as GatewayProcess).client.call('createKey', { name: 'at its time' });
    expect(Math.abs(Date.parse(created_at) - Date.now() - byMs)).toBeLessThan(60_000);
    expect((await burst(60, key)).ok).toBe(11);
    await group.stepClock(1, 0);
    expect((await burst(30, key)).ok).toBe(0);
    // Nothing stays taken.
    const another = await keyWith({ rpm: 20, concurrency: 20 });
    expect((await burst(9, another)).ok).toBe(9);
  });
});

it('a budget is spent once, whatever the clocks show, and is not refused for ever', async () => {
  const costNano = 9 * 1000 + 12 * 2000;
  const limitNano = 40 * costNano;
  const limit_usd = (limitNano / 1e9).toFixed(9);
  const { key, id } = await one().client.call('createKey', { name: 'k' });
  const budget = { scope: 'key', scope_id: id, limit_usd, window: 'total' } as const;
  const { id: budgetId } = await one().client.call('createBudget', budget);
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const round = async (): Promise<number> => {
    const found = await Promise.all(
      Array.from({ length: 30 }, (_, n) => outcome(all[n % 3] as GatewayProcess, key)),
    );
    expect(found.filter((status) => status !== '200' && status !== 'budget_exceeded')).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 700));
    return found.filter((status) => status === '200').length;
  };
  let answered = 0;
  for (const byMs of [HOUR_MS, -HOUR_MS, 0, HOUR_MS, 0]) {
    await group.stepClock(1, byMs);
    answered += await round();
  }
  expect(answered).toBe(upstream.seen.length);
  expect(answered).toBeGreaterThan(30);
  expect(answered * costNano).toBeLessThanOrEqual(limitNano);
  await one().client.call('updateBudget', { id: budgetId, limit_usd: 1 });
  await soon('paid for again', async () => {
    const found = await Promise.all(all.map((process) => outcome(process, key)));
    return found.every((status) => status === '200');
  });
});

describe('processes come and go', () => {
  it('leases of a killed one end, what it let through counts on', async () => {
    const key = await keyWith({ concurrency: 3, rpd: 20 });
    const others = [all[0], all[2]] as GatewayProcess[];
    delayMs = 60_000;
    const victim = all[1] as GatewayProcess;
    const lost = Array.from({ length: 3 }, () => outcome(victim, key).catch(() => 'gone'));
    await soon('in flight', async () => upstream.seen.length === 3);
    expect(await burst(6, key, others)).toEqual({ ok: 0, refused: 6 });
    delayMs = 5;
    await endProcess(victim, 'SIGKILL');
    await Promise.all(lost);
    await soon('given back', async () => (await outcome(others[0] as GatewayProcess, key)) === '200', 15_000);
    let ok = 1;
    for (let n = 0; n < 30; n++)
      ok += (await outcome(others[n % 2] as GatewayProcess, key)) === '200' ? 1 : 0;
    expect(ok).toBe(17);
    all[1] = await group.start(1);
    expect(await outcome(all[1], key)).toBe('rate_limited');
  });

  it('one that joins counts what the others did before, one that leaves leaves its counts', async () => {
    const key = await keyWith({ rpd: 30, concurrency: 20 });
    expect((await burst(12, key)).ok).toBe(12);
    await Promise.all([
      endProcess(all[1] as GatewayProcess),
      endProcess(all[2] as GatewayProcess, 'SIGKILL'),
    ]);
    const [first] = all as [GatewayProcess];
    // Alone, as soon as it knows: what the others let through is its own now.
    await new Promise((resolve) => setTimeout(resolve, 7000));
    expect((await burst(10, key, [first])).ok).toBe(10);
    all = [first, ...(await Promise.all([group.start(1), group.start(2)]))];
    expect((await burst(30, key)).ok).toBe(8);
  });

  it('a restart of all, at the same time, gives nothing back', async () => {
    const key = await keyWith({ rpd: 30 });
    expect((await burst(21, key)).ok).toBe(21);
    await Promise.all(all.map((process, at) => endProcess(process, at === 0 ? 'SIGTERM' : 'SIGKILL')));
    all = await Promise.all([group.start(0), group.start(1), group.start(2)]);
    expect((await burst(30, key)).ok).toBe(9);
  });
});
