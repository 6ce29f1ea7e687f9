import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { totpCode } from '../support/authenticator.ts';
import { Browser } from '../support/browser.ts';
import { type ApiUser, apiUser, made } from '../support/identity.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';
import { endProcess, type GatewayProcess, ProcessGroup, soon } from './process-group.ts';

// Two real processes on one data directory: what works once works once in both together.

const PASSWORD = 'four-brave-otters-run';
const USER = 'urn:ietf:params:scim:schemas:core:2.0:User';
const GROUP = 'urn:ietf:params:scim:schemas:core:2.0:Group';
const PATCH = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

let upstream: TestUpstream;
let group: ProcessGroup;
let one: GatewayProcess;
let two: GatewayProcess;
let admin: ApiUser;

beforeAll(async () => {
  upstream = await startUpstream(chatAnswer('Hello'));
  group = new ProcessGroup(`
version: 1
access: { mode: keys, max_auth_failures_per_minute: 60 }
providers:
  one: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: k, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 } }
models: { m: { deployments: ["one/m"] } }
sign_in:
  scim:
    groups:
      - { group: Bosses, role: admin }
`);
  [one, two] = await Promise.all([group.start(0), group.start(1)]);
  admin = apiUser(one.url, group.adminKey);
});

afterAll(async () => {
  await group.close([one, two]);
  await upstream.close();
});

const either = (n: number): GatewayProcess => (n % 2 === 0 ? one : two);
const at = (to: GatewayProcess, path: string, body: unknown) =>
  new Browser().call(to.url, 'POST', path, body);
const wrongly = (to: GatewayProcess, email: string) =>
  at(to, '/api/sign-in/local', { email, password: 'not-this-one-at-all' });

function statuses(answers: readonly { readonly status: number }[]): readonly number[] {
  return answers.map(({ status }) => status).sort();
}

/** As many at once, dealt out to both. */
function both<T>(count: number, ask: (to: GatewayProcess) => Promise<T>): Promise<readonly T[]> {
  return Promise.all(Array.from({ length: count }, (_, n) => ask(either(n))));
}

async function newUser(email: string): Promise<string> {
  const { id } = await made(admin, '/api/users', { name: email, email, role: 'member' });
  await soon('both know the user', async () => {
    const seen = await apiUser(two.url, group.adminKey).call('GET', `/api/users/${id}`);
    return seen.status === 200;
  });
  return id;
}

/** Makes an account whose invitation was used at both. */
async function newAccount(email: string): Promise<void> {
  const { url } = await made(admin, '/api/invitations', { user_id: await newUser(email) });
  const token = String(url).split('#invite=')[1];
  const answers = await both(6, (to) => at(to, '/api/sign-in/invitation', { token, password: PASSWORD }));
  expect(statuses(answers)).toEqual([200, 401, 401, 401, 401, 401]);
}

describe('what works once works once in all processes', () => {
  test('a sign-in link, opened at the process that did not make it, even when that one is gone', async () => {
    const user_id = await newUser('link@example.com');
    for (const body of [{}, { user_id }]) {
      const { url } = await made(admin, '/api/sign-in-links', body);
      const token = String(url).split('#')[1];
      const answers = await both(6, (to) => at(to, '/api/session', { token }));
      expect(statuses(answers)).toEqual([200, 401, 401, 401, 401, 401]);
    }
    const { url } = await made(apiUser(two.url, group.adminKey), '/api/sign-in-links', {});
    await endProcess(two, 'SIGKILL');
    const token = String(url).split('#')[1];
    expect((await at(one, '/api/session', { token })).status).toBe(200);
    two = await group.start(1);
    expect((await at(two, '/api/session', { token })).status).toBe(401);
  });

  test('an invitation, a code of the second factor, a recovery code', async () => {
    const email = 'once@example.com';
    await newAccount(email);
    const browser = new Browser();
    await browser.call(one.url, 'POST', '/api/sign-in/local', { email, password: PASSWORD });
    const enrolled = await browser.call(one.url, 'POST', '/api/account/second-factor', {
      current_password: PASSWORD,
    });
    const { secret } = enrolled.body;
    const confirmed = await browser.call(one.url, 'POST', '/api/account/second-factor/confirm', {
      code: await totpCode(secret, -1),
    });
    const [recovery = ''] = confirmed.body.recovery_codes;
    for (const used of [await totpCode(secret), recovery]) {
      // Both together stay within five codes a minute, in whichever order they come.
      const challenges = await both(3, async (to) => ({
        to,
        challenge: (await at(to, '/api/sign-in/local', { email, password: PASSWORD })).body.challenge,
      }));
      // A challenge of one process is answered at the other.
      const answers = await Promise.all(
        challenges.map(({ to, challenge }) =>
          at(to === one ? two : one, '/api/sign-in/second-factor', { challenge, code: used }),
        ),
      );
      expect(statuses(answers)).toEqual([200, 401, 401]);
    }
  });

  test('a yes to a call, and the decision itself', async () => {
    const { key, id } = await one.client.call('createKey', { name: 'guarded' });
    const budget = { scope: 'key', scope_id: id, limit_usd: '0.000000001', action: 'approve' } as const;
    await one.client.call('createBudget', budget);
    const call = (to: GatewayProcess, approval = '') =>
      fetch(`${to.url}/v1/chat/completions`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${key}`,
          ...(approval === '' ? {} : { 'x-sluice-approval': approval }),
        },
        body: JSON.stringify({ model: 'm', max_tokens: 20, messages: [{ role: 'user', content: 'hi' }] }),
      });
    await soon('both ask', async () => {
      const seen = await both(2, (to) => call(to));
      return seen.every((answer) => answer.headers.get('x-sluice-error') === 'approval_required');
    });
    const approval = (await call(two)).headers.get('x-sluice-approval') ?? '';
    const decided = await both(8, (to) =>
      to.client.call('approve', { id: approval }).then(
        () => 200,
        ({ status }: { status: number }) => status,
      ),
    );
    expect([...decided].sort()).toEqual([200, ...Array<number>(7).fill(409)]);
    upstream.seen.length = 0;
    const passed = await both(20, (to) => call(to, approval));
    expect(passed.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(upstream.seen).toHaveLength(1);
  });
});

describe('attempts count in all processes together', () => {
  test('wrong passwords for one account, one after the other and at once', async () => {
    const found: number[] = [];
    for (let n = 0; n < 12; n++) found.push((await wrongly(either(n), 'guessed@example.com')).status);
    expect(found).toEqual([...Array<number>(10).fill(401), 429, 429]);
    const burst = await both(30, (to) => wrongly(to, 'burst@example.com'));
    expect(burst.filter(({ status }) => status === 401)).toHaveLength(10);
    // Neither a restart nor a clock that steps forward makes it be forgotten.
    await group.stepClock(0, 3_600_000);
    expect((await wrongly(one, 'guessed@example.com')).status).toBe(429);
    await group.stepClock(0, 0);
    await endProcess(two);
    two = await group.start(1);
    expect((await wrongly(two, 'guessed@example.com')).status).toBe(429);
    // Others are not refused, and a success at one forgets what was wrong at the other.
    await newAccount('good@example.com');
    for (let round = 0; round < 2; round++) {
      for (let n = 0; n < 6; n++) expect((await wrongly(two, 'good@example.com')).status).toBe(401);
      const good = await at(one, '/api/sign-in/local', { email: 'good@example.com', password: PASSWORD });
      expect(good.status).toBe(200);
    }
  });
});

describe('SCIM', () => {
  test('writes at both, at the same time: nothing is lost, nothing is there twice', async () => {
    const { token } = await made(apiUser(one.url, group.adminKey), '/api/scim-tokens', { name: 'directory' });
    const [a, b] = [one, two].map(({ url }) => apiUser(`${url}/scim/v2`, token)) as [ApiUser, ApiUser];
    const to = (n: number) => (n % 2 === 0 ? a : b);
    const user = (name: string) => ({ schemas: [USER], userName: name, active: true });
    // Made at one, known to the other at once.
    const ids: string[] = [];
    for (let n = 0; n < 10; n++) {
      const answer = await to(n).call('POST', '/Users', user(`u${n}`));
      expect(answer.status).toBe(201);
      ids.push(answer.body.id);
      expect((await to(n + 1).call('GET', `/Users/${answer.body.id}`)).status).toBe(200);
    }
    const twins = await Promise.all([0, 1, 2, 3].map((n) => to(n).call('POST', '/Users', user('twin'))));
    expect(statuses(twins)).toEqual([201, 409, 409, 409]);
    const bosses = await a.call('POST', '/Groups', { schemas: [GROUP], displayName: 'Bosses', members: [] });
    const path = `/Groups/${bosses.body.id}`;
    const add = (value: string) => ({
      schemas: [PATCH],
      Operations: [{ op: 'add', path: 'members', value: [{ value }] }],
    });
    const added = await Promise.all(ids.map((id, n) => to(n).call('PATCH', path, add(id))));
    expect(added.every(({ status }) => status === 200 || status === 204)).toBe(true);
    const { body } = await b.call('GET', path);
    expect(body.members.map(({ value }: { value: string }) => value).sort()).toEqual([...ids].sort());
    // What the group gives, each has once.
    const memberships = await rolesOf(ids);
    expect(memberships).toEqual(ids.map(() => ['admin']));
    // A process that is killed in the middle of a write keeps nobody waiting for long.
    const lost = b.call('PATCH', path, add(ids[0] ?? '')).catch(() => undefined);
    await endProcess(two, 'SIGKILL');
    await lost;
    expect((await a.call('PATCH', path, add(ids[1] ?? ''))).status).toBeLessThan(300);
    two = await group.start(1);
  });
});

// The last: this address is refused from then on.
describe('guesses', () => {
  test('wrong keys from one address', async () => {
    const guess = (to: GatewayProcess) => at(to, '/api/session', { token: 'sk-is-it-this-one' });
    let wrong = 0;
    for (let n = 0; n < 100 && (await guess(one)).status === 401; n++) wrong += 1;
    expect(wrong).toBeLessThanOrEqual(60);
    // The other learns of it with the first it hears.
    await guess(two);
    await soon('refused there too', async () => (await guess(two)).status === 429, 500);
  });
});

async function rolesOf(ids: readonly string[]): Promise<readonly (readonly string[])[]> {
  const found: string[][] = [];
  for (const id of ids) {
    const { body } = await apiUser(one.url, group.adminKey).call('GET', `/api/memberships?user_id=${id}`);
    found.push(body.data.map(({ role }: { role: string }) => role));
  }
  return found;
}
