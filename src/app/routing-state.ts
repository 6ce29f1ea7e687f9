import { DEFAULT_THRESHOLDS, NO_PRIOR } from '../core/routing/decision/defaults.ts';
import { SessionBook } from '../core/routing/decision/sessions.ts';
import type { RoutePrior, Thresholds } from '../core/routing/decision/types.ts';
import type { PromptScorer, RouteOfRouter } from '../pipeline/routing.ts';
import type { ModelRoute } from '../pipeline/runtime.ts';
import type { PromptModel } from './prompt-model.ts';
import type { ShippedScorer } from './prompt-scorer.ts';

/** The model that a route has learned, with its version. */
export type RouteModels = (
  route: RouteOfRouter,
) => { readonly version: string; readonly model: PromptModel } | undefined;

/** Models the watcher compares. */
const MAX_IN_USE = 16;
/** Watched decisions a second: what they cost stays below what can be measured. */
const WATCHED_PER_SECOND = 20;

/** What routers learn and remember; outlives configurations. */
export class RoutingState {
  readonly sessions = new SessionBook();
  readonly #scorer: () => ShippedScorer;
  #routed: PromptScorer | undefined;
  /** Models of routes that have learned, once somebody learns them. */
  routeModels: RouteModels | undefined;
  readonly #inUse = new Set<string>();
  #second = 0;
  #watched = 0;
  /** Thresholds and priors by router, once somebody learns them. */
  learned: (router: string) => { readonly thresholds: Thresholds; readonly prior: RoutePrior } = () => ({
    thresholds: DEFAULT_THRESHOLDS,
    prior: NO_PRIOR,
  });

  constructor(scorer: () => ShippedScorer) {
    this.#scorer = scorer;
  }

  /** What is shipped, whatever routes have learned. */
  get shipped(): ShippedScorer {
    return this.#scorer();
  }

  get scorer(): PromptScorer {
    this.#routed ??= this.#withRoutes(this.#scorer());
    return this.#routed;
  }

  #withRoutes(shipped: ShippedScorer): PromptScorer {
    const own = (route: RouteOfRouter | undefined) =>
      route === undefined ? undefined : this.routeModels?.(route);
    return {
      ...shipped,
      versionOf: (route) => own(route)?.version ?? shipped.version,
      score: (facts, route) => own(route)?.model.score(facts) ?? shipped.score(facts),
    };
  }

  /** Names of models in use: configured ones, and those that were asked for. */
  get inUse(): ReadonlySet<string> {
    return this.#inUse;
  }

  use(route: ModelRoute | undefined): void {
    if (route === undefined || this.#inUse.size >= MAX_IN_USE || this.#inUse.has(route.name)) return;
    if (route.deployments.some(({ price }) => price !== undefined)) this.#inUse.add(route.name);
  }

  /** Whether one more decision may be made for watching only. Monotonic milliseconds. */
  mayWatch(now: number): boolean {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#watched = 0;
    }
    this.#watched++;
    return this.#watched <= WATCHED_PER_SECOND;
  }
}
