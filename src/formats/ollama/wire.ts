import type { MediaPart } from '../../core/model/index.ts';
import { ownFieldsOf } from '../own-fields.ts';

/** This format's id, also the key of its extensions. */
export const FORMAT = 'ollama';

export const { extended, own } = ownFieldsOf(FORMAT);
export { fromUpstream } from '../own-fields.ts';

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
