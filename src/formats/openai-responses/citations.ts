import { type Citation, isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
import { compact, unknownFields } from '../fields.ts';
import { ownExtensions, ownFields } from './wire.ts';

const URL_FIELDS: ReadonlySet<string> = new Set(['type', 'url', 'title', 'start_index', 'end_index']);
const FILE_FIELDS: ReadonlySet<string> = new Set(['type', 'file_id', 'filename', 'index']);
/** `container_file_citation` and `file_path`: their type goes into the extension to tell them apart. */
const OTHER_FIELDS: ReadonlySet<string> = new Set(['file_id', 'filename', 'start_index', 'end_index']);

function text(value: Json | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function offset(value: Json | undefined): number | undefined {
  const number = toNumber(value);
  return typeof number === 'number' && Number.isInteger(number) ? number : undefined;
}

interface Fields {
  readonly url?: string | undefined;
  readonly documentId?: string | undefined;
  readonly title?: string | undefined;
  readonly start?: number | undefined;
  readonly end?: number | undefined;
}

function citation(kind: Citation['kind'], fields: Fields, rest: JsonObject | undefined): Citation {
  const { url, documentId, title, start, end } = fields;
  return {
    kind,
    ...(url === undefined ? {} : { url }),
    ...(documentId === undefined ? {} : { documentId }),
    ...(title === undefined ? {} : { title }),
    ...(start === undefined ? {} : { start }),
    ...(end === undefined ? {} : { end }),
    ...ownExtensions(rest),
  };
}

/** One annotation of an `output_text` part; `undefined` if it is no object. */
export function decodeAnnotation(value: Json | undefined): Citation | undefined {
  if (!isObject(value)) return undefined;
  const title = text(value['title']);
  const start = offset(value['start_index']);
  const end = offset(value['end_index']);
  if (value['type'] === 'url_citation') {
    const fields = { url: text(value['url']), title, start, end };
    return citation('url', fields, unknownFields(value, URL_FIELDS));
  }
  const documentId = text(value['file_id']);
  const filename = text(value['filename']);
  if (value['type'] === 'file_citation') {
    const fields = { documentId, title: filename, start: offset(value['index']) };
    return citation('document', fields, unknownFields(value, FILE_FIELDS));
  }
  return citation(
    'document',
    { documentId, title: filename, start, end },
    unknownFields(value, OTHER_FIELDS),
  );
}

/**
 * The annotation for a citation. `length` is the length of the text so far in code points: the format demands offsets, so
 * a citation without them covers everything before it.
 */
export function encodeAnnotation(cited: Citation, length: number): JsonObject {
  const rest = ownFields(cited) ?? {};
  if (rest['type'] !== undefined) {
    return compact({
      ...rest,
      file_id: cited.documentId,
      filename: cited.title,
      start_index: cited.start,
      end_index: cited.end,
    });
  }
  if (cited.kind === 'url' || cited.url !== undefined) {
    const url = cited.url ?? '';
    return {
      type: 'url_citation',
      start_index: cited.start ?? 0,
      end_index: cited.end ?? length,
      url,
      title: cited.title ?? url,
      ...rest,
    };
  }
  return {
    type: 'file_citation',
    file_id: cited.documentId ?? '',
    filename: cited.title ?? '',
    index: cited.start ?? 0,
    ...rest,
  };
}

/** Length in Unicode code points. */
export function codePoints(value: string): number {
  let total = value.length;
  for (let i = 0; i < value.length - 1; i++) {
    if ((value.charCodeAt(i) & 0xfc00) === 0xd800 && (value.charCodeAt(i + 1) & 0xfc00) === 0xdc00) total--;
  }
  return total;
}
