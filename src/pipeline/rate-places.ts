import type { RatePlace, RateRule } from '../core/policy/rate-rule.ts';
import { type Scope, scopeName } from '../core/policy/scope.ts';
import type { ScopeIndex } from '../core/policy/scope-index.ts';
import type { PlaceLimits, VirtualKey } from '../core/policy/virtual-key.ts';
import { scopeFacts } from './budget-finder.ts';
import type { Principal } from './exchange.ts';
import type { Granted } from './policy-facts.ts';

/** Where limits come from. */
export interface LimitSources {
  /** A snapshot: another object when a place's limits changed. */
  readonly places: { limitsOf(scope: string): PlaceLimits | undefined };
  readonly rules: ScopeIndex<RateRule>;
}

const NONE: readonly RatePlace[] = Object.freeze([]);

function limitsAnything(limits: PlaceLimits | undefined): limits is PlaceLimits {
  return limits !== undefined && Object.values(limits).some((value) => typeof value === 'number');
}

function placeOf(id: string, limits: PlaceLimits): RatePlace {
  const { on_limit, max_wait_ms: maxWaitMs = 10_000, max_waiting: maxWaiting = 100 } = limits;
  return { id, limits, queue: on_limit === 'queue' ? { maxWaitMs, maxWaiting } : undefined };
}

function ofKey(key: VirtualKey | undefined): readonly RatePlace[] {
  return key !== undefined && limitsAnything(key.limits)
    ? [placeOf(scopeName({ kind: 'key', id: key.id }), key.limits)]
    : NONE;
}

/** Finds the limits of a request; what follows from the key alone is found once per key and set of limits. */
export class RatePlaces {
  #sources: LimitSources | undefined;
  #ofPlaces = new WeakMap<readonly Scope[], readonly RatePlace[]>();

  find(exchange: Granted, sources: LimitSources): readonly RatePlace[] {
    const { principal } = exchange;
    if (sources.places !== this.#sources?.places || sources.rules !== this.#sources.rules) {
      this.#sources = sources;
      this.#ofPlaces = new WeakMap();
    }
    let fixed = this.#ofPlaces.get(principal.scopes);
    if (fixed === undefined) {
      fixed = this.#fixed(principal, sources);
      this.#ofPlaces.set(principal.scopes, fixed);
    }
    const { rules } = sources;
    if (rules.size === 0) return fixed;
    const applied = rules.find(principal.scopes, scopeFacts(exchange, rules as unknown as ScopeIndex<never>));
    if (applied.length === 0) return fixed;
    return [
      ...fixed,
      ...applied.map(({ rule, account }) => ({ id: account, limits: rule.limits, queue: rule, rule })),
    ];
  }

  /** Those of the key and of its places. Keys' own first: they are the tightest as a rule. */
  #fixed({ key, scopes }: Principal, { places }: LimitSources): readonly RatePlace[] {
    const found = [...ofKey(key)];
    for (const scope of scopes) {
      const name = scopeName(scope);
      const limits = scope.kind === 'key' ? undefined : places.limitsOf(name);
      if (limitsAnything(limits)) found.push(placeOf(name, limits));
    }
    return found.length === 0 ? NONE : found;
  }
}
