import type { Citation, Json, JsonObject } from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
import { compact, unknownFields } from '../fields.ts';

const KNOWN = new Set(['url', 'title', 'content', 'start_index', 'end_index']);
const FILE_KNOWN = new Set(['file_id', 'filename', 'quote', 'start_index', 'end_index']);

function text(value: Json | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function offset(value: Json | undefined): number | undefined {
  const number = toNumber(value);
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

/** One entry of `annotations`; `undefined` for a kind that cites nothing. */
export function decodeCitation(annotation: JsonObject): Citation | undefined {
  const isUrl = isObject(annotation['url_citation']);
  const inner = annotation[isUrl ? 'url_citation' : 'file_citation'];
  if (!isObject(inner)) return undefined;
  const start = offset(inner['start_index']);
  const end = offset(inner['end_index']);
  const rest = unknownFields(inner, isUrl ? KNOWN : FILE_KNOWN);
  return compact({
    kind: isUrl ? 'url' : 'document',
    url: text(inner['url']),
    documentId: text(inner['file_id']),
    title: text(inner[isUrl ? 'title' : 'filename']),
    quote: text(inner[isUrl ? 'content' : 'quote']),
    start,
    end,
    extensions: rest === undefined ? undefined : { 'openai-chat': rest },
  }) as unknown as Citation;
}

/** Reads `annotations`. OpenAI counts characters; they are taken as code points. */
export function decodeCitations(value: Json | undefined): Citation[] {
  if (!Array.isArray(value)) return [];
  const found = value.map((entry) => (isObject(entry) ? decodeCitation(entry) : undefined));
  return found.filter((citation) => citation !== undefined);
}

/** Perplexity's flat list: `search_results` with titles, or `citations` with addresses only. */
export function flatCitations(body: JsonObject): Citation[] {
  const results = body['search_results'];
  if (Array.isArray(results) && results.length > 0) {
    return results.filter(isObject).flatMap((entry): Citation[] => {
      const url = text(entry['url']);
      const title = text(entry['title']);
      return url === undefined ? [] : [{ kind: 'url', url, ...(title === undefined ? {} : { title }) }];
    });
  }
  const plain = body['citations'];
  if (!Array.isArray(plain)) return [];
  return plain.flatMap((url): Citation[] => (typeof url === 'string' ? [{ kind: 'url', url }] : []));
}

/** A citation as an annotation; `before` is the number of code points of text in earlier parts. */
export function encodeCitation(citation: Citation, before: number): JsonObject {
  const { kind, url, documentId, title, quote, start, end } = citation;
  const range = {
    start_index: start === undefined ? undefined : start + before,
    end_index: end === undefined ? undefined : end + before,
  };
  const own = citation.extensions?.['openai-chat'];
  if (kind === 'url') {
    const inner = compact({ ...own, ...range, url: url ?? '', title: title ?? '', content: quote });
    return { type: 'url_citation', url_citation: inner };
  }
  const inner = compact({ ...own, ...range, file_id: documentId, filename: title, quote });
  return { type: 'file_citation', file_citation: inner };
}
