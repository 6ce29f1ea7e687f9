/** Signatures that are worth something. SHA-1 is not among them. */
const SIGNATURES = new Set([
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha384',
  'http://www.w3.org/2001/04/xmldsig-more#rsa-sha512',
]);
const DIGESTS = new Set([
  'http://www.w3.org/2001/04/xmlenc#sha256',
  'http://www.w3.org/2001/04/xmldsig-more#sha384',
  'http://www.w3.org/2001/04/xmlenc#sha512',
]);
/** What a signature may do to what it covers: nothing but leave itself out and write it canonically. */
const TRANSFORMS = new Set([
  'http://www.w3.org/2000/09/xmldsig#enveloped-signature',
  'http://www.w3.org/2001/10/xml-exc-c14n#',
]);

interface Tag {
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** Local names from the root down, without its own. */
  readonly above: readonly string[];
}

const MAX_TAGS = 5000;
const TAG =
  /<(\/?)(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/gy;
const ATTRIBUTE = /([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

/** The start tags of a document; `undefined` for anything that is not plain, well-formed XML. */
function tagsOf(xml: string): readonly Tag[] | undefined {
  const tags: Tag[] = [];
  const open: string[] = [];
  let at = 0;
  while (at < xml.length) {
    const next = xml.indexOf('<', at);
    if (next < 0) break;
    TAG.lastIndex = next;
    const found = TAG.exec(xml);
    if (found === null || tags.length > MAX_TAGS) return undefined;
    const [whole, closing, name = '', attributes = '', empty] = found;
    at = next + whole.length;
    if (closing === '/') {
      if (open.pop() !== name) return undefined;
      continue;
    }
    if (open.length === 0 && tags.length > 0) return undefined;
    const pairs = [...attributes.matchAll(ATTRIBUTE)].map(
      ([, key = '', double, single]) => [key, double ?? single ?? ''] as const,
    );
    const map = new Map(pairs);
    if (map.size !== pairs.length) return undefined;
    tags.push({ name, attributes: map, above: [...open] });
    if (empty !== '/') open.push(name);
  }
  return open.length === 0 ? tags : undefined;
}

/** Where each part of a response may stand, and how often. Everything that carries meaning is in exactly one place. */
const PLACES: Readonly<Record<string, readonly [max: number, ...above: string[]]>> = {
  Response: [1, ''],
  Status: [1, 'Response'],
  Assertion: [1, 'Response'],
  Subject: [1, 'Response/Assertion'],
  NameID: [1, 'Response/Assertion/Subject'],
  SubjectConfirmation: [1, 'Response/Assertion/Subject'],
  SubjectConfirmationData: [1, 'Response/Assertion/Subject/SubjectConfirmation'],
  Conditions: [1, 'Response/Assertion'],
  AudienceRestriction: [1, 'Response/Assertion/Conditions'],
  Issuer: [2, 'Response', 'Response/Assertion'],
  Signature: [2, 'Response', 'Response/Assertion'],
  SignedInfo: [2, 'Response/Signature', 'Response/Assertion/Signature'],
  Reference: [2, 'Response/Signature/SignedInfo', 'Response/Assertion/Signature/SignedInfo'],
  EncryptedAssertion: [0],
  EncryptedID: [0],
  EncryptedAttribute: [0],
  Object: [0],
};

function isPlaced(tags: readonly Tag[]): boolean {
  const seen = new Map<string, number>();
  for (const { name, above } of tags) {
    const place = PLACES[name];
    if (place === undefined) continue;
    const [max, ...allowed] = place;
    // Twice in the same place is as bad as once in a wrong one.
    const path = above.join('/');
    const here = `${name} in ${path}`;
    seen.set(name, (seen.get(name) ?? 0) + 1);
    seen.set(here, (seen.get(here) ?? 0) + 1);
    if (!allowed.includes(path) || (seen.get(name) ?? 0) > max || (seen.get(here) ?? 0) > 1) return false;
  }
  return seen.has('Assertion') && seen.has('Signature in Response/Assertion');
}

function algorithmsAreGood(tags: readonly Tag[]): boolean {
  const every = (name: string, good: ReadonlySet<string>) =>
    tags.every((tag) => tag.name !== name || good.has(tag.attributes.get('Algorithm') ?? ''));
  return (
    every('SignatureMethod', SIGNATURES) && every('DigestMethod', DIGESTS) && every('Transform', TRANSFORMS)
  );
}

/** Each signature covers the element it stands in, by its id, and no id exists twice. */
function referencesAreGood(tags: readonly Tag[]): boolean {
  const ids = tags.flatMap(({ attributes }) =>
    ['ID', 'Id', 'id', 'xml:id', 'AssertionID'].flatMap((name) => attributes.get(name) ?? []),
  );
  if (new Set(ids).size !== ids.length) return false;
  const idOf = (name: string) => tags.find((tag) => tag.name === name)?.attributes.get('ID');
  return tags.every(({ name, above, attributes }) => {
    if (name !== 'Reference') return true;
    const id = idOf(above.includes('Assertion') ? 'Assertion' : 'Response');
    return id !== undefined && id !== '' && attributes.get('URI') === `#${id}`;
  });
}

/** What the envelope of a response says; the envelope itself may be unsigned. */
export interface Envelope {
  readonly destination: string | undefined;
  readonly inResponseTo: string | undefined;
  readonly status: string | undefined;
  readonly assertionId: string;
}

/**
 * Refuses every response whose shape leaves room for doubt before a signature is looked at: comments, document types and
 * CDATA (text that reads differently to different parsers), more than one assertion, assertions or subjects in unusual
 * places (signature wrapping, XSW 1 to 8), ids that exist twice, signatures over something else than the element they
 * stand in, weak algorithms. Profile: SAML 2.0 Web Browser SSO, one unencrypted signed assertion.
 * @returns `undefined` for a response that is refused
 */
export function envelopeOf(xml: string): Envelope | undefined {
  const text = xml.replace(/^\uFEFF?\s*<\?xml[^?<>]*\?>/, '');
  if (/<[!?]/.test(text)) return undefined;
  // Only the five entities of XML itself and characters by number.
  if (/&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});)/.test(text)) return undefined;
  const tags = tagsOf(text);
  if (tags === undefined || !isPlaced(tags) || !algorithmsAreGood(tags) || !referencesAreGood(tags)) {
    return undefined;
  }
  const [response] = tags;
  const code = tags.find(({ name, above }) => name === 'StatusCode' && above.join('/') === 'Response/Status');
  const assertion = tags.find(({ name }) => name === 'Assertion');
  return {
    destination: response?.attributes.get('Destination'),
    inResponseTo: response?.attributes.get('InResponseTo'),
    status: code?.attributes.get('Value'),
    assertionId: assertion?.attributes.get('ID') ?? '',
  };
}
