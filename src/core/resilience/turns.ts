/** Routes remembered; patterns let clients invent names, and a forgotten route merely starts its round anew. */
const MAX_ROUTES = 2000;

/** Whose turn it is: an id and its share relative to the others of the same call. */
export interface Turn {
  readonly id: string;
  readonly weight: number;
}

/**
 * Smooth weighted round robin, as nginx balances its upstreams: each call adds every weight to its own credit, takes the
 * largest credit and subtracts the sum from it. Weights 5:1:1 give `a a b a c a a`, never five `a` in a row and then the
 * others. Credits survive changes of weight; entries that left are forgotten. Pure.
 */
export class Turns {
  readonly #routes = new Map<string, Map<string, number>>();

  /** Index of whose turn it is; −1 for an empty list. */
  take(route: string, turns: readonly Turn[]): number {
    if (turns.length < 2) return turns.length - 1;
    const credits = this.#creditsOf(route);
    let best = -1;
    let bestCredit = Number.NEGATIVE_INFINITY;
    let sum = 0;
    for (const [index, { id, weight }] of turns.entries()) {
      const credit = (credits.get(id) ?? 0) + weight;
      credits.set(id, credit);
      sum += weight;
      if (credit > bestCredit) {
        best = index;
        bestCredit = credit;
      }
    }
    const winner = turns[best];
    if (winner !== undefined) credits.set(winner.id, bestCredit - sum);
    if (credits.size > turns.length) forgetOthers(credits, turns);
    return best;
  }

  /** Routes remembered. */
  get size(): number {
    return this.#routes.size;
  }

  #creditsOf(route: string): Map<string, number> {
    let credits = this.#routes.get(route);
    if (credits === undefined) {
      if (this.#routes.size >= MAX_ROUTES) {
        const [oldest] = this.#routes.keys();
        if (oldest !== undefined) this.#routes.delete(oldest);
      }
      credits = new Map();
      this.#routes.set(route, credits);
    }
    return credits;
  }
}

/**
 * Entries that are not asked for now keep their credit for a while: they may only be resting. Twice as many as there are
 * now cannot all be.
 */
function forgetOthers(credits: Map<string, number>, turns: readonly Turn[]): void {
  if (credits.size <= 2 * turns.length + 8) return;
  const present = new Set(turns.map(({ id }) => id));
  for (const id of credits.keys()) if (!present.has(id)) credits.delete(id);
}
