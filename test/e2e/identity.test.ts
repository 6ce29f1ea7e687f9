import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { type ApiUser, admin, made, signIn } from '../support/identity.ts';

let gateway: TestGateway;
let root: ApiUser;

beforeAll(async () => {
  gateway = await startGateway();
  root = admin(gateway);
});

afterAll(() => gateway?.close());

/** A chat with the demo's simulator. */
async function chat(key: string, model = 'sim/gpt', path = '/v1/chat/completions') {
  const answer = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(
      path.endsWith('embeddings')
        ? { model, input: 'Hello' }
        : { model, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 5 },
    ),
  });
  const body = (await answer.json()) as { error?: { code?: string; message?: string } };
  return { status: answer.status, error: answer.headers.get('x-sluice-error'), body };
}

describe('places', () => {
  test('a key made without a word about organizations belongs to the default one', async () => {
    const key = await made(root, '/api/keys', { name: 'plain' });
    expect(key.organization_id).toBe('org_default');
    expect((await chat(key.key)).status).toBe(200);
    const { body } = await root.call('GET', '/api/organizations');
    expect(body.data.map(({ id }: { id: string }) => id)).toEqual(['org_default']);
  });

  test('policies narrow from organization to key', async () => {
    const org = await made(root, '/api/organizations', { name: 'acme', policy: { models: ['sim/*'] } });
    const team = await made(root, '/api/teams', {
      organization_id: org.id,
      name: 'search',
      policy: { models: ['sim/gpt', 'sim/claude'] },
    });
    const project = await made(root, '/api/projects', {
      team_id: team.id,
      name: 'index',
      policy: { operations: ['chat'] },
    });
    const key = await made(root, '/api/keys', {
      organization_id: org.id,
      name: 'k',
      project_id: project.id,
      models: ['*'],
    });
    expect(key).toMatchObject({ organization_id: org.id, team_id: team.id, project_id: project.id });
    expect((await chat(key.key)).status).toBe(200);
    expect(await chat(key.key, 'sim/gemini')).toMatchObject({ status: 403, error: 'model_forbidden' });
    const embedding = await chat(key.key, 'sim/gpt', '/v1/embeddings');
    expect(embedding).toMatchObject({ status: 403, error: 'forbidden' });
    // Narrower from now on, for requests with the same key.
    await root.call('PATCH', `/api/teams/${team.id}`, { policy: { models: ['sim/claude'] } });
    expect((await chat(key.key)).status).toBe(403);
    await root.call('PATCH', `/api/teams/${team.id}`, { policy: {}, blocked: true });
    expect(await chat(key.key)).toMatchObject({ status: 401, error: 'key_blocked' });
  });

  test('a key works from the addresses it is for', async () => {
    const here = await made(root, '/api/keys', { name: 'here', cidrs: ['127.0.0.0/8', '::1'] });
    const there = await made(root, '/api/keys', { name: 'there', cidrs: ['192.0.2.0/24'] });
    expect((await chat(here.key)).status).toBe(200);
    expect(await chat(there.key)).toMatchObject({ status: 403, error: 'forbidden' });
    const { status } = await root.call('PATCH', `/api/keys/${there.id}`, { cidrs: null });
    expect([status, (await chat(there.key)).status]).toEqual([200, 200]);
    const bad = await root.call('POST', '/api/keys', { name: 'bad', cidrs: ['10.0.0.7/8'] });
    expect(bad.status).toBe(400);
    expect(bad.body.error.details.param).toBe('cidrs.0');
  });

  test('what holds something is not deleted, and ids that fit nothing are named', async () => {
    const team = await made(root, '/api/teams', { name: 'held' });
    const key = await made(root, '/api/keys', { name: 'k', team_id: team.id });
    expect((await root.call('DELETE', `/api/teams/${team.id}`)).status).toBe(409);
    await root.call('DELETE', `/api/keys/${key.id}`);
    expect((await root.call('DELETE', `/api/teams/${team.id}`)).status).toBe(200);
    expect((await root.call('GET', `/api/teams/${team.id}`)).status).toBe(404);
    const lost = await root.call('POST', '/api/keys', { name: 'k', team_id: team.id });
    expect([lost.status, lost.body.error.details.param]).toEqual([400, 'team_id']);
    expect((await root.call('POST', '/api/teams', { name: 'twice' })).status).toBe(200);
    expect((await root.call('POST', '/api/teams', { name: 'twice' })).status).toBe(409);
  });
});

describe('self-service', () => {
  test('a member makes keys of his own in his team, and loosens nothing', async () => {
    const team = await made(root, '/api/teams', { name: 'self', policy: { models: ['sim/gpt'] } });
    const other = await made(root, '/api/teams', { name: 'not mine' });
    const user = await made(root, '/api/users', {
      name: 'Ada',
      email: 'ada@example.com',
      role: 'member',
      team_id: team.id,
    });
    const ada = await signIn(gateway, root, user.id);
    const key = await made(ada, '/api/keys', { name: 'mine' });
    expect(key).toMatchObject({ team_id: team.id, user_id: user.id });
    expect((await chat(key.key)).status).toBe(200);
    expect((await chat(key.key, 'sim/claude')).status).toBe(403);
    const refused = [
      await ada.call('POST', '/api/keys', { name: 'x', team_id: other.id }),
      await ada.call('POST', '/api/keys', { name: 'x', user_id: 'user_other' }),
      await ada.call('PATCH', `/api/keys/${key.id}`, { models: ['*'] }),
      await ada.call('PATCH', `/api/keys/${key.id}`, { limits: {} }),
      await ada.call('PATCH', `/api/keys/${key.id}`, { team_id: other.id }),
      await ada.call('POST', `/api/memberships`, { user_id: user.id, role: 'owner' }),
      await ada.call('PATCH', `/api/users/${user.id}`, { policy: {} }),
      await ada.call('PATCH', `/api/teams/${team.id}`, { policy: {} }),
    ];
    expect(refused.map(({ status }) => status).every((status) => status === 403 || status === 400)).toBe(
      true,
    );
    const refusals = async () =>
      (await root.call('GET', '/api/audit?limit=100')).body.data.filter(
        (row: { actor: string; action: string }) =>
          row.actor === `user:${user.id}` && /\.refused$/.test(row.action),
      );
    await expect.poll(refusals).toHaveLength(refused.length);
    expect((await ada.call('PATCH', `/api/keys/${key.id}`, { name: 'renamed' })).status).toBe(200);
    const seen = await ada.call('GET', '/api/keys');
    expect(seen.body.data.map(({ id }: { id: string }) => id)).toEqual([key.id]);
    const exchanges = await ada.call('GET', '/api/exchanges');
    expect(new Set(exchanges.body.data.map((row: { key_id: string }) => row.key_id))).toEqual(
      new Set([key.id]),
    );
    const usage = await ada.call('GET', '/api/usage?group_by=key');
    expect(usage.body.data.map((row: { group: { key: string } }) => row.group.key)).toEqual([key.id]);
    // What was stopped above him he does not start again.
    await root.call('POST', `/api/keys/${key.id}/block`, {});
    expect((await ada.call('POST', `/api/keys/${key.id}/unblock`, {})).status).toBe(403);
    // Disabled: the session and the keys end.
    await root.call('POST', `/api/keys/${key.id}/unblock`, {});
    expect((await chat(key.key)).status).toBe(200);
    await root.call('PATCH', `/api/users/${user.id}`, { disabled: true });
    expect((await chat(key.key)).status).toBe(401);
    expect((await ada.call('GET', '/api/keys')).status).toBe(401);
  });

  test('who is limited himself hands out no more than he has', async () => {
    const lead = await made(root, '/api/users', {
      name: 'Lead',
      role: 'admin',
      policy: { models: ['sim/gpt'] },
    });
    const by = await signIn(gateway, root, lead.id);
    const key = await made(by, '/api/keys', { name: 'for all', models: ['*'] });
    expect((await chat(key.key)).status).toBe(200);
    expect((await chat(key.key, 'sim/claude')).status).toBe(403);
    const friend = await made(by, '/api/users', { name: 'Friend', role: 'admin' });
    const his = await signIn(gateway, by, friend.id);
    const third = await made(his, '/api/keys', { name: 'third hand' });
    expect((await chat(third.key, 'sim/claude')).status).toBe(403);
    expect((await by.call('PATCH', `/api/users/${lead.id}`, { policy: {} })).status).toBe(403);
    expect((await his.call('PATCH', `/api/users/${lead.id}`, { policy: {} })).status).toBe(403);
    const open = await made(root, '/api/keys', { name: 'open', models: ['sim/gpt'] });
    expect((await by.call('PATCH', `/api/keys/${open.id}`, { models: ['*'] })).status).toBe(200);
    expect((await chat(open.key, 'sim/claude')).status).toBe(403);
    const owner = await made(root, '/api/users', { name: 'Owner', role: 'owner' });
    expect((await by.call('POST', '/api/sign-in-links', { user_id: owner.id })).status).toBe(403);
    expect((await by.call('PATCH', `/api/users/${owner.id}`, { email: 'x@example.com' })).status).toBe(403);
    expect((await by.call('DELETE', `/api/users/${owner.id}`)).status).toBe(403);
  });
});

describe('writes that are sent twice', () => {
  test('are carried out once, and answer the same', async () => {
    const headers = { 'idempotency-key': 'abc-1' };
    const first = await root.call('POST', '/api/keys', { name: 'once' }, headers);
    const second = await root.call('POST', '/api/keys', { name: 'once' }, headers);
    expect(second).toEqual(first);
    const third = await root.call('POST', '/api/keys', { name: 'other' }, headers);
    expect([third.status, third.body.error.code]).toEqual([409, 'conflict']);
    const { body } = await root.call('GET', '/api/keys?limit=500');
    expect(body.data.filter(({ name }: { name: string }) => name === 'once')).toHaveLength(1);
    const both = await Promise.all(
      [1, 2].map(() => root.call('POST', '/api/teams', { name: 'at once' }, { 'idempotency-key': 'abc-2' })),
    );
    // The second waits for nothing: it is told to come back, or given the first one's answer.
    expect(both.every(({ status }) => status === 200 || status === 409)).toBe(true);
    const teams = await root.call('GET', '/api/teams?name=at%20once');
    expect(teams.body.data).toHaveLength(1);
  });
});

describe('scheduled rotation', () => {
  test('gives a new secret that is claimed once, and the old one works through the overlap', async () => {
    const key = await made(root, '/api/keys', { name: 'turning', rotate_every_s: 2, rotate_overlap_s: 2 });
    expect(key.rotation).toMatchObject({ every_s: 2, overlap_s: 2, unclaimed: false });
    expect((await root.call('POST', `/api/keys/${key.id}/claim`, {})).status).toBe(409);
    await expect
      .poll(async () => (await root.call('GET', `/api/keys/${key.id}`)).body.rotation.unclaimed, {
        timeout: 8000,
      })
      .toBe(true);
    expect((await chat(key.key)).status).toBe(200);
    const claims = await Promise.all([1, 2, 3].map(() => root.call('POST', `/api/keys/${key.id}/claim`, {})));
    expect(claims.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    const claimed = claims.find(({ status }) => status === 200)?.body.key;
    expect(claimed).not.toBe(key.key);
    expect((await chat(claimed)).status).toBe(200);
    const audit = await root.call('GET', '/api/audit?limit=500');
    const actions = audit.body.data.filter(({ target }: { target: string }) => target === key.id);
    expect(actions.map(({ action }: { action: string }) => action)).toContain('keys.rotate_scheduled');
    expect(JSON.stringify(audit.body)).not.toContain(claimed);
    await root.call('DELETE', `/api/keys/${key.id}`);
  });
});
