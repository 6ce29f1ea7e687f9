import { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { SluiceError } from '../../core/errors/error.ts';

/** A compressed stream, decoded. Rare: the gateway asks for identity, some vendors compress all the same. */
export async function* decompressed(
  chunks: AsyncIterable<Uint8Array>,
  coding: string,
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
    for await (const chunk of decoder) yield chunk as Uint8Array;
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
