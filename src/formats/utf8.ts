import { SluiceError } from '../core/errors/error.ts';

/** Text of bytes that may end inside a character; the last call is without `bytes`. */
export type DecodeUtf8 = (bytes?: Uint8Array) => string;

/**
 * A strict decoder for one stream, without a leading byte order mark. Throws `upstream_malformed` for bytes that are no
 * UTF-8; half a character at the end is left out, because the stream was cut there and says so by itself.
 */
export function createUtf8Decoder(): DecodeUtf8 {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  return (bytes) => {
    if (bytes === undefined) return '';
    try {
      return decoder.decode(bytes, { stream: true });
    } catch {
      throw new SluiceError('upstream_malformed', 'The provider sent text that is not valid UTF-8.');
    }
  };
}
