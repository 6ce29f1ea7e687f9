import { createPublicKey } from 'node:crypto';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Browser } from '../support/browser.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { respond, type SigningPair, signingPair } from '../support/saml-idp.ts';

const ISSUER = 'https://idp.example/saml';
const START = '/auth/saml/corp/start';
let pair: SigningPair;
let stranger: SigningPair;
let gateway: TestGateway;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

beforeAll(async () => {
  pair = signingPair();
  stranger = signingPair();
  const port = await freePort();
  gateway = await startGateway({
    port,
    yaml: `version: 1
server: { public_url: 'http://127.0.0.1:${port}', port: ${port} }
sign_in:
  saml:
    - name: corp
      issuer: ${ISSUER}
      entry_point: https://idp.example/sso
      default_role: viewer
      groups: [{ group: engineers, role: member }]
      certificates:
        - |
${pair.cert.trim().replaceAll(/^/gm, '          ')}
`,
  });
});

afterAll(() => gateway?.close());

async function begin(): Promise<{ browser: Browser; url: string; relay: string }> {
  const browser = new Browser();
  const { url } = await browser.visit(gateway.url + START, {
    until: (to) => to.startsWith('https://idp.example/'),
  });
  return { browser, url, relay: new URL(url).searchParams.get('RelayState') ?? '' };
}

async function post(browser: Browser, relay: string, xml: string) {
  const form = { SAMLResponse: Buffer.from(xml).toString('base64'), RelayState: relay };
  return browser.visit(`${gateway.url}/auth/saml/corp/acs`, { form, until: (to) => !to.includes('/auth/') });
}

/** Begins, answers with what `change` makes of a good response, and says whether a session was opened. */
async function accepted(change: (xml: string) => string, more: object = {}, by = pair): Promise<boolean> {
  const { browser, url, relay } = await begin();
  const xml = change(await respond(url, { issuer: ISSUER, pair: by, more }));
  await post(browser, relay, xml);
  return (await browser.call(gateway.url, 'GET', '/api/account')).status === 200;
}

const assertionOf = (xml: string) => /<saml:Assertion[\s\S]*<\/saml:Assertion>/.exec(xml)?.[0] ?? '';
const signatureOf = (xml: string) => /<Signature[\s\S]*?<\/Signature>/.exec(assertionOf(xml))?.[0] ?? '';
const evilOf = (xml: string) =>
  assertionOf(xml)
    .replace(signatureOf(xml), '')
    .replace(/ID="[^"]*"/, 'ID="_evil"')
    .replace('>ada<', '>root<');
/** The signature over the whole response, or else the assertion's, and the response without it. */
function outerOf(xml: string): readonly [signature: string, bare: string] {
  const rest = xml.replace(assertionOf(xml), '');
  const signature = /<Signature[\s\S]*?<\/Signature>/.exec(rest)?.[0] ?? signatureOf(xml);
  return [signature, xml.replace(signature, '')];
}
const evilWhole = (xml: string) => xml.replace(/ID="[^"]*"/, 'ID="_evil"').replace('>ada<', '>root<');
const inside = (outer: string, what: string) =>
  outer.replace('</saml:Assertion>', `${what}</saml:Assertion>`);
const asObject = (what: string) => `<Object xmlns="http://www.w3.org/2000/09/xmldsig#">${what}</Object>`;

/** The wrappings of Somorovsky et al. 2012, as numbered by SAML Raider. */
const WRAPPINGS: Readonly<Record<string, (xml: string) => string>> = {
  XSW1: (xml) => {
    const [signature, bare] = outerOf(xml);
    return evilWhole(bare).replace(
      '<samlp:Status>',
      `${signature.replace('</Signature>', `${asObject(bare)}</Signature>`)}<samlp:Status>`,
    );
  },
  XSW2: (xml) => {
    const [signature, bare] = outerOf(xml);
    return evilWhole(bare).replace('<samlp:Status>', `${bare}${signature}<samlp:Status>`);
  },
  XSW3: (xml) => xml.replace(assertionOf(xml), evilOf(xml) + assertionOf(xml)),
  XSW4: (xml) => xml.replace(assertionOf(xml), inside(evilOf(xml), assertionOf(xml))),
  XSW5: (xml) => {
    const bare = assertionOf(xml).replace(signatureOf(xml), '');
    const evil = assertionOf(xml)
      .replace(/ID="[^"]*"/, 'ID="_evil"')
      .replace('>ada<', '>root<');
    return xml.replace(assertionOf(xml), evil + bare);
  },
  XSW6: (xml) => {
    const bare = assertionOf(xml).replace(signatureOf(xml), '');
    const evil = assertionOf(xml)
      .replace(/ID="[^"]*"/, 'ID="_evil"')
      .replace('>ada<', '>root<');
    return xml.replace(assertionOf(xml), evil.replace('</Signature>', `${bare}</Signature>`));
  },
  XSW7: (xml) => xml.replace(assertionOf(xml), `<Extensions>${evilOf(xml)}</Extensions>${assertionOf(xml)}`),
  XSW8: (xml) => {
    const bare = assertionOf(xml).replace(signatureOf(xml), '');
    const evil = assertionOf(xml)
      .replace(/ID="[^"]*"/, 'ID="_evil"')
      .replace('>ada<', '>root<');
    return xml.replace(assertionOf(xml), evil.replace('</Signature>', `${asObject(bare)}</Signature>`));
  },
};

const replaced = (from: string | RegExp, to: string) => (xml: string) => {
  const changed = xml.replace(from, to);
  if (changed === xml) throw new Error(`nothing to change: ${from}`);
  return changed;
};

const MUTATIONS: Readonly<Record<string, (xml: string) => string>> = {
  'another name': replaced('>ada<', '>root<'),
  'a comment in the name': replaced('>ada<', '>ad<!-- -->a<'),
  'a comment that shortens the name': replaced('>ada<', '>root<!-- -->ada<'),
  'CDATA in the name': replaced('>ada<', '><![CDATA[ada]]><'),
  'a processing instruction': replaced('>ada<', '>ada<?x y?><'),
  'a document type': (xml) => `<!DOCTYPE a [<!ENTITY e "root">]>${xml}`,
  'an external entity': (xml) =>
    `<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]>${xml.replace('>ada<', '>&e;<')}`,
  'no signature': (xml) => xml.replace(signatureOf(xml), ''),
  'an empty signature value': replaced(/<SignatureValue>[^<]*/, '<SignatureValue>'),
  'a flipped signature': replaced('<SignatureValue>', '<SignatureValue>AAAA'),
  'an empty digest': replaced(/<DigestValue>[^<]*/, '<DigestValue>'),
  'a reference to everything': replaced(/URI="#[^"]*"/, 'URI=""'),
  'a reference to the response': (xml) =>
    xml.replace(/URI="#[^"]*"/, `URI="#${/ID="([^"]*)"/.exec(xml)?.[1]}"`),
  'SHA-1': replaced('xmldsig-more#rsa-sha256', 'rsa-sha1'),
  'an HMAC': replaced(
    'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    'http://www.w3.org/2000/09/xmldsig#hmac-sha1',
  ),
  'another transform': replaced(
    'http://www.w3.org/2001/10/xml-exc-c14n#"',
    'http://www.w3.org/TR/1999/REC-xslt-19991116"',
  ),
  'another audience': replaced(/<saml:Audience>[^<]*/, '<saml:Audience>https://other.example'),
  'another recipient': replaced(/Recipient="[^"]*"/, 'Recipient="https://other.example/acs"'),
  'another destination': replaced(/Destination="[^"]*"/, 'Destination="https://other.example/acs"'),
  'another request (envelope)': replaced(/InResponseTo="[^"]*"/, 'InResponseTo="_other"'),
  'no request (envelope)': replaced(/ InResponseTo="[^"]*"/, ''),
  'another status': replaced('status:Success', 'status:Responder'),
  'another issuer': (xml) => xml.replaceAll(ISSUER, 'https://evil.example/saml'),
  'a later end': replaced(/NotOnOrAfter="\d{4}/g as RegExp, 'NotOnOrAfter="2099'),
  'the assertion alone': (xml) => assertionOf(xml),
  'two responses': (xml) => `<x>${xml}${xml}</x>`,
  'an id twice': replaced('<saml:Subject>', `<saml:Subject ID="_evil" Id="_evil">`),
  'a second subject': replaced(
    '</saml:Subject>',
    '</saml:Subject><saml:Subject><saml:NameID>root</saml:NameID></saml:Subject>',
  ),
  'a group more': replaced('>engineers<', '>owners<'),
  'a logout response': (xml) => xml.replaceAll('samlp:Response', 'samlp:LogoutResponse'),
  'cut off': (xml) => xml.slice(0, -20),
  nothing: () => '',
};

describe('SAML 2.0', () => {
  test('a good response signs in, its groups give roles, and the same one never again', async () => {
    const { browser, url, relay } = await begin();
    const xml = await respond(url, { issuer: ISSUER, pair });
    const end = await post(browser, relay, xml);
    expect(end.url).toBe(`${gateway.url}/`);
    const me = await browser.call(gateway.url, 'GET', '/api/account');
    expect(me.body).toMatchObject({
      name: 'Ada',
      email: 'ada@example.com',
      identities: [{ issuer: ISSUER, subject: 'ada' }],
    });
    expect((await post(browser, relay, xml)).url).toContain('problem=invalid_key');
    // Nor as the answer to another request of ours.
    const again = await begin();
    expect((await post(again.browser, again.relay, xml)).url).toContain('problem=invalid_key');
    expect((await again.browser.call(gateway.url, 'GET', '/api/account')).status).toBe(401);
  });

  test('signed as a whole as well', async () => {
    expect(await accepted((xml) => xml, { signResponse: true })).toBe(true);
  });

  test('the answer only opens a session in the browser that began', async () => {
    const { url, relay } = await begin();
    const thief = new Browser();
    const end = await post(thief, relay, await respond(url, { issuer: ISSUER, pair }));
    expect(end.url).toContain('problem=invalid_key');
    expect((await thief.call(gateway.url, 'GET', '/api/account')).status).toBe(401);
    const unasked = await post(thief, 'made-up', await respond(url, { issuer: ISSUER, pair }));
    expect(unasked.url).toContain('problem=invalid_key');
  });

  test.each(Object.entries(WRAPPINGS))('%s is refused', async (_name, wrap) => {
    const { url } = await begin();
    const xml = await respond(url, { issuer: ISSUER, pair });
    expect(wrap(xml)).not.toBe(xml);
    expect(wrap(xml)).toContain('root');
    expect(await accepted(wrap)).toBe(false);
    expect(await accepted(wrap, { signResponse: true })).toBe(false);
  });

  test('mutations, none accepted', async () => {
    expect(Object.keys(MUTATIONS).length).toBeGreaterThanOrEqual(30);
    const passed: string[] = [];
    for (const [name, change] of Object.entries(MUTATIONS)) {
      const changed = (xml: string) => {
        const other = change(xml);
        if (other === xml) passed.push(`${name}: nothing was changed`);
        return other;
      };
      if (await accepted(changed)) passed.push(name);
    }
    expect(passed).toEqual([]);
  });

  test.each([
    ['another key', {}, true],
    ['old', { lifetimeInSeconds: -600 }, false],
    ['another audience, signed', { audience: 'https://other.example' }, false],
    ['another recipient, signed', { recipient: 'https://other.example/acs' }, false],
    ['another request, signed', { inResponseTo: '_other' }, false],
    ['another issuer, signed', { issuer: 'https://evil.example' }, false],
    [
      'a transient name',
      { nameIdentifierFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient' },
      false,
    ],
    ['SHA-1 for real', { signatureAlgorithm: 'rsa-sha1', digestAlgorithm: 'sha1' }, false],
    ['only the envelope signed', { signAssertion: false, signResponse: true }, false],
  ] as const)('%s is refused', async (_name, more, strange) => {
    expect(await accepted((xml) => xml, more, strange ? stranger : pair)).toBe(false);
  });

  test('a sign-in that began at the provider is refused, and the page is told so', async () => {
    const { browser, url } = await begin();
    for (const relay of ['', 'https://somewhere.example', 'x'.repeat(43)]) {
      const xml = await respond(url, { issuer: ISSUER, pair, more: { inResponseTo: undefined } });
      expect(xml).not.toContain('InResponseTo');
      expect((await post(browser, relay, xml)).url).toContain('problem=saml_unasked');
    }
    // Also with the state of an attempt that is under way: it answers no request.
    const { browser: other, url: to, relay } = await begin();
    const bare = await respond(to, { issuer: ISSUER, pair, more: { inResponseTo: undefined } });
    expect((await post(other, relay, bare)).url).toContain('problem=invalid_key');
    expect((await other.call(gateway.url, 'GET', '/api/account')).status).toBe(401);
  });

  test('an encrypted assertion is refused, and the page is told why', async () => {
    const { browser, url, relay } = await begin();
    const publicKey = createPublicKey(pair.cert).export({ type: 'spki', format: 'pem' });
    const more = { encryptionCert: pair.cert, encryptionPublicKey: publicKey };
    const xml = await respond(url, { issuer: ISSUER, pair, more });
    expect(xml).toContain('EncryptedAssertion');
    expect((await post(browser, relay, xml)).url).toContain('problem=saml_encrypted');
    expect((await browser.call(gateway.url, 'GET', '/api/account')).status).toBe(401);
  });

  test('metadata names our address', async () => {
    const answer = await fetch(`${gateway.url}/auth/saml/corp/metadata`);
    expect(await answer.text()).toContain(`${gateway.url}/auth/saml/corp/acs`);
  });
});
