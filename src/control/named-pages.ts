import { badRequest } from '../core/errors/error.ts';

/** Which page is asked for; without a limit all that is left. */
interface NamedPage {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/** The name a cursor stands for. Throws `bad_request` for one that no answer gave. */
function nameIn(cursor: string): string {
  const [, encoded = ''] = /^after~([\w-]{1,480})$/.exec(cursor) ?? [];
  const name = Buffer.from(encoded, 'base64url').toString('utf8');
  if (encoded !== '' && Buffer.from(name, 'utf8').toString('base64url') === encoded) return name;
  throw badRequest('cursor', '`cursor` must be a `next_cursor` of an earlier answer.');
}

/**
 * A page of a list that is in memory, in the order of its names; the cursor is the last name shown, so that what comes and
 * goes in between neither repeats a row nor hides one. Throws `bad_request` for a cursor that no answer gave.
 */
export function pageByName<Row>(
  all: readonly Row[],
  page: NamedPage,
  nameOf: (row: Row) => string,
): { data: Row[]; next_cursor: string | null } {
  const { limit = Math.max(1, all.length), cursor } = page;
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  const after = cursor === undefined ? undefined : nameIn(cursor);
  const sorted = [...all].sort((a, b) => order(nameOf(a), nameOf(b)));
  const rest = after === undefined ? sorted : sorted.filter((row) => nameOf(row) > after);
  const data = rest.slice(0, limit);
  const last = data.at(-1);
  const more = rest.length > data.length && last !== undefined;
  return { data, next_cursor: more ? `after~${Buffer.from(nameOf(last)).toString('base64url')}` : null };
}
