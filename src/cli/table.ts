import { clean, displayWidth, type Paint, pad, truncate } from './text.ts';

/** A column: its heading, and how its cells stand. */
export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** May be cut when the screen is too narrow; the widest such column loses first. */
  readonly shrinks?: boolean;
}

/** What a table is made of; cells are cleaned of control characters here. */
export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
}

/** A column that may shrink keeps at least this. */
const MIN_WIDTH = 8;
const GAP = '  ';

/** Widths that fit: columns that may shrink give way, the widest first, until the screen is wide enough. */
function fitWidths(widths: readonly number[], columns: readonly Column[], screen: number): readonly number[] {
  const fitted = [...widths];
  let excess = fitted.reduce((sum, width) => sum + width, 0) + GAP.length * (fitted.length - 1) - screen;
  while (excess > 0) {
    let widest = -1;
    for (const [index, width] of fitted.entries()) {
      const best = widest === -1 ? MIN_WIDTH : (fitted[widest] ?? 0);
      if (columns[index]?.shrinks === true && width > best) widest = index;
    }
    if (widest === -1) break;
    fitted[widest] = (fitted[widest] ?? 0) - 1;
    excess--;
  }
  return fitted;
}

/** Lines of a table, heading first. `width` is the screen's, `undefined` where nothing is to be cut. */
export function tableLines(
  table: Table,
  screen: { readonly width: number | undefined; readonly paint: Paint },
): readonly string[] {
  const rows = table.rows.map((row) => row.map(clean));
  const natural = table.columns.map((column, index) =>
    Math.max(displayWidth(column.title), ...rows.map((row) => displayWidth(row[index] ?? ''))),
  );
  const widths = screen.width === undefined ? natural : fitWidths(natural, table.columns, screen.width);
  const line = (cells: readonly string[]) => {
    const joined = table.columns
      .map(({ align }, index) => {
        const width = widths[index] ?? 0;
        return pad(truncate(cells[index] ?? '', width), width, align);
      })
      .join(GAP)
      .trimEnd();
    // Columns that may not shrink can still be wider than the screen together.
    return screen.width === undefined ? joined : truncate(joined, screen.width);
  };
  return [screen.paint('dim', line(table.columns.map(({ title }) => title))), ...rows.map(line)];
}

/** Label and value, one pair a line, values aligned. */
export function factLines(
  facts: readonly (readonly [label: string, value: string])[],
  paint: Paint,
): string[] {
  const width = Math.max(0, ...facts.map(([label]) => displayWidth(label)));
  return facts.map(([label, value]) => `${paint('dim', pad(label, width))}  ${clean(value)}`);
}

/** 1234567 as `1,234,567`. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** An amount as the gateway gave it, with a dollar sign; `–` where it is not known. */
export function dollars(usd: string | null): string {
  return usd === null ? '–' : `$${usd}`;
}
