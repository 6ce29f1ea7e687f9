import { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { SluiceError } from '../../core/errors/error.ts';

/** A stream that goes on beyond any answer. */
export function streamTooLarge(): SluiceError {
  return new SluiceError('upstream_too_large', 'The provider’s stream went on beyond the size limit.');
}

/** A text stream shrinks to a tenth or less; what grows more than this when decoded is made to do harm. */
const MAX_RATIO = 200;
/** Short streams may shrink as they like. */
const BOMB_FROM_BYTES = 1024 * 1024;

function bomb(): SluiceError {
  return new SluiceError('upstream_malformed', 'The provider sent a compressed stream that expands too far.');
}

/** A compressed stream, decoded, up to `limit` bytes. Rare: the gateway asks for identity, some vendors compress all the same. */
export async function* decompressed(
  chunks: AsyncIterable<Uint8Array>,
  coding: string,
  limit: number,
): AsyncGenerator<Uint8Array, undefined> {
  const decoder =
    coding === 'br'
      ? createBrotliDecompress()
      : coding === 'gzip' || coding === 'x-gzip'
        ? createGunzip()
        : coding === 'deflate'
          ? createInflate()
          : undefined;
  if (decoder === undefined) {
    throw new SluiceError('upstream_malformed', 'The provider sent an unknown content encoding.');
  }
  const source = Readable.from(chunks);
  source.on('error', (error) => decoder.destroy(error));
  source.pipe(decoder);
  try {
    let size = 0;
    for await (const chunk of decoder as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > limit) throw streamTooLarge();
      // `bytesWritten` is what the decoder has taken so far, whatever is queued before it.
      if (size > BOMB_FROM_BYTES && size > decoder.bytesWritten * MAX_RATIO) throw bomb();
      yield chunk;
    }
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw new SluiceError(
      'upstream_malformed',
      'The provider sent a compressed stream that does not decode.',
      {
        cause: error,
      },
    );
  } finally {
    source.destroy();
    decoder.destroy();
  }
}
