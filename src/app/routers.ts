import { picoPerToken } from '../core/cost/complete-price.ts';
import { usdToNano } from '../core/cost/money.ts';
import { listRate } from '../core/routing/decision/choose.ts';
import { compileCondition, isCondition } from '../core/routing/decision/conditions.ts';
import { DEFAULT_SESSIONS, DEFAULT_THRESHOLDS, NO_PRIOR } from '../core/routing/decision/defaults.ts';
import { hashText } from '../core/routing/decision/hash.ts';
import { IntentIndex } from '../core/routing/decision/intents.ts';
import { parseAskedName } from '../core/routing/decision/names.ts';
import type {
  Candidate,
  ConditionFacts,
  PriceCap,
  RoutePrior,
  RouterPlan,
  Thresholds,
  Tier,
} from '../core/routing/decision/types.ts';
import type { Attachment, CompiledRouter, FoundRouter, PromptScorer, Routing } from '../pipeline/routing.ts';
import type { ModelRoute } from '../pipeline/runtime.ts';
import type { Config, RouterConfig } from './config/schema.ts';
import { byRate, candidateOf } from './router-candidates.ts';
import type { RoutingState } from './routing-state.ts';

/** What routers are compiled from. */
export interface RoutersInput {
  readonly config: Config;
  readonly resolve: (model: string) => ModelRoute | undefined;
  readonly state: RoutingState;
}

/** Learned parts of a router; defaults until a route has evidence of its own. */
interface Learned {
  readonly thresholds: Thresholds;
  readonly prior: RoutePrior;
}

/** Which model stands for which tier; a tier without a model is the baseline's. */
function tiersOf(config: RouterConfig): Partial<Record<Tier, string>> {
  const { tiers, baseline } = config;
  if (tiers === undefined) return {};
  return {
    easy: tiers.easy,
    medium: tiers.medium ?? baseline,
    hard: tiers.hard,
    needs_info: tiers.needs_info ?? baseline,
  };
}

function tierOfModel(config: RouterConfig, model: string): Tier | undefined {
  const { tiers, baseline } = config;
  if (tiers === undefined) return undefined;
  if (tiers.easy === model) return 'easy';
  if (tiers.hard === model) return 'hard';
  return tiers.medium === model || (tiers.medium === undefined && baseline === model) ? 'medium' : undefined;
}

/** Models that evidence about the prompt may choose. */
function freeModels(config: RouterConfig): readonly string[] {
  const { tiers, models, cascade, baseline } = config;
  const own = [...(tiers === undefined ? [] : [tiers.easy, tiers.medium ?? baseline, tiers.hard]), ...models];
  if (own.length > 0) return own;
  return cascade?.models ?? [baseline];
}

function namedModels(config: RouterConfig): readonly string[] {
  return [
    ...freeModels(config),
    config.baseline,
    ...(config.tiers?.needs_info === undefined ? [] : [config.tiers.needs_info]),
    ...config.rules.map(({ use }) => use),
    ...config.experiments.flatMap(({ arms }) => arms.map(({ model }) => model)),
    ...config.intents.map(({ use }) => use),
    ...(config.cascade?.models ?? []),
  ];
}

function candidatesOf(input: RoutersInput, config: RouterConfig): readonly Candidate[] {
  const free = new Set(freeModels(config));
  const found = [...new Set(namedModels(config))].flatMap((model) => {
    const route = input.resolve(model);
    if (route === undefined) return [];
    const tier = tierOfModel(config, model);
    return [
      {
        ...candidateOf(route),
        ...(tier === undefined ? {} : { tier }),
        ...(free.has(model) ? {} : { explicitOnly: true }),
      },
    ];
  });
  return byRate(found);
}

/** Conditions were checked with the configuration; one that is broken all the same never holds. */
function holdsOf(when: string): (facts: ConditionFacts) => boolean | string {
  const compiled = compileCondition(when);
  return isCondition(compiled) ? compiled.holds : () => compiled.problem;
}

function capOf(config: RouterConfig['max_price']): PriceCap | undefined {
  if (config === undefined) return undefined;
  const { input_usd_per_mtok: input, output_usd_per_mtok: output, request_usd: request } = config;
  return {
    ...(input === undefined ? {} : { input: picoPerToken(Number(input)) }),
    ...(output === undefined ? {} : { output: picoPerToken(Number(output)) }),
    ...(request === undefined ? {} : { requestNano: usdToNano(request) }),
  };
}

function cascadeOf({ cascade }: RouterConfig): RouterPlan['cascade'] {
  if (cascade === undefined) return undefined;
  const { models, escalate_on: escalateOn, max_escalations: maxEscalations, judge: given } = cascade;
  const judge = given && { model: given.model, rubric: given.rubric ?? '', timeoutMs: given.timeout_ms };
  return { models, escalateOn, maxEscalations, judge };
}

/** A router's plan from its configuration. */
function planOf(
  input: RoutersInput,
  named: { name: string; config: RouterConfig },
  learned: Learned,
): RouterPlan {
  const { name, config } = named;
  const candidates = candidatesOf(input, config);
  return {
    name,
    version: hashText(JSON.stringify([config, candidates])),
    mode: config.mode,
    canaryPercent: config.canary_percent,
    objective: config.objective,
    candidates,
    byTier: tiersOf(config),
    rules: config.rules.map((rule) => ({
      name: rule.name,
      when: rule.when,
      use: rule.use,
      mode: rule.mode,
      interrupt: rule.interrupt,
      holds: holdsOf(rule.when),
    })),
    experiments: config.experiments.map(({ name: title, arms, when }) => ({
      name: title,
      arms,
      holds: when === undefined ? undefined : holdsOf(when),
    })),
    intents: config.intents.map(({ name: title, use, threshold, meaning_threshold: meaningThreshold }) => ({
      name: title,
      model: use,
      threshold,
      meaningThreshold,
    })),
    cascade: cascadeOf(config),
    maxPrice: capOf(config.max_price),
    minQuality: config.min_quality,
    ...learned,
    sessions: {
      ttlMs: config.session.ttl_s * 1000,
      cacheTtlMs: config.session.cache_ttl_s * 1000,
      minCacheTokens: config.session.min_cache_tokens,
      upgrade: config.session.upgrade,
    },
  };
}

/** A plan without any configuration of its own. */
function barePlan(name: string, mode: RouterPlan['mode'], candidates: readonly Candidate[]): RouterPlan {
  return {
    name,
    version: hashText(JSON.stringify(candidates)),
    mode,
    canaryPercent: 0,
    objective: 'balanced',
    candidates,
    byTier: {},
    rules: [],
    experiments: [],
    intents: [],
    cascade: undefined,
    maxPrice: undefined,
    minQuality: undefined,
    thresholds: DEFAULT_THRESHOLDS,
    prior: NO_PRIOR,
    sessions: DEFAULT_SESSIONS,
  };
}

/** Plans by baseline: an attached router meets a few models, a client may invent more. */
const MAX_PLANS = 256;

class ConfiguredRouter implements CompiledRouter {
  readonly name: string;
  readonly baseline: string | undefined;
  readonly intents: IntentIndex | undefined;
  readonly #plan: RouterPlan;
  readonly #resolve: RoutersInput['resolve'];
  readonly #plans = new Map<string, RouterPlan>();

  constructor(
    plan: RouterPlan,
    given: Pick<CompiledRouter, 'baseline'> & {
      intents: IntentIndex | undefined;
      resolve: RoutersInput['resolve'];
    },
  ) {
    this.name = plan.name;
    this.baseline = given.baseline;
    this.intents = given.intents;
    this.#plan = plan;
    this.#resolve = given.resolve;
  }

  planWith(baseline: string): RouterPlan {
    const { candidates, version } = this.#plan;
    if (candidates.some(({ model }) => model === baseline)) return this.#plan;
    const known = this.#plans.get(baseline);
    if (known !== undefined) return known;
    const route = this.#resolve(baseline);
    if (route === undefined) return this.#plan;
    const own = { ...candidateOf(route), explicitOnly: true };
    const plan = {
      ...this.#plan,
      version: hashText(`${version}\n${JSON.stringify(own)}`),
      candidates: byRate([...candidates, own]),
    };
    if (this.#plans.size >= MAX_PLANS) this.#plans.clear();
    this.#plans.set(baseline, plan);
    return plan;
  }
}

/** The cheapest model must cost at most this share of the dearest for a choice to be worth a thought. */
const MOST_PRICE_SHARE = 0.5;

/** Watches plain models when there is no router: which cheaper one of those in use might have done. */
class Watcher {
  readonly #input: RoutersInput;
  #known = -1;
  #router: CompiledRouter | undefined;

  constructor(input: RoutersInput) {
    this.#input = input;
    const names = Object.keys(input.config.models).filter((name) => !name.includes('*'));
    for (const name of names) input.state.use(input.resolve(name));
  }

  router(route: ModelRoute, now: number): CompiledRouter | undefined {
    const { state } = this.#input;
    state.use(route);
    if (state.inUse.size !== this.#known) this.#compile();
    if (this.#router === undefined || !state.mayWatch(now)) return undefined;
    return this.#router;
  }

  #compile(): void {
    const { state, resolve } = this.#input;
    this.#known = state.inUse.size;
    const found = [...state.inUse].flatMap((name) => resolve(name) ?? []).map(candidateOf);
    const candidates = byRate(found.filter(({ price }) => price !== undefined));
    const [cheapest] = candidates;
    const dear = candidates.at(-1);
    const worth =
      cheapest !== undefined && dear !== undefined && listRate(cheapest) <= listRate(dear) * MOST_PRICE_SHARE;
    this.#router = worth ? this.#observer(candidates) : undefined;
  }

  #observer(candidates: readonly Candidate[]): CompiledRouter {
    const plan = barePlan('observer', 'observe', candidates);
    return new ConfiguredRouter(plan, {
      baseline: undefined,
      intents: undefined,
      resolve: this.#input.resolve,
    });
  }
}

interface Attached {
  readonly router: CompiledRouter;
  readonly keys: ReadonlySet<string>;
  readonly teams: ReadonlySet<string>;
  readonly tags: readonly (readonly [string, string])[];
}

function attachmentOf(router: CompiledRouter, config: RouterConfig): readonly Attached[] {
  const { attach, mode } = config;
  if (attach === undefined || mode === 'off') return [];
  const tags = attach.tags.map((tag): readonly [string, string] => {
    const at = tag.indexOf('=');
    return [tag.slice(0, at), tag.slice(at + 1)];
  });
  return [{ router, keys: new Set(attach.keys), teams: new Set(attach.teams), tags }];
}

function isAttached({ keys, teams, tags }: Attached, to: Attachment): boolean {
  return (
    (to.keyId !== undefined && (keys.has(to.keyId) || keys.has(to.keyName ?? ''))) ||
    (to.teamId !== undefined && teams.has(to.teamId)) ||
    tags.some(([name, value]) => to.tags[name] === value)
  );
}

/** The routers of one configuration. */
class CompiledRouting implements Routing {
  readonly headers: readonly string[];
  readonly routers: readonly CompiledRouter[];
  readonly embedder: Routing['embedder'];
  readonly #input: RoutersInput;
  readonly #byName: ReadonlyMap<string, FoundRouter>;
  readonly #attached: readonly Attached[];
  readonly #watcher: Watcher | undefined;

  constructor(input: RoutersInput) {
    const { config, state } = input;
    this.#input = input;
    this.headers = config.routing.headers;
    const { embedder: one } = config.routing;
    this.embedder = one && { model: `${one.provider}/${one.model}`, timeoutMs: one.timeout_ms };
    // Opened now, so that the first request does not wait for it.
    if (Object.keys(config.routers).length > 0) void state.scorer.version;
    const entries = Object.entries(config.routers).map(([name, router]) => {
      const plan = planOf(input, { name, config: router }, state.learned(name));
      const intents =
        router.intents.length === 0
          ? undefined
          : new IntentIndex(router.intents.map((one) => ({ name: one.name, utterances: one.utterances })));
      const { resolve } = input;
      const compiled = new ConfiguredRouter(plan, { baseline: router.baseline, intents, resolve });
      // Attached to somebody, the model asked for is what would be served.
      const free = new ConfiguredRouter(plan, { baseline: undefined, intents, resolve });
      return { name, router, compiled, free };
    });
    this.routers = entries.map(({ compiled }) => compiled);
    this.#byName = new Map(
      entries.map(({ name, compiled }) => [
        name,
        {
          router: compiled,
          asked: {},
          reached: input.resolve(name) === undefined ? ('name' as const) : ('alias' as const),
        },
      ]),
    );
    this.#attached = entries.flatMap(({ free, router }) => attachmentOf(free, router));
    this.#watcher = entries.length === 0 && config.routing.observe ? new Watcher(input) : undefined;
  }

  get scorer(): PromptScorer {
    return this.#input.state.scorer;
  }

  get sessions() {
    return this.#input.state.sessions;
  }

  find(model: string): FoundRouter | undefined {
    const exact = this.#byName.get(model);
    if (exact !== undefined || this.#byName.size === 0) return exact;
    const { router, ...asked } = parseAskedName(model);
    if (router === undefined) {
      const found = this.#byName.get('auto') ?? this.#byName.values().next().value;
      return found === undefined ? undefined : { ...found, asked, reached: 'name' };
    }
    const found = router === model ? undefined : this.#byName.get(router);
    return found === undefined ? undefined : { ...found, asked };
  }

  usualModels(): readonly string[] {
    const { config, state } = this.#input;
    return [...new Set([...Object.values(config.routers).flatMap(freeModels), ...state.inUse])];
  }

  planFor(models: readonly string[]): RouterPlan {
    const found = models.flatMap((name) => this.#input.resolve(name) ?? []).map(candidateOf);
    return barePlan('multimodel', 'on', byRate(found));
  }

  get attaches(): boolean {
    return this.#attached.length > 0;
  }

  attached(to: Attachment): CompiledRouter | undefined {
    for (const one of this.#attached) if (isAttached(one, to)) return one.router;
    return undefined;
  }

  implicit(route: ModelRoute, now: number): CompiledRouter | undefined {
    return this.#watcher?.router(route, now);
  }
}

/** Compiles the routers of a configuration. */
export function compileRouting(input: RoutersInput): Routing {
  return new CompiledRouting(input);
}
