const TAB = 0x09;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const DIGIT_ZERO = 0x30;
const POINT = 0x2e;
const OPEN = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE = 0x5d;
/** Above this a unit is more than one byte, or nothing that is written as it is. */
const LAST_PLAIN = 0x7e;
const FIRST_CAPACITY = 1 << 16;
/** A buffer that once grew beyond this is not kept. */
const KEPT_CAPACITY = 1 << 20;
/** UTF-8 needs at most three bytes per UTF-16 unit. */
const BYTES_PER_UNIT = 3;
/** The longest integer JSON writes digit by digit, with its comma. */
const NUMBER_BYTES = 24;
const BILLION = 1_000_000_000;

/**
 * Writes values the way `JSON.stringify` writes an array of them, straight into one growing buffer: building the array, its
 * text, and the bytes of that cost several times as much. Every value is followed by a comma, which `close` and `end` take
 * back.
 */
export class JsonWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity = FIRST_CAPACITY) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  /** Bytes written since the last `clear`. */
  get length(): number {
    return this.#length;
  }

  /** What was written from here on; valid until the next change. */
  bytes(from = 0): Buffer {
    return this.#bytes.subarray(from, this.#length);
  }

  /** Takes back what was written behind this length. */
  cut(length: number): void {
    this.#length = length;
  }

  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > KEPT_CAPACITY) this.#bytes = Buffer.allocUnsafe(FIRST_CAPACITY);
  }

  /** Puts a byte where one was written already. */
  put(at: number, byte: number): void {
    this.#bytes[at] = byte;
  }

  /** Leaves room for what `put` will write. */
  skip(bytes: number): void {
    this.#reserve(bytes);
    this.#length += bytes;
  }

  byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = byte;
  }

  /** Any text as it is. */
  text(text: string): void {
    this.#reserve(text.length * BYTES_PER_UNIT);
    const bytes = this.#bytes;
    const start = this.#length;
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit > LAST_PLAIN) {
        this.#length = start + bytes.write(text, start);
        return;
      }
      bytes[start + index] = unit;
    }
    this.#length = start + text.length;
  }

  /** Begins an array. */
  open(): void {
    this.byte(OPEN);
  }

  /** Ends the array that was begun last. */
  close(): void {
    this.#takeComma();
    this.byte(CLOSE);
    this.byte(COMMA);
  }

  /** Ends a value that is not inside of another; what comes next stands behind a tab. */
  tab(): void {
    this.#takeComma();
    this.byte(TAB);
  }

  /** Ends the last value. */
  end(): void {
    this.#takeComma();
  }

  /** A string; absent ones are null. */
  string(value: string | null | undefined): void {
    if (value === undefined || value === null) {
      this.nothing();
      return;
    }
    this.#reserve(value.length + 3);
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = QUOTE;
    for (let index = 0; index < value.length; index++) {
      const unit = value.charCodeAt(index);
      if (unit < SPACE || unit > LAST_PLAIN || unit === QUOTE || unit === BACKSLASH) {
        this.json(value);
        return;
      }
      bytes[at++] = unit;
    }
    bytes[at++] = QUOTE;
    bytes[at++] = COMMA;
    this.#length = at;
  }

  /** A number; absent ones are null. */
  number(value: number | null | undefined): void {
    if (value === undefined || value === null) {
      this.nothing();
      return;
    }
    if (!(value >= 0)) {
      this.json(value);
      return;
    }
    this.#reserve(NUMBER_BYTES);
    if (Number.isSafeInteger(value)) {
      this.#whole(value);
      this.#bytes[this.#length++] = COMMA;
      return;
    }
    // Times are rounded to the microsecond.
    const thousandths = Math.round(value * 1000);
    if (thousandths >= BILLION || thousandths / 1000 !== value) {
      this.json(value);
      return;
    }
    this.#whole(Math.floor(thousandths / 1000));
    this.#fraction((thousandths | 0) % 1000);
    this.#bytes[this.#length++] = COMMA;
  }

  boolean(value: boolean): void {
    this.text(value ? 'true,' : 'false,');
  }

  /** Any other value. */
  json(value: unknown): void {
    this.text(JSON.stringify(value));
    this.byte(COMMA);
  }

  /** What is absent: null. */
  nothing(): void {
    this.text('null,');
  }

  #takeComma(): void {
    if (this.#bytes[this.#length - 1] === COMMA) this.#length--;
  }

  #whole(value: number): void {
    if (value < BILLION) {
      this.#digits(value, widthOf(value));
      return;
    }
    const high = Math.floor(value / BILLION);
    this.#digits(high, widthOf(high));
    this.#digits(value - high * BILLION, 9);
  }

  /** Thousandths, without the zeros at their end. */
  #fraction(thousandths: number): void {
    this.#bytes[this.#length++] = POINT;
    if (thousandths % 10 !== 0) this.#digits(thousandths, 3);
    else if (thousandths % 100 !== 0) this.#digits(thousandths / 10, 2);
    else this.#digits(thousandths / 100, 1);
  }

  /** So many digits of a number below 2^31. */
  #digits(value: number, width: number): void {
    const bytes = this.#bytes;
    let rest = value | 0;
    for (let at = this.#length + width - 1; at >= this.#length; at--) {
      const tenth = (rest / 10) | 0;
      bytes[at] = DIGIT_ZERO + rest - tenth * 10;
      rest = tenth;
    }
    this.#length += width;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.bytes().copy(larger);
    this.#bytes = larger;
  }
}

/** How many digits a number below a billion has. */
function widthOf(value: number): number {
  let width = 1;
  for (let bound = 10; value >= bound; bound *= 10) width++;
  return width;
}
