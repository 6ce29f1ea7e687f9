import { badRequest } from '../../core/errors/error.ts';
import type { Page, PageRequest } from '../../ports/store.ts';

/** A place in a list ordered by a number and then by an id, newest first. */
export interface Place {
  readonly at: number;
  readonly id: string;
}

/** The most rows of a page. */
const MAX_LIMIT = 500;

/** Rows to return. Throws `bad_request` outside 1 to 500. */
export function limitOf(page: PageRequest): number {
  if (!Number.isInteger(page.limit) || page.limit < 1 || page.limit > MAX_LIMIT) {
    throw badRequest('limit', `limit must be a whole number from 1 to ${MAX_LIMIT}.`);
  }
  return page.limit;
}

/** Where the page begins; undefined for the first. Throws `bad_request` for a cursor that is not ours. */
export function placeOf(page: PageRequest): Place | undefined {
  if (page.cursor === undefined) {
    return undefined;
  }
  const match = /^(\d{1,15})~([\w.-]{1,128})$/.exec(page.cursor);
  if (match === null) {
    throw badRequest('cursor', 'cursor must be a next_cursor of an earlier answer.');
  }
  return { at: Number(match[1]), id: match[2] ?? '' };
}

/** A page from one row more than was asked for, which tells whether there is another. */
export function pageOf<Row, T>(
  rows: readonly Row[],
  limit: number,
  shape: { readonly place: (row: Row) => Place; readonly item: (row: Row) => T },
): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const data = shown.map(shape.item);
  if (rows.length <= limit || last === undefined) {
    return { data };
  }
  const place = shape.place(last);
  return { data, nextCursor: `${place.at}~${place.id}` };
}
