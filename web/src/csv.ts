/** What a spreadsheet would run as a formula; some accept the full-width forms too. */
const FORMULA_START = /^[=+\-@\uff1d\uff0b\uff0d\uff20]/;
/** Skipped before it by some: white space and control characters. */
const BLANKS = /^[\s\p{Cc}]+/u;

/**
 * One CSV cell, always quoted. Text that a spreadsheet would take for a formula gets an apostrophe in front, since model
 * names, tags and users come from clients (RELIABILITY T16). Numbers stay numbers.
 */
export function csvCell(value: string | number | null): string {
  if (value === null) return '""';
  if (typeof value === 'number') return String(value);
  const safe = FORMULA_START.test(value.replace(BLANKS, '')) ? `'${value}` : value;
  return `"${safe.replaceAll('"', '""')}"`;
}

/** Rows as RFC 4180 text with a header line. */
export function toCsv(
  header: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string {
  return [header, ...rows].map((row) => `${row.map(csvCell).join(',')}\r\n`).join('');
}

/** Hands a text to the browser as a file. */
export function downloadText(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // Freed later: some browsers start reading after the click has returned.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
