/**
 * Damerau-Levenshtein distance in its optimal string alignment form: insertions, deletions, substitutions and swaps of
 * neighbours, each costing 1. Compares without regard to case and treats `-` and `_` as equal.
 */
export function distance(left: string, right: string): number {
  const a = fold(left);
  const b = fold(right);
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let best = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (same ? 0 : 1),
      );
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) best = Math.min(best, at(beforeLast, column - 2) + 1);
      current.push(best);
    }
    beforeLast = last;
    last = current;
  }
  return at(last, b.length);
}

/**
 * The candidate most like `word`, or `undefined` when none is near: at most a third of its letters differ, or one is
 * the beginning of the other (`max_body` for `max_body_mb`). Ties go to the first candidate.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const given = word.slice(0, 64);
  let best: string | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const cost = costOf(given, candidate);
    if (cost < bestCost) {
      best = candidate;
      bestCost = cost;
    }
  }
  return best;
}

function costOf(given: string, candidate: string): number {
  const edits = distance(given, candidate);
  if (edits <= Math.max(1, Math.floor(Math.max(given.length, candidate.length) / 3))) return edits;
  const [short, long] = given.length < candidate.length ? [given, candidate] : [candidate, given];
  const isPart =
    short.length >= 4 && (fold(long).startsWith(fold(short)) || fold(long).endsWith(fold(short)));
  return isPart ? edits : Number.POSITIVE_INFINITY;
}

function fold(word: string): string {
  return word.toLowerCase().replaceAll('-', '_');
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? 0;
}
