/** The same bytes as a `Buffer`, for its searches; a view is made only of what is none yet, never a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Bytes as a string of one character each, so that positions in text and bytes are the same. */
export function latin1(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('latin1');
}
