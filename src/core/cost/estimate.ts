/** Output assumed where neither the client nor the catalog names a limit. Tokens. */
export const DEFAULT_OUTPUT_TOKENS = 16_384;

/**
 * Tokens in a text, estimated from its bytes in one pass. Used where the vendor reports no usage, and for holds.
 *
 * The rule imitates the pre-tokeniser of the byte-pair encodings in use (source: the split pattern of `o200k_base` in
 * OpenAI's tiktoken): words of letters with the space before them, numbers in groups of at most three digits, runs of
 * punctuation, runs of white space; bytes above 127 are counted by how many bytes of a script fall on one token. It is
 * within 0.5 to 2 of the true count on prose, code, JSON and non-Latin scripts (see the test). A number is taken as a
 * count of bytes of English-like text, four to a token (OpenAI's help page "What are tokens").
 */
export function estimateTokens(text: string | Uint8Array | number): number {
  if (typeof text === 'number') {
    return text > 0 ? Math.ceil(text / 4) : 0;
  }
  return typeof text === 'string' ? estimateText(text) : estimateBytes(text);
}

/**
 * An upper estimate for holds: twice `estimateTokens`, and never more than a token per byte, which no byte-pair
 * encoding exceeds.
 */
export function reserveTokens(text: string | Uint8Array | number): number {
  const bytes = typeof text === 'number' ? text : typeof text === 'string' ? text.length * 3 : text.length;
  return Math.min(Math.max(0, Math.ceil(bytes)), estimateTokens(text) * 2);
}

const OTHER = 0;
const SPACE = 1;
const LOWER = 2;
const UPPER = 3;
const DIGIT = 4;
const HIGH = 5;

/** Bytes of one class that make a token on average; a run costs at least one. */
const BYTES_PER_TOKEN = [2, 8, 6, 3, 3, 3];

const CLASS_OF = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte >= 128) return HIGH;
  if (byte >= 97 && byte <= 122) return LOWER;
  if (byte >= 65 && byte <= 90) return UPPER;
  if (byte >= 48 && byte <= 57) return DIGIT;
  return byte <= 32 ? SPACE : OTHER;
});

function estimateBytes(bytes: Uint8Array): number {
  const run = new Run();
  for (let index = 0; index < bytes.length; index += 1) {
    run.add(CLASS_OF[bytes[index] as number] as number, 1);
  }
  return run.end();
}

function estimateText(text: string): number {
  const run = new Run();
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit < 128) {
      run.add(CLASS_OF[unit] as number, 1);
    } else {
      // UTF-8 length of the unit; each half of a surrogate pair counts two.
      run.add(HIGH, unit < 0x800 || (unit >= 0xd800 && unit < 0xe000) ? 2 : 3);
    }
  }
  return run.end();
}

/** Adds up runs of one class. A capital begins a word, so `getName` is two. */
class Run {
  #tokens = 0;
  #kind = SPACE;
  #length = 0;

  add(kind: number, bytes: number): void {
    if (kind === this.#kind) {
      this.#length += bytes;
    } else if (kind === LOWER && this.#kind === UPPER && this.#length === 1) {
      this.#kind = LOWER;
      this.#length = 2;
    } else {
      this.#close();
      this.#kind = kind;
      this.#length = bytes;
    }
  }

  end(): number {
    this.#close();
    return this.#tokens;
  }

  #close(): void {
    // One space belongs to the word after it.
    const length = this.#kind === SPACE ? this.#length - 1 : this.#length;
    if (length > 0) {
      this.#tokens += Math.ceil(length / (BYTES_PER_TOKEN[this.#kind] as number));
    }
  }
}
