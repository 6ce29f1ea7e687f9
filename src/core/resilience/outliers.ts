/** When a deployment is left out because it does much worse than its siblings. */
export interface OutlierPolicy {
  /** Least share of failures in the last minute, percent; and at least three times the siblings' median. */
  readonly errorPercent: number;
  /** How many times the siblings' median time to the first byte it takes; 0 never. */
  readonly latencyFactor: number;
  /** Answers in the last minute before it is judged. */
  readonly minRequests: number;
  /** How long it is left out the first time; the n-th time in a row n times as long. */
  readonly ejectMs: number;
  readonly maxEjectMs: number;
}

/** How one of the siblings did in the last minute. */
export interface Conduct {
  readonly id: string;
  readonly good: number;
  readonly bad: number;
  /** Decayed time to the first byte; 0 when unknown. Milliseconds. */
  readonly latencyMs: number;
  /** Left out for another reason: an open circuit. */
  readonly out: boolean;
}

/** Why a deployment is left out. */
export type OutlierReason = 'errors' | 'latency';

interface Ejection {
  until: number;
  times: number;
  reason: OutlierReason;
}

interface Group {
  checkedAt: number;
  readonly ejections: Map<string, Ejection>;
}

/** Siblings are compared this often at most: what is decided holds for much longer. */
const CHECK_EVERY_MS = 1000;
/** So many times the siblings' failures is much worse. */
const ERROR_FACTOR = 3;
/** Slower by less than this is not worth leaving anybody out. */
const LATENCY_FLOOR_MS = 500;
const MAX_GROUPS = 2000;

/**
 * Ejects outliers among the deployments of one route: much more failures or much slower than the median of the others.
 * Never more than half of them, counting those whose circuit is open, and never the last. A route's verdicts hold for
 * that route only, because they compare. Pure; times are monotonic milliseconds.
 */
export class Outliers {
  readonly #groups = new Map<string, Group>();

  /** Until when a sibling is left out; `undefined` when it is not. */
  ejectedUntil(route: string, id: string, now: number): number | undefined {
    const until = this.#groups.get(route)?.ejections.get(id)?.until;
    return until !== undefined && until > now ? until : undefined;
  }

  /** Whether a comparison is due; the caller gathers the facts only then. */
  due(route: string, now: number): boolean {
    const group = this.#groups.get(route);
    return group === undefined || now - group.checkedAt >= CHECK_EVERY_MS;
  }

  /**
   * Compares the siblings. `slow`: whether slowness counts, too. Returns those newly left out. The worst goes first when
   * not all may go.
   */
  judge(
    route: string,
    siblings: readonly Conduct[],
    given: { readonly policy: OutlierPolicy; readonly slow: boolean; readonly now: number },
  ): readonly { readonly id: string; readonly reason: OutlierReason }[] {
    const { policy, slow, now } = given;
    const group = this.#groupOf(route);
    group.checkedAt = now;
    const isOut = ({ id, out }: Conduct) => out || (group.ejections.get(id)?.until ?? 0) > now;
    let allowed = Math.floor(siblings.length / 2) - siblings.filter(isOut).length;
    const present = siblings.filter((sibling) => !isOut(sibling));
    const found = present
      .map((sibling) => ({ sibling, ...verdict(sibling, present, { policy, slow }) }))
      .filter(({ badness }) => badness > 1)
      .sort((a, b) => b.badness - a.badness);
    const ejected = [];
    for (const { sibling, reason } of found) {
      if (allowed-- <= 0) break;
      this.#eject(group, { id: sibling.id, reason }, given);
      ejected.push({ id: sibling.id, reason });
    }
    return ejected;
  }

  /** Everybody left out now, for the operator. */
  view(now: number): readonly {
    readonly route: string;
    readonly id: string;
    readonly until: number;
    readonly reason: OutlierReason;
  }[] {
    return [...this.#groups].flatMap(([route, { ejections }]) =>
      [...ejections]
        .filter(([, { until }]) => until > now)
        .map(([id, { until, reason }]) => ({ route, id, until, reason })),
    );
  }

  #eject(
    group: Group,
    { id, reason }: { id: string; reason: OutlierReason },
    { policy, now }: { policy: OutlierPolicy; now: number },
  ): void {
    const before = group.ejections.get(id);
    // Who did well for as long as anybody is left out at most begins anew.
    const again = before !== undefined && now - before.until <= policy.maxEjectMs;
    const times = again ? before.times + 1 : 1;
    group.ejections.set(id, {
      until: now + Math.min(policy.ejectMs * times, policy.maxEjectMs),
      times,
      reason,
    });
  }

  #groupOf(route: string): Group {
    let group = this.#groups.get(route);
    if (group === undefined) {
      if (this.#groups.size >= MAX_GROUPS) {
        const [oldest] = this.#groups.keys();
        if (oldest !== undefined) this.#groups.delete(oldest);
      }
      group = { checkedAt: Number.NEGATIVE_INFINITY, ejections: new Map() };
      this.#groups.set(route, group);
    }
    return group;
  }
}

function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined || sorted.length % 2 === 1) return upper;
  return ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** How many times worse than tolerable a sibling is: above 1 it is an outlier. */
function verdict(
  sibling: Conduct,
  present: readonly Conduct[],
  { policy, slow }: { readonly policy: OutlierPolicy; readonly slow: boolean },
): { readonly badness: number; readonly reason: OutlierReason } {
  const enough = ({ good, bad }: Conduct) => good + bad >= policy.minRequests;
  const none = { badness: 0, reason: 'errors' } as const;
  if (!enough(sibling)) return none;
  // One that works keeps getting requests, one that fails may get few: a sibling is known from fewer than it takes to judge.
  const others = present.filter(
    (other) => other !== sibling && (other.good + other.bad) * 4 >= policy.minRequests,
  );
  if (others.length === 0) return none;
  const failures = ({ good, bad }: Conduct) => bad / (good + bad);
  const usual = median(others.map(failures)) ?? 0;
  const errors = failures(sibling) / Math.max(policy.errorPercent / 100, usual * ERROR_FACTOR, 1e-9);
  if (errors >= 1) return { badness: 1 + errors, reason: 'errors' };
  if (!slow || policy.latencyFactor <= 0) return none;
  const times = others.map(({ latencyMs }) => latencyMs).filter((ms) => ms > 0);
  const pace = median(times);
  if (pace === undefined) return none;
  const latency = sibling.latencyMs / Math.max(pace * policy.latencyFactor, pace + LATENCY_FLOOR_MS);
  return latency > 1 ? { badness: latency, reason: 'latency' } : none;
}
