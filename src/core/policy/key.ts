/** What every key of ours begins with. */
export const KEY_PREFIX = 'sk-sluice-';

/** Random bytes a key is made from: 192 bits. */
export const KEY_RANDOM_BYTES = 24;

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** ceil(192 / log2(62)) */
const RANDOM_LENGTH = 33;
/** ceil(32 / log2(62)) */
const CHECKSUM_LENGTH = 6;
const SHAPE = /^sk-sluice-[0-9A-Za-z]{39}$/;

/**
 * The secret of a virtual key: prefix, 192 random bits in base 62, and a CRC-32 of both in base 62, so that a mistyped
 * or cut-off key can be told from an unknown one without a look-up.
 * @throws RangeError unless given exactly `KEY_RANDOM_BYTES` bytes
 */
export function makeKey(random: Uint8Array): string {
  if (random.length !== KEY_RANDOM_BYTES) {
    throw new RangeError(`A key needs ${KEY_RANDOM_BYTES} random bytes.`);
  }
  let number = 0n;
  for (const byte of random) {
    number = (number << 8n) | BigInt(byte);
  }
  const body = KEY_PREFIX + base62(number, RANDOM_LENGTH);
  return body + checksum(body);
}

/** Whether this is a key as `makeKey` makes them, checksum included. Says nothing about whether it was issued. */
export function isWellFormedKey(key: string): boolean {
  if (!SHAPE.test(key)) {
    return false;
  }
  const body = key.slice(0, -CHECKSUM_LENGTH);
  return checksum(body) === key.slice(-CHECKSUM_LENGTH);
}

/**
 * Whether a key may ask for this model. `models` holds names or patterns in which `*` stands for any run of characters;
 * absent means every model, an empty list none. Case matters.
 */
export function isModelAllowed(models: readonly string[] | undefined, model: string): boolean {
  return models === undefined || models.some((pattern) => matchesPattern(pattern, model));
}

/**
 * Wildcard match without a regular expression, so that no pattern takes exponential time: on a mismatch only the last
 * `*` is widened, which is enough because `*` is greedy over everything before the next literal.
 */
export function matchesPattern(pattern: string, name: string): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  let position = 0;
  while (position < name.length) {
    if (pattern[at] === '*') {
      star = at;
      at += 1;
      resume = position;
    } else if (at < pattern.length && pattern[at] === name[position]) {
      at += 1;
      position += 1;
    } else if (star >= 0) {
      resume += 1;
      at = star + 1;
      position = resume;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') {
    at += 1;
  }
  return at === pattern.length;
}

function checksum(text: string): string {
  return base62(BigInt(crc32(text)), CHECKSUM_LENGTH);
}

function base62(number: bigint, length: number): string {
  let rest = number;
  let digits = '';
  for (let index = 0; index < length; index += 1) {
    digits = (ALPHABET[Number(rest % 62n)] ?? '') + digits;
    rest /= 62n;
  }
  return digits;
}

/** CRC-32 as in ISO 3309 (polynomial 0xEDB88320), bit by bit: keys are short and rarely checked. */
function crc32(text: string): number {
  let crc = 0xffffffff;
  for (let index = 0; index < text.length; index += 1) {
    crc ^= text.charCodeAt(index) & 0xff;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
  }
  return (crc ^ 0xffffffff) >>> 0;
}
