import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import Provider from 'oidc-provider';

/** Somebody with an account at the test provider. */
export interface IdpAccount {
  readonly sub: string;
  readonly email?: string;
  readonly name?: string;
  readonly groups?: readonly string[];
}

/** A real OpenID provider on loopback. */
export interface TestIdp {
  readonly issuer: string;
  readonly close: () => Promise<void>;
}

async function signingKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  return { ...(await exportJWK(privateKey)), use: 'sig', alg: 'RS256', kid: crypto.randomUUID() };
}

/** Opens one for one client; whoever comes is `account()` at that time, without being asked. */
export async function startIdp(client: {
  readonly redirectUri: string;
  readonly account: () => IdpAccount;
}): Promise<TestIdp> {
  let serve: (request: never, response: never) => void = () => undefined;
  const server: Server = createServer((request, response) => serve(request as never, response as never));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const claims = ({ sub, email, name, groups }: IdpAccount) => ({
    sub,
    ...(email === undefined ? {} : { email, email_verified: true }),
    ...(name === undefined ? {} : { name }),
    ...(groups === undefined ? {} : { groups: [...groups] }),
  });
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'sluice', client_secret: 'a-test-secret', redirect_uris: [client.redirectUri] }],
    jwks: { keys: [await signingKey()] } as never,
    cookies: { keys: ['test'] },
    conformIdTokenClaims: false,
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
    features: { devInteractions: { enabled: false } },
    pkce: { required: () => true },
    findAccount: (_context: unknown, id: string) => ({
      accountId: id,
      claims: async () => claims(client.account()),
    }),
    interactions: { url: (_context: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
  } as never);
  const app = provider.callback();
  serve = (async (request: never, response: never) => {
    const { url = '' } = request as { url?: string };
    if (!url.startsWith('/interaction/')) return app(request, response);
    const details = await provider.interactionDetails(request, response);
    const { prompt, params, session } = details;
    if (prompt.name === 'login') {
      return provider.interactionFinished(request, response, { login: { accountId: client.account().sub } });
    }
    const grant = new provider.Grant({
      accountId: session?.accountId,
      clientId: String(params['client_id']),
    } as never);
    grant.addOIDCScope(String(params['scope']));
    return provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } });
  }) as never;
  return {
    issuer,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
