import cookie from '@fastify/cookie';
import fastify from 'fastify';
import { expect, test } from 'vitest';
import { SluiceError } from '../core/errors/error.ts';
import { type AdminPorts, registerAdmin } from './admin.ts';

const DOWN = new SluiceError('ledger_unavailable', 'The storage did not answer.', { retryAfterS: 5 });

async function call(headers: Record<string, string>) {
  const noted: string[] = [];
  const app = fastify();
  await app.register(cookie);
  registerAdmin(app, {
    sessions: {
      isAdminKey: () => false,
      find: async () => {
        throw DOWN;
      },
      look: async () => {
        throw DOWN;
      },
    },
    guesses: { check: () => undefined, note: (address: string) => void noted.push(address) },
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    secureCookies: false,
    handlers: {},
  } as unknown as AdminPorts);
  const answer = await app.inject({ method: 'GET', url: '/api/keys', headers });
  await app.close();
  return { status: answer.statusCode, retryAfter: answer.headers['retry-after'], noted };
}

test.each([{ authorization: 'Bearer some-session' }, { cookie: 'sluice_session=some-session' }])(
  'a storage that is down is no bad credential: %j',
  async (headers) => {
    expect(await call(headers)).toEqual({ status: 503, retryAfter: '5', noted: [] });
  },
);
