import { badRequest } from '../core/errors/error.ts';
import type { JsonObject } from '../core/model/index.ts';

/** One part of a `multipart/form-data` body; `from` and `to` (exclusive) are where its content lies in the bytes. */
export interface FormPart {
  readonly name: string;
  /** Present on files. */
  readonly filename: string | undefined;
  readonly from: number;
  readonly to: number;
}

const MAX_PARTS = 64;
const MAX_HEADER_BYTES = 8192;
/** A plain field longer than this is no field of an API. */
const MAX_FIELD_BYTES = 65_536;

/** The boundary in a content type, or `undefined` when it is no form upload (RFC 7578, RFC 2046 §5.1.1). */
export function boundaryOf(contentType: string | undefined): string | undefined {
  if (contentType === undefined || !/^multipart\/form-data\s*;/i.test(contentType)) return undefined;
  const found = /;\s*boundary=(?:"([^"\r\n]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  return found?.[1] ?? found?.[2];
}

function malformed(): Error {
  return badRequest('body', 'The request body is not a valid `multipart/form-data` upload.');
}

function disposition(header: string): { name: string; filename: string | undefined } {
  const line = header.split('\r\n').find((text) => /^content-disposition:/i.test(text));
  const name = line === undefined ? undefined : /[;\s]name="((?:[^"\\]|\\.)*)"/i.exec(line)?.[1];
  if (line === undefined || name === undefined || !/form-data/i.test(line)) throw malformed();
  const filename = /[;\s]filename\*?="?([^"]*)"?/i.exec(line)?.[1];
  return { name, filename };
}

/**
 * Finds the parts of a form in its bytes without copying them. Throws `bad_request` for a body that does not end with its
 * last boundary, or has more parts or longer headers than any API needs.
 */
export function readForm(bytes: Buffer, boundary: string): readonly FormPart[] {
  const opening = Buffer.from(`--${boundary}`);
  const between = Buffer.from(`\r\n--${boundary}`);
  const parts: FormPart[] = [];
  if (!bytes.subarray(0, opening.length).equals(opening)) throw malformed();
  let at = opening.length;
  for (;;) {
    const mark = bytes.toString('latin1', at, at + 2);
    if (mark === '--') return parts;
    if (mark !== '\r\n' || parts.length >= MAX_PARTS) throw malformed();
    const headerEnd = bytes.indexOf('\r\n\r\n', at);
    if (headerEnd < 0 || headerEnd - at > MAX_HEADER_BYTES) throw malformed();
    const from = headerEnd + 4;
    const to = bytes.indexOf(between, from - 2);
    if (to < 0) throw malformed();
    parts.push({ ...disposition(bytes.toString('utf8', at + 2, headerEnd)), from: Math.min(from, to), to });
    at = to + between.length;
  }
}

/** The plain fields of a form. Throws `bad_request` when one is repeated, unless its name ends in `[]`. */
export function formFields(bytes: Buffer, parts: readonly FormPart[]): JsonObject {
  const fields: JsonObject = Object.create(null) as JsonObject;
  for (const { name, filename, from, to } of parts) {
    if (filename !== undefined || to - from > MAX_FIELD_BYTES) continue;
    if (name in fields && !name.endsWith('[]'))
      throw badRequest(name, `\`${name}\` is given more than once.`);
    fields[name] = bytes.toString('utf8', from, to);
  }
  return fields;
}

/** The form with one field's content replaced, everything else untouched. */
export function replaceField(
  bytes: Buffer,
  parts: readonly FormPart[],
  field: { readonly name: string; readonly value: string },
): Buffer {
  const part = parts.find(({ name, filename }) => name === field.name && filename === undefined);
  if (part === undefined) return bytes;
  return Buffer.concat([bytes.subarray(0, part.from), Buffer.from(field.value), bytes.subarray(part.to)]);
}
