import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { admin, made, signIn } from '../support/identity.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';

let upstream: TestUpstream;
let gateway: TestGateway;

beforeAll(async () => {
  upstream = await startUpstream(chatAnswer('Hello'));
});
afterAll(() => upstream.close());
beforeEach(async () => {
  upstream.seen.length = 0;
  gateway = await startGateway({
    yaml: `
version: 1
access: { mode: keys }
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
models: { m: { deployments: ["one/m"] }, other: { deployments: ["one/other"] } }
`,
  });
});
afterEach(() => gateway.close());

function call(key: string, headers: Record<string, string> = {}, body: object = {}): Promise<Response> {
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, ...headers },
    body: JSON.stringify({
      model: 'm',
      max_tokens: 20,
      messages: [{ role: 'user', content: 'hi' }],
      ...body,
    }),
  });
}

/** A key whose every call needs a yes. */
async function guardedKey(): Promise<string> {
  const { key, id } = await gateway.client.call('createKey', { name: 'k' });
  await gateway.client.call('createBudget', {
    scope: 'key',
    scope_id: id,
    limit_usd: '0.000000001',
    action: 'approve',
  });
  return key;
}

const idOf = (response: Response): string => response.headers.get('x-sluice-approval') ?? '';

describe('a call that needs an approval', () => {
  it('gets 403 with an id, passes once after a yes, and only as it was', async () => {
    const key = await guardedKey();
    const refused = await call(key);
    expect(refused.status).toBe(403);
    expect(refused.headers.get('x-sluice-error')).toBe('approval_required');
    const id = idOf(refused);
    expect(await refused.text()).toContain(id);
    expect(idOf(await call(key))).toBe(id);
    expect((await call(key, { 'x-sluice-approval': id })).status).toBe(403);
    const listed = await gateway.client.call('listApprovals', { status: 'pending' });
    expect(listed.data).toMatchObject([{ id, kind: 'call', status: 'pending', details: { model: 'm' } }]);
    await gateway.client.call('approve', { id, reason: 'fine' });
    expect((await call(key, { 'x-sluice-approval': id }, { max_tokens: 21 })).status).toBe(403);
    const other = await guardedKey();
    expect((await call(other, { 'x-sluice-approval': id })).status).toBe(403);
    expect(upstream.seen).toHaveLength(0);
    expect((await call(key, { 'x-sluice-approval': id })).status).toBe(200);
    expect((await call(key, { 'x-sluice-approval': id })).status).toBe(403);
    expect(upstream.seen).toHaveLength(1);
    const [row] = (await gateway.client.call('listExchanges', { status: 200 })).data;
    const detail = await gateway.client.call('getExchange', { id: row?.id ?? '' });
    expect(detail.ruling).toMatchObject({ approval: id });
    await expect(gateway.client.call('approve', { id })).rejects.toMatchObject({ status: 409 });
  });

  it('passes for exactly one of 50 at once', async () => {
    const key = await guardedKey();
    const id = idOf(await call(key));
    await gateway.client.call('approve', { id });
    const statuses = await Promise.all(
      Array.from({ length: 50 }, async () => (await call(key, { 'x-sluice-approval': id })).status),
    );
    expect(statuses.filter((status) => status === 200)).toHaveLength(1);
    expect(statuses.filter((status) => status === 403)).toHaveLength(49);
    expect(upstream.seen).toHaveLength(1);
  });

  it('waits as long as the client asked to, and no longer', async () => {
    const key = await guardedKey();
    const waiting = call(key, { 'x-sluice-approval-wait-ms': '20000' });
    let found: string | undefined;
    for (let turn = 0; turn < 200 && found === undefined; turn++) {
      found = (await gateway.client.call('listApprovals', { status: 'pending' })).data[0]?.id;
    }
    await gateway.client.call('approve', { id: found ?? '' });
    expect((await waiting).status).toBe(200);
    const started = Date.now();
    const late = await call(key, { 'x-sluice-approval-wait-ms': '300' });
    expect(late.status).toBe(403);
    expect(Date.now() - started).toBeLessThan(5000);
    expect((await call(key, { 'x-sluice-approval-wait-ms': '-5' })).status).toBe(400);
  });

  it('says no', async () => {
    const key = await guardedKey();
    const id = idOf(await call(key));
    await gateway.client.call('reject', { id });
    const response = await call(key, { 'x-sluice-approval': id });
    expect(response.status).toBe(403);
    expect(await response.text()).toContain('was rejected');
  });

  it('is decided once by whoever holds a signed link', async () => {
    const key = await guardedKey();
    const id = idOf(await call(key));
    const { token, url } = await gateway.client.call('createApprovalLink', { id });
    expect(url).toContain(encodeURIComponent(token));
    const decide = (with_: string) =>
      fetch(`${gateway.url}/api/approval-links`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ token: with_, decision: 'approve' }),
      });
    for (const forged of [
      `${token}x`,
      token.replace(/^apr_/, 'apr-'),
      token.slice(0, -2),
      'x',
      `${token.split('.')[0]}.9e15.eA.x`,
    ]) {
      expect((await decide(forged)).status).toBe(404);
    }
    expect((await decide(token)).status).toBe(200);
    expect((await decide(token)).status).toBe(409);
    expect((await call(key, { 'x-sluice-approval': id })).status).toBe(200);
  });

  it('is asked for by policy, for some models', async () => {
    const { key } = await gateway.client.call('createKey', { name: 'k', policy: { approvals: ['m'] } });
    expect((await call(key, {}, { model: 'other' })).status).toBe(200);
    const refused = await call(key);
    expect(refused.status).toBe(403);
    await gateway.client.call('approve', { id: idOf(refused) });
    expect((await call(key, { 'x-sluice-approval': idOf(refused) })).status).toBe(200);
  });
});

describe('changes that need an approval', () => {
  it('raise a budget and widen a key when somebody else agrees', async () => {
    const by = admin(gateway);
    const team = await made(by, '/api/teams', { name: 'blue' });
    const user = await made(by, '/api/users', { name: 'Ann', email: 'ann@example.com' });
    await made(by, '/api/memberships', { user_id: user.id, team_id: team.id, role: 'member' });
    const ann = await signIn(gateway, by, user.id);
    const budget = await gateway.client.call('createBudget', {
      scope: 'team',
      scope_id: team.id,
      limit_usd: 1,
    });
    const expires = new Date(Date.now() + 3_600_000).toISOString();
    const asked = await ann.call('POST', `/api/budgets/${budget.id}/raises`, {
      amount_usd: 5,
      expires_at: expires,
    });
    expect(asked.status).toBe(200);
    expect(asked.body.budget.limit_usd).toBe('1');
    const id = String(asked.body.approval_id);
    expect((await ann.call('POST', `/api/approvals/${id}/approve`, {})).status).toBe(403);
    await gateway.client.call('approve', { id });
    expect(await gateway.client.call('getBudget', { id: budget.id })).toMatchObject({ limit_usd: '6' });

    const key = await made(by, '/api/keys', { name: 'k', team_id: team.id, models: ['m'] });
    const wish = await ann.call('POST', '/api/approvals', {
      kind: 'model_access',
      key_id: key.id,
      models: ['other'],
    });
    expect(wish.status).toBe(200);
    expect((await call(key.key, {}, { model: 'other' })).status).toBe(403);
    await gateway.client.call('approve', { id: wish.body.id });
    expect((await call(key.key, {}, { model: 'other' })).status).toBe(200);
  });

  it('shows nothing of another organization', async () => {
    const by = admin(gateway);
    const foreign = await made(by, '/api/organizations', { name: 'other' });
    const eve = await made(by, '/api/users', {
      name: 'Eve',
      email: 'eve@example.com',
      organization_id: foreign.id,
    });
    await made(by, '/api/memberships', { user_id: eve.id, role: 'owner' });
    const session = await signIn(gateway, by, eve.id);
    const { key, id: keyId } = await gateway.client.call('createKey', { name: 'k' });
    const budget = await gateway.client.call('createBudget', {
      scope: 'key',
      scope_id: keyId,
      limit_usd: '0.000000001',
      action: 'approve',
    });
    const limit = await gateway.client.call('createLimit', {
      scope: 'key',
      scope_id: keyId,
      limits: { rpm: 100 },
    });
    const approval = idOf(await call(key));
    for (const [method, path, body] of [
      ['GET', `/api/budgets/${budget.id}`],
      ['PATCH', `/api/budgets/${budget.id}`, { limit_usd: 100 }],
      ['DELETE', `/api/budgets/${budget.id}`],
      [
        'POST',
        `/api/budgets/${budget.id}/raises`,
        { amount_usd: 1, expires_at: new Date(Date.now() + 9e6).toISOString() },
      ],
      ['GET', `/api/limits/${limit.id}`],
      ['DELETE', `/api/limits/${limit.id}`],
      ['GET', `/api/approvals/${approval}`],
      ['POST', `/api/approvals/${approval}/approve`, {}],
      ['POST', `/api/approvals/${approval}/link`, {}],
    ] as const) {
      expect([method, path, (await session.call(method, path, body)).status]).toEqual([method, path, 404]);
    }
    for (const path of ['/api/budgets', '/api/limits', '/api/approvals']) {
      expect((await session.call('GET', path)).body.data).toEqual([]);
    }
    const own = await made(by, '/api/budgets', { scope: 'organization', scope_id: foreign.id, limit_usd: 1 });
    // What the operator set binds the owners too.
    expect((await session.call('PATCH', `/api/budgets/${own.id}`, { limit_usd: 100 })).status).toBe(403);
    expect(
      (await session.call('POST', '/api/budgets', { scope: 'key', scope_id: keyId, limit_usd: 1 })).status,
    ).toBe(400);
  });
});
