import { SluiceError } from '../../core/errors/error.ts';
import type { ChatRequest, FormatId, Message, Part, Signature } from '../../core/model/index.ts';
import { hashHex } from './seed.ts';

type Issuer = Signature['issuer'];

/** Whose reasoning state an upstream of this format signs; the others sign nothing. */
const ISSUER_OF: Readonly<Partial<Record<FormatId, Issuer>>> = {
  'anthropic-messages': 'claude',
  'bedrock-converse': 'claude',
  gemini: 'gemini',
  'openai-responses': 'openai',
};

/** Values Google documents for calls that no Gemini model made; clients that hold bytes (Python) send them as base64. */
const SKIPPED = new Set(
  ['skip_thought_signature_validator', 'context_engineering_is_the_way_to_go'].flatMap((word) => [
    word,
    btoa(word),
  ]),
);

/** The issuer that signs in this format. */
export function issuerFor(format: FormatId): Issuer | undefined {
  return ISSUER_OF[format];
}

/** Standard base64 without I/O; the text is ASCII. */
function base64(text: string): string {
  return btoa(text);
}

/** Signs `text` as the issuer would: opaque, bound to the text where the vendor binds it. */
export function sign(issuer: Issuer, text: string, nonce: string): Signature {
  const bound = issuer === 'claude' ? hashHex(text) : '';
  const body = `sim1.${issuer}.${nonce}.${bound}`;
  return { issuer, value: base64(`${body}.${hashHex(body)}`) };
}

/** True for a signature this simulator made for this issuer and, for Claude, for this very text. */
export function isGenuine(signature: Signature, text: string): boolean {
  let plain: string;
  try {
    plain = atob(signature.value);
  } catch {
    return false;
  }
  const dot = plain.lastIndexOf('.');
  const body = plain.slice(0, dot);
  const [mark, issuer, , bound] = body.split('.');
  if (mark !== 'sim1' || issuer !== signature.issuer || plain.slice(dot + 1) !== hashHex(body)) return false;
  return issuer !== 'claude' || bound === hashHex(text);
}

interface Spot {
  readonly part: Part;
  readonly message: number;
  readonly content: number;
}

const SENTENCES: Readonly<Partial<Record<Issuer, (spot: Spot) => string>>> = {
  claude: ({ message, content }) =>
    `messages.${message}.content.${content}: Invalid \`signature\` in \`thinking\` block`,
  gemini: () => 'Corrupted thought signature.',
  openai: () =>
    'The encrypted content could not be verified. Reason: Encrypted content could not be decrypted or parsed.',
};

function checkPart(issuer: Issuer, spot: Spot): void {
  const { part } = spot;
  if (!('signature' in part) || part.signature === undefined) return;
  if (issuer === 'gemini' && SKIPPED.has(part.signature.value)) return;
  const text = part.type === 'reasoning' ? part.text : '';
  const isOurs = part.signature.issuer === issuer && isGenuine(part.signature, text);
  if (isOurs) return;
  throw new SluiceError('bad_request', SENTENCES[issuer]?.(spot) ?? 'Invalid signature.');
}

/**
 * Verifies every signature that a conversation brings back, as the vendors do.
 * @throws SluiceError `bad_request` in the vendor's words when one was changed or comes from another issuer
 */
export function verifySignatures(request: ChatRequest, format: FormatId): void {
  const issuer = ISSUER_OF[format];
  if (issuer === undefined) return;
  for (const [message, { role, parts }] of (request.messages as readonly Message[]).entries()) {
    if (role !== 'assistant') continue;
    for (const [content, part] of parts.entries()) checkPart(issuer, { part, message, content });
  }
}
