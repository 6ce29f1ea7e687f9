/** A line of a difference: taken away, added, or the same in both. */
export interface DiffLine {
  readonly mark: '-' | '+' | ' ';
  readonly text: string;
}

const CONTEXT = 2;
/** Longer files are shown as a whole change: the table below has lines × lines places. */
const MAX_LINES = 2000;

function linesOf(text: string): readonly string[] {
  return text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/);
}

/** Length of the longest common run of lines from each pair of places on. */
function commonLengths(a: readonly string[], b: readonly string[]): Uint16Array[] {
  const table = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const row = table[i];
      const next = table[i + 1];
      if (row === undefined || next === undefined) continue;
      row[j] = a[i] === b[j] ? (next[j + 1] ?? 0) + 1 : Math.max(next[j] ?? 0, row[j + 1] ?? 0);
    }
  }
  return table;
}

function allLines(before: string, after: string): DiffLine[] {
  const a = linesOf(before);
  const b = linesOf(after);
  const removed = (text: string): DiffLine => ({ mark: '-', text });
  const added = (text: string): DiffLine => ({ mark: '+', text });
  if (Math.max(a.length, b.length) > MAX_LINES) return [...a.map(removed), ...b.map(added)];
  const table = commonLengths(a, b);
  const found: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    if (left !== undefined && left === right) {
      found.push({ mark: ' ', text: left });
      i++;
      j++;
    } else if (left !== undefined && (table[i + 1]?.[j] ?? 0) >= (table[i]?.[j + 1] ?? 0) && i < a.length) {
      found.push(removed(left));
      i++;
    } else if (right !== undefined) {
      found.push(added(right));
      j++;
    } else break;
  }
  return found;
}

/** What changes between two texts, with two lines around each change; empty when nothing does. */
export function diffLines(before: string, after: string): readonly DiffLine[] {
  const all = allLines(before, after);
  const near = (index: number) =>
    all.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some(({ mark }) => mark !== ' ');
  return all.filter((_line, index) => near(index));
}
