import { SluiceError } from '../../core/errors/error.ts';
import type { Extensions, JsonObject, MediaPart } from '../../core/model/index.ts';

/** This format's id, also the key of its extensions. */
export const FORMAT = 'ollama';

/** Spread into a model object: the fields of this format it has no word for, if any. */
export function extended(fields: JsonObject | undefined): { readonly extensions?: Extensions } {
  return fields === undefined || Object.keys(fields).length === 0 ? {} : { extensions: { [FORMAT]: fields } };
}

/** The fields of this format that a model object brought along. */
export function own(extensions: Extensions | undefined): JsonObject {
  return extensions?.[FORMAT] ?? {};
}

/** Runs a reader of an answer: what would be the client's mistake in a request is the provider's here. */
export function fromUpstream<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'bad_request') throw error;
    throw new SluiceError('upstream_malformed', `The provider's answer is damaged: ${error.message}`);
  }
}

/** How the bytes of images begin, in base64; Ollama sends them without a type. */
const IMAGE_STARTS: readonly (readonly [string, string])[] = [
  ['iVBORw0KGgo', 'image/png'],
  ['/9j/', 'image/jpeg'],
  ['R0lGOD', 'image/gif'],
  ['UklGR', 'image/webp'],
];

/** An entry of `images`. */
export function decodeImage(data: string): MediaPart {
  const mediaType = IMAGE_STARTS.find(([start]) => data.startsWith(start))?.[1] ?? 'image/jpeg';
  return { type: 'image', source: { kind: 'base64', mediaType, data } };
}
