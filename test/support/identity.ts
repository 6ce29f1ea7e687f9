import type { TestGateway } from './gateway.ts';

/** An answer of the admin API. */
export interface ApiAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever came
  readonly body: any;
}

/** Somebody who calls the admin API. */
export interface ApiUser {
  readonly token: string;
  call(
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): Promise<ApiAnswer>;
}

/** Speaks with this credential (the admin key or a session) as Bearer. */
export function apiUser(url: string, token: string): ApiUser {
  return {
    token,
    async call(method, path, body, headers = {}) {
      const answer = await fetch(url + path, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
    },
  };
}

/** The admin key. */
export function admin({ url, adminKey }: TestGateway): ApiUser {
  return apiUser(url, adminKey);
}

/** Makes something and gives its answer back; throws what the gateway said otherwise. */
export async function made(by: ApiUser, path: string, body: unknown) {
  const answer = await by.call('POST', path, body);
  if (answer.status !== 200) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
}

/** Signs a user in with a link that `by` makes. */
export async function signIn(gateway: TestGateway, by: ApiUser, userId: string): Promise<ApiUser> {
  const { url } = await made(by, '/api/sign-in-links', { user_id: userId });
  const token = String(url).split('#')[1];
  const answer = await fetch(`${gateway.url}/api/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  });
  const cookie = /sluice_session=([^;]+)/.exec(answer.headers.get('set-cookie') ?? '')?.[1] ?? '';
  return apiUser(gateway.url, decodeURIComponent(cookie));
}
