/**
 * Rows of a table as CSV (RFC 4180), the header as one of them. Names come from clients: a cell that a spreadsheet would run as a formula gets an apostrophe in
 * front (OWASP, "CSV injection"). Numbers are told by their type and stay numbers.
 */
export function csvOf(rows: readonly (readonly CsvCell[])[]): string {
  return rows.map((row) => `${row.map(cellOf).join()}\r\n`).join('');
}

/** Text, a number, or a decimal that must not be read as text. */
export type CsvCell = string | number | null | { readonly decimal: string };

function cellOf(cell: CsvCell): string {
  if (cell === null) return '';
  if (typeof cell === 'number') return String(cell);
  if (typeof cell === 'object') return cell.decimal;
  const safe = /^[\s\p{Cf}]*[=+\-@\t\r\n|%＝＋－＠]/u.test(cell) ? `'${cell}` : cell;
  return /[",;\r\n\t']/.test(safe) || safe !== safe.trim() ? `"${safe.replaceAll('"', '""')}"` : safe;
}
