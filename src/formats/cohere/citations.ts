import { type Citation, isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
import { unknownFields } from '../fields.ts';
import { extended, own } from './wire.ts';

const PLACE_FIELDS = new Set(['start', 'end', 'content_index']);

function word(value: Json | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function offset(value: Json | undefined): number | undefined {
  const number = toNumber(value);
  return typeof number === 'number' && number >= 0 ? number : undefined;
}

/**
 * Reads one entry of `citations`. Offsets are code points of the text block it points to. It may name several
 * sources; the first gives title and address, all of them are kept.
 */
export function decodeCitation(entry: JsonObject): Citation {
  const sources = Array.isArray(entry['sources']) ? entry['sources'] : [];
  const source = isObject(sources[0]) ? sources[0] : {};
  const held = source['document'] ?? source['tool_output'];
  const data = isObject(held) ? held : {};
  const url = word(data['url']);
  const documentId = word(source['id']);
  const title = word(data['title']);
  const start = offset(entry['start']);
  const end = offset(entry['end']);
  return {
    kind: url === undefined ? 'document' : 'url',
    ...(url === undefined ? {} : { url }),
    ...(documentId === undefined ? {} : { documentId }),
    ...(title === undefined ? {} : { title }),
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    ...extended(unknownFields(entry, PLACE_FIELDS)),
  };
}

/**
 * The number of the content block a citation points to; `undefined` if it is not one of the answer's text.
 */
export function contentIndex(entry: JsonObject): number | undefined {
  if (entry['type'] !== undefined && entry['type'] !== 'TEXT_CONTENT') return undefined;
  return offset(entry['content_index']);
}

/** Writes a citation of `text`, the block numbered `index`. */
export function encodeCitation(citation: Citation, text: string, index: number): JsonObject {
  const points = [...text];
  const start = citation.start ?? 0;
  const end = citation.end ?? points.length;
  const brought = own(citation.extensions);
  const place = { start, end, ...(index === 0 ? {} : { content_index: index }) };
  if (Object.keys(brought).length > 0) return { ...brought, ...place };
  const id = citation.documentId ?? citation.url ?? 'source';
  const document: JsonObject = { id };
  if (citation.title !== undefined) document['title'] = citation.title;
  if (citation.url !== undefined) document['url'] = citation.url;
  if (citation.quote !== undefined) document['snippet'] = citation.quote;
  const cited = points.slice(start, end).join('');
  return { text: cited, sources: [{ type: 'document', id, document }], type: 'TEXT_CONTENT', ...place };
}
