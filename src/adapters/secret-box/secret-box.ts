import { createCipheriv, createDecipheriv, createHmac, hash, hkdfSync, randomBytes } from 'node:crypto';
import { SluiceError } from '../../core/errors/error.ts';
import type { SecretBox } from '../../ports/secret-box.ts';
import { openMasterKeys } from './master-keys.ts';

/** A secret box that can also sign, for example the audit chain. */
export interface SigningSecretBox extends SecretBox {
  /** HMAC-SHA256 of `text`, base64url, under a key of its own per purpose. */
  sign(text: string, purpose: string): string;
}

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Of the sealed form: `v1.` and, in base64url, nonce, ciphertext and tag. */
const VERSION = 'v1.';
/** SHA-256 works on blocks of 64 bytes (RFC 2104). */
const BLOCK_BYTES = 64;
const HASH_BYTES = 32;
/** Keys are short; a longer text takes the slow way. */
const MAX_FAST_BYTES = 1024;
/** Hashes of keys kept, about a megabyte; a flood of guesses only empties them. */
const MAX_REMEMBERED = 4096;

/** What a secret box works with, 32 bytes each. */
export interface BoxKeys {
  /** What virtual keys are hashed with. */
  readonly pepper: Uint8Array;
  readonly sealing: Uint8Array;
  /** From which the key of each purpose is derived that signs. */
  readonly signing: Uint8Array;
}

/** The secret box over the master key of a data directory alone, without the keyring that a gateway keeps. */
export function openSecretBox(directory: string): SigningSecretBox {
  return createSecretBox(keysOfMaster(openMasterKeys(directory).current().bytes));
}

function derive(secret: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `sluice/${purpose}/v1`, KEY_BYTES));
}

/** Every purpose has its own key, derived with HKDF-SHA256 (RFC 5869). */
export function keysOfMaster(master: Uint8Array): BoxKeys {
  return { pepper: derive(master, 'virtual-key'), sealing: derive(master, 'seal'), signing: master };
}

/** The secret box over these keys. */
export function createSecretBox({ pepper, sealing, signing }: BoxKeys): SigningSecretBox {
  const hashKey = remembered(keyedHash(Buffer.from(pepper)));
  const sealer = Buffer.from(sealing);
  const signers = new Map<string, Buffer>();
  return {
    hashKey,
    seal: (plain, place) => seal(sealer, plain, place),
    open: (sealed, place) => open(sealer, sealed, place),
    sign(text, purpose) {
      const key = signers.get(purpose) ?? derive(signing, `sign/${purpose}`);
      signers.set(purpose, key);
      return createHmac('sha256', key).update(text).digest('base64url');
    },
  };
}

/**
 * Keeps the last few thousand answers: the same keys come with every request, and a look-up costs a tenth of two hashes.
 * What it remembers is in memory anyway, with each request, and goes with the process.
 */
function remembered(hashOf: (text: string) => string): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const hashed = hashOf(text);
    if (text.length * 3 <= MAX_FAST_BYTES) {
      if (known.size >= MAX_REMEMBERED) known.clear();
      known.set(text, hashed);
    }
    return hashed;
  };
}

/**
 * HMAC-SHA256 (RFC 2104) written out over one-shot hashes and two kept buffers: it runs on every request, and
 * `createHmac` takes several times as long.
 */
function keyedHash(key: Buffer): (text: string) => string {
  const inner = Buffer.alloc(BLOCK_BYTES + MAX_FAST_BYTES);
  const outer = Buffer.alloc(BLOCK_BYTES + HASH_BYTES);
  for (let index = 0; index < BLOCK_BYTES; index += 1) {
    inner[index] = (key[index] ?? 0) ^ 0x36;
    outer[index] = (key[index] ?? 0) ^ 0x5c;
  }
  return (text) => {
    if (text.length * 3 > MAX_FAST_BYTES) {
      return createHmac('sha256', key).update(text).digest('base64url');
    }
    const end = BLOCK_BYTES + inner.write(text, BLOCK_BYTES, 'utf8');
    outer.write(hash('sha256', inner.subarray(0, end), 'binary'), BLOCK_BYTES, 'latin1');
    return hash('sha256', outer, 'base64url');
  };
}

function seal(key: Buffer, plain: string, place: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(VERSION + place));
  const sealed = Buffer.concat([nonce, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
  return VERSION + sealed.toString('base64url');
}

function open(key: Buffer, sealed: string, place: string): string {
  const bytes = Buffer.from(sealed.slice(VERSION.length), 'base64url');
  try {
    if (!sealed.startsWith(VERSION) || bytes.length < NONCE_BYTES + TAG_BYTES) {
      throw new RangeError('not a sealed value');
    }
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(VERSION + place));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const text = bytes.subarray(NONCE_BYTES, -TAG_BYTES);
    return decipher.update(text, undefined, 'utf8') + decipher.final('utf8');
  } catch (error) {
    throw new SluiceError(
      'internal',
      'A stored secret cannot be opened: it was altered, or master.key is another one. Enter the secret again.',
      { cause: error },
    );
  }
}
