import type { Signature } from '../model/index.ts';

/** Who made a signature; see {@link Signature}. */
export type Issuer = Signature['issuer'];

/** Model families (`ModelProfile.family`) whose opaque reasoning state has a named issuer. */
const ISSUERS: Readonly<Record<string, Issuer>> = {
  claude: 'claude',
  gemini: 'gemini',
  gpt: 'openai',
  openai: 'openai',
  deepseek: 'deepseek',
};

const NAMES: ReadonlySet<string> = new Set(['claude', 'gemini', 'openai', 'deepseek', 'other']);

/** Marks a foreign value in a dialect's own signature field. The vendors' values are base64 and hold no colon. */
const PREFIX = 'sluice:1:';

/**
 * The issuer whose signatures a model of this family reads. A family nobody described is taken for one of the format's
 * home issuer, because that is who its owner's endpoint serves.
 */
export function issuerOf(family: string, home: Issuer = 'other'): Issuer {
  return Object.hasOwn(ISSUERS, family) ? (ISSUERS[family] ?? home) : home;
}

/**
 * Whether a signature may be sent to a model of `family`: opaque state goes back to its issuer only (WIRE §2.1
 * "reasoning replay"); everyone else answers it with a 400.
 */
export function mayReplay(signature: Signature, family: string, home: Issuer = 'other'): boolean {
  return signature.issuer === issuerOf(family, home);
}

/** A signature out of a dialect's field, with what else the field had to carry for it. */
export interface CarriedSignature {
  readonly signature: Signature;
  /** Id of the reasoning item it belongs to (OpenAI Responses). */
  readonly id?: string;
  /** It belongs to the part before the one that carries it: Gemini signs calls and texts, Anthropic only thoughts. */
  readonly previous?: boolean;
}

/**
 * The text for a dialect's signature field. A value of the dialect's home issuer passes unchanged; a foreign one becomes
 * `sluice:1:<issuer>[;id=…][;previous]:<value>`, so that the client hands it back without knowing what it is.
 */
export function wrapSignature(carried: CarriedSignature, home: Issuer): string {
  const { signature, id, previous } = carried;
  if (signature.issuer === home && previous !== true) return signature.value;
  const item = id === undefined ? '' : `;id=${encodeURIComponent(id)}`;
  return `${PREFIX}${signature.issuer}${item}${previous === true ? ';previous' : ''}:${signature.value}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Reads what {@link wrapSignature} wrote; any other value is a native one of the dialect's home issuer. */
export function unwrapSignature(text: string, home: Issuer): CarriedSignature {
  const native: CarriedSignature = { signature: { issuer: home, value: text } };
  if (!text.startsWith(PREFIX)) return native;
  const colon = text.indexOf(':', PREFIX.length);
  if (colon < 0) return native;
  const [issuer = '', ...notes] = text.slice(PREFIX.length, colon).split(';');
  if (!NAMES.has(issuer)) return native;
  const item = notes.find((note) => note.startsWith('id='));
  return {
    signature: { issuer: issuer as Issuer, value: text.slice(colon + 1) },
    ...(item === undefined ? {} : { id: decoded(item.slice(3)) }),
    ...(notes.includes('previous') ? { previous: true } : {}),
  };
}
