import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import samlp from 'samlp';

/** A key pair of an identity provider. */
export interface SigningPair {
  readonly key: string;
  readonly cert: string;
}

/** A new RSA key with a self-signed certificate. */
export function signingPair(): SigningPair {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-saml-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=idp',
      '-keyout',
      key,
      '-out',
      cert,
    ],
    { stdio: 'ignore' },
  );
  const pair = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  rmSync(folder, { recursive: true, force: true });
  return pair;
}

/** What samlp reads from a request. */
interface AuthnRequest {
  readonly id: string;
  readonly issuer: string;
  readonly assertionConsumerServiceURL: string;
}

/** Reads the request a browser was sent to the provider with. */
export function parseRequest(url: string): Promise<AuthnRequest> {
  const query = Object.fromEntries(new URL(url).searchParams);
  return new Promise((resolve, reject) => {
    samlp.parseRequest({ query, body: {}, url }, (error: unknown, request: AuthnRequest) =>
      error === null || error === undefined ? resolve(request) : reject(error),
    );
  });
}

/** A signed response of the provider to a request, as XML. `more` overrides what it says. */
export async function respond(
  url: string,
  idp: {
    readonly issuer: string;
    readonly pair: SigningPair;
    readonly more?: object;
    readonly user?: object;
  },
): Promise<string> {
  const request = await parseRequest(url);
  const config = {
    issuer: idp.issuer,
    cert: idp.pair.cert,
    key: idp.pair.key,
    audience: request.issuer,
    recipient: request.assertionConsumerServiceURL,
    destination: request.assertionConsumerServiceURL,
    inResponseTo: request.id,
    signatureAlgorithm: 'rsa-sha256',
    digestAlgorithm: 'sha256',
    lifetimeInSeconds: 300,
    nameIdentifierFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    profileMapper: mapper,
    ...idp.more,
  };
  const user = {
    id: 'ada',
    email: 'ada@example.com',
    name: 'Ada',
    groups: ['engineers', 'staff'],
    ...idp.user,
  };
  return new Promise((resolve, reject) => {
    samlp.getSamlResponse(config, user, (error: unknown, xml: string) =>
      error === null || error === undefined ? resolve(xml) : reject(error),
    );
  });
}

function mapper(user: { id: string; email: string; name: string; groups: string[] }) {
  return {
    getClaims: () => ({ email: user.email, name: user.name, groups: user.groups }),
    getNameIdentifier: () => ({ nameIdentifier: user.id }),
  };
}
