import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { SluiceError } from '../../core/errors/error.ts';
import type { Envelope } from '../../ports/envelope.ts';
import type { MasterKey, MasterKeys } from './master-keys.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const VERSION = 'v2';

/** `v2.KEY.WRAPPED.BODY`: id of the master key, then in base64url the wrapped data key and the text. */
interface Parts {
  readonly keyId: string;
  readonly wrapped: string;
  readonly body: string;
}

function unreadable(cause?: unknown): SluiceError {
  return new SluiceError(
    'internal',
    'A stored secret cannot be opened: it was altered or moved, or the master key is another one. Enter the secret again.',
    { cause },
  );
}

function encrypt(key: Uint8Array, plain: Uint8Array, bound: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(bound));
  const text = [nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()];
  return Buffer.concat(text).toString('base64url');
}

function decrypt(key: Uint8Array, sealed: string, bound: string): Buffer {
  const bytes = Buffer.from(sealed, 'base64url');
  if (bytes.length < NONCE_BYTES + TAG_BYTES) throw unreadable();
  try {
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(bound));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const text = bytes.subarray(NONCE_BYTES, -TAG_BYTES);
    return Buffer.concat([decipher.update(text), decipher.final()]);
  } catch (error) {
    throw unreadable(error);
  }
}

/** The key that wraps data keys: the master key itself encrypts nothing (RFC 5869, one label per purpose). */
function wrappingKey({ bytes }: MasterKey): Buffer {
  return Buffer.from(hkdfSync('sha256', bytes, '', 'sluice/wrap/v2', KEY_BYTES));
}

function partsOf(sealed: string): Parts {
  const [version, keyId = '', wrapped = '', body, ...more] = sealed.split('.');
  if (version !== VERSION || body === undefined || more.length > 0) throw unreadable();
  return { keyId, wrapped, body };
}

/** What ciphertexts are bound to. The id of the master key is not among it: another one may wrap the same data key. */
const boundTo = (part: 'key' | 'text', place: string) => `${VERSION}/${part}/${place}`;

/** Envelope encryption with AES-256-GCM (NIST SP 800-38D) under the master keys. */
export function createEnvelope(masters: MasterKeys): Envelope {
  function dataKey({ keyId, wrapped }: Parts, place: string): Buffer {
    const master = masters.find(keyId);
    if (master === undefined) throw unreadable();
    return decrypt(wrappingKey(master), wrapped, boundTo('key', place));
  }

  function wrap(key: Uint8Array, body: string, place: string): string {
    const master = masters.current();
    return [VERSION, master.id, encrypt(wrappingKey(master), key, boundTo('key', place)), body].join('.');
  }

  return {
    seal(plain, place) {
      const key = randomBytes(KEY_BYTES);
      return wrap(key, encrypt(key, Buffer.from(plain, 'utf8'), boundTo('text', place)), place);
    },
    open(sealed, place) {
      const parts = partsOf(sealed);
      return decrypt(dataKey(parts, place), parts.body, boundTo('text', place)).toString('utf8');
    },
    rewrap(sealed, place) {
      const parts = partsOf(sealed);
      if (parts.keyId === masters.current().id) return undefined;
      return wrap(dataKey(parts, place), parts.body, place);
    },
  };
}
