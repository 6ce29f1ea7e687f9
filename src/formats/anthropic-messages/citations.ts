import { type Citation, isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import { FORMAT } from './names.ts';

function text(value: Json | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * Reads one entry of a text block's `citations`. Anthropic's indices point into the source, not into the answer, so they
 * stay in the extension; a citation covers the whole text part that carries it.
 */
export function decodeCitation(raw: Json): Citation | undefined {
  if (!isObject(raw)) return undefined;
  const url = text(raw['url']) ?? text(raw['source']);
  const isUrl = url !== undefined && /^https?:/i.test(url);
  const title = text(raw['title']) ?? text(raw['document_title']);
  const quote = text(raw['cited_text']);
  const documentId = text(raw['file_id']);
  return {
    kind: isUrl ? 'url' : 'document',
    ...(isUrl ? { url } : {}),
    ...(documentId === undefined ? {} : { documentId }),
    ...(title === undefined ? {} : { title }),
    ...(quote === undefined ? {} : { quote }),
    extensions: { [FORMAT]: raw },
  };
}

export function decodeCitations(raw: Json | undefined): readonly Citation[] {
  if (!Array.isArray(raw)) return [];
  return raw.map(decodeCitation).filter((citation) => citation !== undefined);
}

/** Writes a citation: Anthropic's own unchanged, another vendor's in the nearest shape. */
export function encodeCitation(citation: Citation): JsonObject {
  const own = citation.extensions?.[FORMAT];
  if (own !== undefined) return own;
  if (citation.url !== undefined) {
    return {
      type: 'web_search_result_location',
      cited_text: citation.quote ?? '',
      encrypted_index: '',
      title: citation.title ?? null,
      url: citation.url,
    };
  }
  return {
    type: 'char_location',
    cited_text: citation.quote ?? '',
    document_index: 0,
    document_title: citation.title ?? null,
    start_char_index: 0,
    end_char_index: 0,
    file_id: null,
  };
}
