import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Receipt } from '../../src/core/routing/decision/receipt.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { admin, made, signIn } from '../support/identity.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';

const PROMPT = 'Name three rivers of France, as a list.';

let upstream: TestUpstream;
let gateway: TestGateway;
/** What the cheap model says. */
let said = 'from cheap';

const YAML = (url: string) => `
version: 1
providers:
  up: { type: openai-compatible, base_url: "${url}/v1", api_key: key-up }
models:
  cheap: { deployments: [{ provider: up, model: cheap, price: { input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.4 } }] }
  strong: { deployments: [{ provider: up, model: strong, price: { input_usd_per_mtok: 10, output_usd_per_mtok: 40 } }] }
routers:
  auto: { mode: "on", baseline: strong, tiers: { easy: cheap, hard: strong } }
`;

beforeEach(async () => {
  said = 'from cheap';
  upstream = await startUpstream((seen, response) =>
    chatAnswer(seen.body['model'] === 'cheap' ? said : '{"from": "strong"}')(seen, response),
  );
  gateway = await startGateway({ yaml: YAML(upstream.url) });
});

afterEach(async () => {
  await gateway?.close();
  await upstream.close();
});

async function post(path: string, body: object, headers: Record<string, string> = {}) {
  const response = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, text, id: response.headers.get('x-sluice-request-id') ?? '' };
}

const chat = (more: object = {}, headers: Record<string, string> = {}) =>
  post(
    '/v1/chat/completions',
    { model: 'auto', max_tokens: 50, messages: [{ role: 'user', content: PROMPT }], ...more },
    headers,
  );

/** What the route believes now of the cheap model, and on how many labels it stands. */
async function belief() {
  const receipt = (await gateway.client.call('explainRoute', {
    name: 'auto',
    prompt: PROMPT,
  })) as unknown as Receipt;
  const step = receipt.steps.find((one) => one.step === 'route_prior');
  return {
    labels: Number(/(\d+) labels/.exec(step?.says ?? '')?.[1] ?? 0),
    pOk: receipt.candidates.find(({ model }) => model === 'cheap')?.p_ok ?? 0,
    served: receipt.served,
  };
}

describe('POST /api/feedback', () => {
  const rate = (request_id: string, rating: 'up' | 'down') =>
    gateway.client.call('giveFeedback', { request_id, rating });

  it('counts once an answer, however often it is said, and the last word counts', async () => {
    const before = await belief();
    const first = await chat();
    for (let at = 0; at < 60; at++) await rate(first.id, 'up');
    expect(await belief()).toEqual(before);
    const ids = [first.id];
    for (let at = 0; at < 23; at++) ids.push((await chat()).id);
    for (const id of ids) await rate(id, 'down');
    const down = await belief();
    // Twenty-four answers at half a label each.
    expect(down.labels).toBe(12);
    expect(down.pOk).toBeCloseTo((before.pOk * 50) / 62, 4);
    for (const id of ids) await rate(id, 'up');
    const up = await belief();
    expect(up.labels).toBe(12);
    expect(up.pOk).toBeCloseTo((before.pOk * 50 + 12) / 62, 4);
    const { dataDir } = gateway;
    await gateway.close(true);
    gateway = await startGateway({ yaml: YAML(upstream.url), dataDir });
    expect(await belief()).toEqual(up);
  });

  it('is refused about other tenants’ exchanges, as if they were not there', async () => {
    const { id } = await chat();
    const root = admin(gateway);
    const organization = await made(root, '/api/organizations', { name: 'other' });
    const user = await made(root, '/api/users', {
      name: 'eve',
      organization_id: organization.id,
      role: 'owner',
    });
    const eve = await signIn(gateway, root, user.id);
    const refused = await eve.call('POST', '/api/feedback', { request_id: id, rating: 'down' });
    const unknown = await eve.call('POST', '/api/feedback', { request_id: 'exc_nothing', rating: 'down' });
    expect([refused.status, unknown.status]).toEqual([404, 404]);
    expect(refused.body.error.message).toBe(unknown.body.error.message);
    expect((await root.call('POST', '/api/feedback', { request_id: id, rating: 'down' })).status).toBe(200);
  });
});

const JSON_MODE = { response_format: { type: 'json_object' } };

describe('answers that break their form', () => {
  it('teach without any cascade, until the model that breaks it is left', async () => {
    const before = await belief();
    said = '{"rivers": [';
    for (let at = 0; at < 12; at++) await chat(JSON_MODE);
    // From ten labels on they count, and the last two requests went to the strong model.
    await expect.poll(belief).toMatchObject({ labels: 10, served: 'strong' });
    const broken = await belief();
    expect(broken.pOk).toBeCloseTo((before.pOk * 50) / 60, 4);
    const { data } = await gateway.client.call('listExchanges', { model: 'strong' });
    expect(data.length).toBeLessThanOrEqual(2);
  });

  it('are held against those that did not', async () => {
    const before = await belief();
    for (let at = 0; at < 2; at++) {
      said = '{"rivers": ["Loire", "Seine", "Rhône"]}';
      for (let good = 0; good < 15; good++) await chat(JSON_MODE);
      said = 'Loire, Seine';
      await chat(JSON_MODE);
      await new Promise((resolve) => setTimeout(resolve, 1100));
    }
    const after = await belief();
    // Two bad ones of weight 1 and thirty good ones of 0.3.
    expect(after.labels).toBe(11);
    expect(after.pOk).toBeCloseTo((before.pOk * 50 + 9) / 61, 4);
  });

  it('plain text is not looked at', async () => {
    const before = await belief();
    for (let at = 0; at < 12; at++) await chat();
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await belief()).toEqual(before);
  });
});

describe('the same asked again', () => {
  it('weighs little, however often it happens', async () => {
    const before = await belief();
    const session = { 'x-sluice-session': 'impatient' };
    for (let at = 0; at < 120; at++) await chat({}, session);
    const after = await belief();
    // 119 repetitions of weight 0.3 would be 36 labels of one model; all that one has count as fifteen at most.
    expect(after.labels).toBeGreaterThanOrEqual(10);
    expect(after.labels).toBeLessThanOrEqual(30);
    expect(after.pOk).toBeGreaterThan((before.pOk * 50) / 66);
    expect(after.pOk).toBeLessThan(before.pOk);
  });

  it('is not another question, and not another person', async () => {
    const before = await belief();
    for (let at = 0; at < 40; at++) await chat({}, { 'x-sluice-session': `s${at}` });
    expect(await belief()).toEqual(before);
  });
});
