import { LeaseCount, leaseUntil } from './lease-count.ts';
import { type LimitName, type RateState, type Rule, SPANS } from './rate-state.ts';
import {
  type CountedUntil,
  type CountGrant,
  CountShare,
  type CountUse,
  type CountWish,
} from './shared-count.ts';
import type { SlidingCount } from './sliding-count.ts';
import type { RateLimits } from './virtual-key.ts';

/** Something to ask the other processes for. */
export interface Wanted {
  readonly wish: CountWish;
  /** What came of it. */
  granted(grant: CountGrant): void;
  /** Nobody knows what came of it. */
  lost(): void;
}

/** What the other processes are to be told. */
export interface Told {
  readonly counts: readonly CountedUntil[];
  /** Nobody knows whether they were. */
  lost(): void;
}

/** One account and what a request takes of it. */
export interface Taking {
  readonly share: CountShare;
  readonly count?: SlidingCount;
  readonly until: number;
  readonly amount: number;
  readonly limit: number;
}

/** What a count of an identity is called between processes. */
export function accountOf(id: string, name: LimitName): string {
  return `${name === 'concurrency' ? 'lease' : 'rate'}/${name}/${id}`;
}

/** The limit and the identity an account belongs to; `undefined` for leases, which nobody takes over. */
export function partsOf(account: string): { readonly name: Rule['name']; readonly id: string } | undefined {
  const [kind, name = '', ...id] = account.split('/');
  if (kind !== 'rate' || !Object.hasOwn(SPANS, name)) return undefined;
  return { name: name as Rule['name'], id: id.join('/') };
}

/** The counts of one limiter as other processes know them. */
export class RateSharing {
  readonly #unwritten = new Set<CountShare>();

  /** Sees to it that the counts of an identity, and its leases where they are limited, are shared. */
  share(state: RateState): void {
    for (let at = 0; at < state.rules.length; at++) {
      const count = state.counts[at] as SlidingCount;
      count.share ??= this.#newShare(state, (state.rules[at] as Rule).name, count);
    }
    if (!state.limitsLeases || state.leased !== undefined) return;
    state.leased = new LeaseCount(state.leases);
    state.leased.share = this.#newShare(state, 'concurrency', state.leased);
  }

  #newShare({ id }: RateState, name: LimitName, use: CountUse): CountShare {
    return new CountShare(accountOf(id, name), use, this.#unwritten);
  }

  /** What to ask for, so that all that is to be taken may be. */
  want(takings: Iterable<Taking>): readonly Wanted[] {
    const known = new Map<CountShare, Taking & { readonly least: number }>();
    for (const taking of takings) {
      const before = known.get(taking.share);
      const amount = taking.amount + (before?.amount ?? 0);
      known.set(taking.share, {
        ...taking,
        amount,
        least: Math.min(taking.amount, before?.least ?? Infinity),
      });
    }
    return [...known.values()].flatMap((taking) => wantedOf(taking));
  }

  /** Everything that changed; counts as told. */
  take(now: number): Told {
    const told = [...this.#unwritten].map((share) => ({ share, counts: share.take(now) }));
    return {
      counts: told.flatMap(({ counts }) => counts),
      lost() {
        for (const { share, counts } of told) for (const { until } of counts) share.lost(until);
      },
    };
  }
}

function wantedOf({ share, count, until, limit, ...taking }: Taking & { readonly least: number }): Wanted[] {
  const room = share.room(until);
  const amount = taking.amount - room;
  if (amount <= 0) return [];
  const least = Math.max(0, taking.least - room);
  return [
    {
      wish: { account: share.account, until, amount, least, limit },
      granted(grant) {
        share.granted(until, grant.amount);
        count?.putOthers(grant.others);
      },
      lost: () => share.lost(until),
    },
  ];
}

/** What a request takes of an identity whose counts are shared. */
export function* takingsOf(
  state: RateState,
  wish: {
    readonly limits: RateLimits;
    readonly expiresAt: number;
    readonly amountOf: (rule: Rule) => number;
  },
): Generator<Taking> {
  for (let at = 0; at < state.rules.length; at++) {
    const rule = state.rules[at] as Rule;
    const count = state.counts[at] as SlidingCount;
    const { share, until } = count;
    if (share !== undefined) yield { share, count, until, amount: wish.amountOf(rule), limit: rule.limit };
  }
  const share = state.leased?.share;
  const { concurrency: limit } = wish.limits;
  if (share !== undefined && limit !== undefined) yield { share, until: leaseUntil(wish), amount: 1, limit };
}
