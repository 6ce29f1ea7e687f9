import { ownFieldsOf } from '../own-fields.ts';

/** This format's id, also the key of its extensions. */
export const FORMAT = 'bedrock-converse';

/**
 * Media types by Converse's `format` words (API reference: ImageBlock, DocumentBlock, VideoBlock,
 * AudioBlock).
 */
export const MEDIA_TYPES = {
  image: { png: 'image/png', jpeg: 'image/jpeg', gif: 'image/gif', webp: 'image/webp' },
  document: {
    pdf: 'application/pdf',
    csv: 'text/csv',
    doc: 'application/msword',
    docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    xls: 'application/vnd.ms-excel',
    xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    html: 'text/html',
    txt: 'text/plain',
    md: 'text/markdown',
  },
  video: {
    mp4: 'video/mp4',
    mov: 'video/quicktime',
    mkv: 'video/x-matroska',
    webm: 'video/webm',
    flv: 'video/x-flv',
    mpeg: 'video/mpeg',
    mpg: 'video/mpg',
    wmv: 'video/x-ms-wmv',
    three_gp: 'video/3gpp',
  },
  audio: {
    mp3: 'audio/mpeg',
    wav: 'audio/wav',
    aac: 'audio/aac',
    flac: 'audio/flac',
    ogg: 'audio/ogg',
    opus: 'audio/opus',
    mp4: 'audio/mp4',
    webm: 'audio/webm',
    mkv: 'audio/x-matroska',
    m4a: 'audio/x-m4a',
  },
} as const satisfies Record<string, Readonly<Record<string, string>>>;

export type MediaKind = keyof typeof MEDIA_TYPES;

const ALIASES: Readonly<Record<string, string>> = {
  'image/jpg': 'image/jpeg',
  'audio/mp3': 'audio/mpeg',
  'audio/x-wav': 'audio/wav',
  'audio/wave': 'audio/wav',
  'text/x-markdown': 'text/markdown',
  'application/x-pdf': 'application/pdf',
};

/** How the bytes of images begin, in base64. */
const IMAGE_STARTS: readonly (readonly [string, string])[] = [
  ['iVBORw0KGgo', 'png'],
  ['/9j/', 'jpeg'],
  ['R0lGOD', 'gif'],
  ['UklGR', 'webp'],
];

/** Media type of a `format` word; unknown words are kept so that they return unchanged. */
export function mediaTypeOf(kind: MediaKind, format: string): string {
  const known: Readonly<Record<string, string>> = MEDIA_TYPES[kind];
  return known[format] ?? `${kind === 'document' ? 'application' : kind}/${format}`;
}

/**
 * Converse's word for a media type, `undefined` if it has none. `data` is base64, read where the type says
 * nothing.
 */
export function formatWordOf(kind: MediaKind, mediaType: string, data = ''): string | undefined {
  const plain = mediaType.toLowerCase().split(';')[0]?.trim() ?? '';
  const type = ALIASES[plain] ?? plain;
  for (const [word, known] of Object.entries(MEDIA_TYPES[kind])) if (known === type) return word;
  if (kind !== 'image') return undefined;
  return IMAGE_STARTS.find(([start]) => data.startsWith(start))?.[1];
}

export const { extended, own } = ownFieldsOf(FORMAT);
export { fromUpstream } from '../own-fields.ts';
