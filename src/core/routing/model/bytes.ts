/** Our binary files: "SLRM", a version, the length of a JSON header, the header, then arrays in the order it names them. */
const MAGIC = 0x53_4c_52_4d;
const VERSION = 1;
const PREFIX = 12;

/** A header and the byte arrays that follow it. */
export interface Packed {
  readonly header: unknown;
  readonly arrays: readonly Uint8Array[];
}

/** The bytes of an array, without a copy. */
export const bytesOf = (array: ArrayBufferView) =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Writes header and arrays as one file. */
export function packBytes(header: object, arrays: readonly Uint8Array[]): Uint8Array {
  const sizes = arrays.map((array) => array.byteLength);
  const text = new TextEncoder().encode(JSON.stringify({ sizes, header }));
  const bytes = new Uint8Array(PREFIX + text.length + sizes.reduce((sum, size) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint32(4, VERSION);
  view.setUint32(8, text.length);
  bytes.set(text, PREFIX);
  let at = PREFIX + text.length;
  for (const array of arrays) {
    bytes.set(array, at);
    at += array.byteLength;
  }
  return bytes;
}

/** Reads what `packBytes` wrote; the arrays are copies. Throws `RangeError` on anything else. */
export function unpackBytes(bytes: Uint8Array): Packed {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < PREFIX || view.getUint32(0) !== MAGIC || view.getUint32(4) !== VERSION)
    throw new RangeError('These bytes are no prompt model of this version.');
  const end = PREFIX + view.getUint32(8);
  if (end > bytes.length) throw new RangeError('The prompt model is cut off.');
  const { sizes, header } = parseHeader(bytes.subarray(PREFIX, end));
  let at = end;
  const arrays = sizes.map((size) => {
    at += size;
    // A copy also of Node's buffers, whose `slice` is a view.
    return new Uint8Array(bytes.subarray(at - size, at));
  });
  if (at !== bytes.length) throw new RangeError('The prompt model is cut off.');
  return { header, arrays };
}

function parseHeader(text: Uint8Array): { sizes: number[]; header: unknown } {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(text));
    const { sizes, header } = parsed as { sizes: unknown; header: unknown };
    if (Array.isArray(sizes) && sizes.every((size) => Number.isSafeInteger(size) && size >= 0))
      return { sizes: sizes as number[], header };
  } catch {
    // Told below: what cannot be read is damaged.
  }
  throw new RangeError('The header of the prompt model is damaged.');
}
