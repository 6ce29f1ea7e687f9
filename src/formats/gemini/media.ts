import type { MediaPart } from '../../core/model/index.ts';

/** Media types by file extension, of the kinds Gemini documents as input. */
const TYPES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  gif: 'image/gif',
  heic: 'image/heic',
  heif: 'image/heif',
  bmp: 'image/bmp',
  svg: 'image/svg+xml',
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  html: 'text/html',
  csv: 'text/csv',
  json: 'application/json',
  xml: 'text/xml',
  wav: 'audio/wav',
  mp3: 'audio/mp3',
  aac: 'audio/aac',
  ogg: 'audio/ogg',
  flac: 'audio/flac',
  m4a: 'audio/mp4',
  mp4: 'video/mp4',
  mpeg: 'video/mpeg',
  mov: 'video/mov',
  webm: 'video/webm',
};

/** What is sent where neither the client nor the URL says: the commonest type of each kind. */
const GUESSES: Readonly<Record<MediaPart['type'], string>> = {
  image: 'image/jpeg',
  document: 'application/pdf',
  audio: 'audio/mp3',
  video: 'video/mp4',
};

/** The media type that a URL's file extension stands for; YouTube links are videos. */
export function mediaTypeOf(url: string): string | undefined {
  if (/^https?:\/\/(?:www\.|m\.)?(?:youtube\.com|youtu\.be)\//.test(url)) return 'video/mp4';
  const path = url.split(/[?#]/, 1)[0] ?? '';
  const extension = /\.([A-Za-z0-9]+)$/.exec(path)?.[1]?.toLowerCase();
  return extension === undefined ? undefined : TYPES[extension];
}

/** The commonest media type of a kind, for URLs that say nothing. */
export function guessMediaType(kind: MediaPart['type']): string {
  return GUESSES[kind];
}

/** Google knows `image/jpeg` only. */
export function googleMediaType(mediaType: string): string {
  return mediaType === 'image/jpg' ? 'image/jpeg' : mediaType;
}
