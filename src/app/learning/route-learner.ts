import type { AuditLog } from '../../control/audit.ts';
import { operator } from '../../control/caller.ts';
import { DEFAULT_THRESHOLDS, NO_PRIOR } from '../../core/routing/decision/defaults.ts';
import type { Proof, RoutePrior, Thresholds } from '../../core/routing/decision/types.ts';
import type { Example } from '../../core/routing/model/index.ts';
import type { RouteLabel } from '../../core/routing/promise/label.ts';
import {
  belowOf,
  groundOf,
  type PromiseState,
  RoutePromise,
  unproven,
} from '../../core/routing/promise/route-promise.ts';
import type { Deployment, QualityPromise } from '../../core/routing/risk/index.ts';
import type { Clock } from '../../ports/clock.ts';
import type { LabelStore } from '../../ports/label-store.ts';
import type { Log } from '../../ports/log-sink.ts';
import type { RouteTrainer } from '../../ports/route-trainer.ts';
import type { RouterConfig } from '../config/schema.ts';
import type { PromptModel } from '../prompt-model.ts';
import type { RouteModels, RoutingState } from '../routing-state.ts';
import { PromptShelf } from './prompt-shelf.ts';
import { RouteEntry } from './route-entry.ts';

export interface RouteLearnerPorts {
  readonly labels: LabelStore;
  readonly trainer: RouteTrainer;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: AuditLog;
  readonly state: RoutingState;
  readonly router: (name: string) => RouterConfig | undefined;
}

/** Routes beyond this many learn nothing: what they cost in memory is bounded. */
const MAX_ROUTES = 2000;
/** Routes with a model of their own: half a megabyte each. */
const MAX_MODELS = 48;
/** Labels read at the start. */
const MAX_LOADED = 10_000;
/** Pairs between two tests, at least. */
const MIN_FRESH = 5;
const FLUSH_MS = 200;
/** Routes named in one line of the log. */
const MAX_SAID = 10;

/** What may speak against an answer besides people and judges. */
type WeakSign = 'failure' | 'retry';

/** The gateway itself, in the audit log. */
const SYSTEM = operator('system', '');

/** Whether a router keeps a promise: only where somebody may be asked whether it is kept. */
export function isGuarded(router: RouterConfig | undefined): boolean {
  return router !== undefined && router.shadow.percent > 0 && router.shadow.judge !== undefined;
}

/** Two routers may see the same route; each learns its own. */
const nameOf = (router: string, routeKey: string) => `${router}\n${routeKey}`;

/** What a router promises: at most ε worse, with a confidence of 1 − δ. Kept off 0 and 1, where nothing can be proven. */
export function promiseOf(router: RouterConfig): QualityPromise {
  const open = (percent: number) => Math.min(0.999, Math.max(0.001, percent / 100));
  return { epsilon: open(router.max_quality_loss_percent), delta: open(100 - router.confidence_percent) };
}

/** A route's state in words. */
export function saysOf({ cause, below, weakShare, samples, moreSamples }: PromiseState): string {
  if (below !== 'none') return `the promise holds for ${Math.round(weakShare * 100)} % of this route`;
  if (cause === 'stepped_back') return 'the promise was broken on this route, it has stepped back';
  if (cause === 'model_changed') return 'a provider changed a model, this route starts anew';
  if (cause === 'rolled_back') return 'this route was rolled back';
  const more = moreSamples === null ? '' : `, about ${moreSamples} more are needed`;
  return `the promise is not proven on this route (${samples} comparisons${more})`;
}

/** Learns every route from its labels, keeps versions, and tells the routers what they may do. */
export class RouteLearner {
  readonly #ports: RouteLearnerPorts;
  readonly #entries = new Map<string, RouteEntry>();
  readonly #unsaved: RouteLabel[] = [];
  readonly #shelf = new PromptShelf();
  #cancelFlush: (() => void) | undefined;
  #labels = 0;
  #changes = 0;
  #closed = false;

  constructor(ports: RouteLearnerPorts) {
    this.#ports = ports;
  }

  /** Goes on from what is stored. */
  async load(): Promise<void> {
    const { labels, state } = this.#ports;
    const outdated: RouteEntry[] = [];
    for (const { router, routeKey, state: kept, learned } of await labels.newest()) {
      const entry = this.#entry(router, routeKey, kept);
      if (entry === undefined) continue;
      entry.model = this.#adopt(learned);
      // What was proven for other scores than today's says nothing about these.
      if (entry.model !== undefined || kept.scorer === state.shipped.version) continue;
      entry.promise.restart('model_changed', this.#ports.clock.now(), state.shipped.version);
      outdated.push(entry);
    }
    await this.#startAnew(outdated);
    for (const label of [...(await labels.list({}, MAX_LOADED))].reverse()) {
      const entry = this.#entry(label.router, label.routeKey);
      entry?.changed(label.versions);
      entry?.take(label, undefined);
      this.#labels++;
    }
  }

  /** What a router's plan is given; asked anew at every decision. */
  learned(name: string): { readonly thresholds: Thresholds; readonly prior: RoutePrior } {
    const learner = this;
    const guarded = () => isGuarded(this.#ports.router(name));
    const thresholds: Thresholds = {
      get version() {
        return guarded()
          ? `${DEFAULT_THRESHOLDS.version}+promise-${learner.#changes}`
          : DEFAULT_THRESHOLDS.version;
      },
      maxLoss: DEFAULT_THRESHOLDS.maxLoss,
      of: (routeKey) => (guarded() ? this.#proof(name, routeKey) : undefined),
      get holdoutPercent() {
        return learner.#ports.router(name)?.shadow.holdout_percent ?? 0;
      },
    };
    const prior: RoutePrior = {
      get version() {
        return learner.#labels === 0 ? NO_PRIOR.version : `labels-${learner.#labels}`;
      },
      of: (routeKey) => this.#entries.get(nameOf(name, routeKey))?.means(),
    };
    return { thresholds, prior };
  }

  /** Models that routes have learned. */
  readonly models: RouteModels = ({ router, routeKey }) => {
    const entry = this.#entries.get(nameOf(router, routeKey));
    return entry?.model === undefined
      ? undefined
      : { version: entry.promise.state.scorer, model: entry.model };
  };

  /** A decision was made: what share of the route the pairs stand for. */
  decided(router: string, routeKey: string, weaker: boolean): void {
    const entry = this.#entry(router, routeKey);
    if (entry === undefined) return;
    entry.decided++;
    if (weaker) entry.weaker++;
  }

  /** An answer against which nothing spoke: counted, and told with the next one against which something does. */
  passed(router: string, routeKey: string, found: { readonly model: string; readonly sign: WeakSign }): void {
    this.#entry(router, routeKey)?.passed(found.model, found.sign);
  }

  /** A label that something speaks against an answer, with the good ones it has to be held against. */
  takeAgainst(label: RouteLabel, model: string, sign: WeakSign): void {
    const passes = this.#entry(label.router, label.routeKey)?.passes(model, sign) ?? 0;
    this.take(passes === 0 ? label : { ...label, passes });
  }

  /** Forgets prompts that are too old. */
  sweep(): void {
    this.#shelf.sweep(this.#ports.clock.now());
  }

  /** Takes a label in and stores it shortly after; learning follows by itself. `prompt` stays in memory. */
  take(label: RouteLabel, prompt?: string): void {
    this.#unsaved.push(label);
    this.#cancelFlush ??= this.#ports.clock.after(FLUSH_MS, () => void this.flush());
    const entry = this.#entry(label.router, label.routeKey);
    if (entry === undefined) return;
    this.#labels++;
    const changed = entry.changed(label.versions);
    if (changed !== undefined) this.#restart(entry, changed, label.at);
    if (entry.take(label, prompt)) this.#note(entry, `stepped back after ${entry.pairs} comparisons`);
    if (isGuarded(this.#ports.router(label.router))) void this.#learn(entry);
  }

  /** What pairs prove, in the learner's thread. */
  readonly test: RouteTrainer['test'] = (wish) => this.#ports.trainer.test(wish);

  /** Writes what is not stored yet. */
  async flush(): Promise<void> {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    const labels = this.#unsaved.splice(0);
    if (labels.length === 0) return;
    await this.#ports.labels.put(labels).catch((error: unknown) => {
      this.#ports.log.warn('routers.labels_lost', { count: labels.length, error: String(error) });
    });
  }

  /** Routes of a router with what they may do. */
  routes(router: string): readonly RouteEntry[] {
    return [...this.#entries.values()].filter((entry) => entry.router === router);
  }

  /** Goes back to the version before the present one, on one route or on all. Answers with the routes that moved. */
  async rollBack(router: string, routeKey?: string): Promise<readonly RouteEntry[]> {
    const moved: RouteEntry[] = [];
    const outdated: RouteEntry[] = [];
    for (const entry of this.routes(router)) {
      const { state } = entry.promise;
      if ((routeKey !== undefined && entry.routeKey !== routeKey) || state.version === 0) continue;
      const before = await this.#ports.labels.version(router, entry.routeKey, state.version - 1);
      const { shipped } = this.#ports.state;
      const to = before?.state ?? unproven(shipped.version);
      entry.model = this.#adopt(before?.learned);
      const fits = entry.model !== undefined || to.scorer === shipped.version;
      entry.promise.rollBack(fits ? to : unproven(shipped.version), this.#ports.clock.now());
      if (fits) await this.#save(entry);
      else outdated.push(entry);
      moved.push(entry);
    }
    await this.#startAnew(outdated);
    return moved;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.flush();
    await this.#ports.trainer.close();
  }

  /** A model from stored bytes; none where they were made for other weights than those shipped now. */
  #adopt(learned: Uint8Array | undefined): PromptModel | undefined {
    if (learned === undefined) return undefined;
    try {
      return this.#ports.state.shipped.model?.adopt(learned);
    } catch {
      // Whatever is wrong with stored bytes must stop neither the start nor a roll-back: callers say that the route starts anew.
      return undefined;
    }
  }

  /** Says once that routes go by what is shipped again, and keeps it, so that the next start does not say it again. */
  async #startAnew(entries: readonly RouteEntry[]): Promise<void> {
    if (entries.length === 0) return;
    const routes = entries.slice(0, MAX_SAID).map(({ router, routeKey }) => `${router}/${routeKey}`);
    this.#ports.log.warn('routers.models_outdated', { count: entries.length, routes: routes.join(', ') });
    for (const entry of entries) await this.#save(entry);
  }

  #proof(router: string, routeKey: string): Proof {
    const state = this.#entries.get(nameOf(router, routeKey))?.promise.state;
    if (state === undefined) {
      return { version: 'none', below: Number.NEGATIVE_INFINITY, says: 'nothing is known of this route' };
    }
    return { version: `promise-${state.version}`, below: belowOf(state), says: saysOf(state) };
  }

  #entry(router: string, routeKey: string, kept?: PromiseState): RouteEntry | undefined {
    const name = nameOf(router, routeKey);
    const known = this.#entries.get(name);
    if (known !== undefined || this.#entries.size >= MAX_ROUTES) return known;
    const config = this.#ports.router(router);
    if (config === undefined) return undefined;
    const { epsilon, delta } = promiseOf(config);
    const state = kept ?? unproven(this.#ports.state.shipped.version);
    // Half of δ is left for what the route may learn to score by.
    const entry = new RouteEntry(router, routeKey, {
      promise: { epsilon, delta: delta / 2 },
      state,
      shelf: this.#shelf,
    });
    this.#entries.set(name, entry);
    return entry;
  }

  #restart(entry: RouteEntry, changed: string, at: number): void {
    entry.widen();
    entry.promise.restart('model_changed', at);
    this.#note(entry, `a provider changed a model (${changed})`);
  }

  /** Tests, and now and then learns, in another thread; one at a time for a route. */
  async #learn(entry: RouteEntry): Promise<void> {
    const enough = Math.max(MIN_FRESH, Math.floor(entry.promise.compared.length / 20));
    if (entry.busy || this.#closed || entry.fresh < enough) return;
    entry.busy = true;
    entry.fresh = 0;
    try {
      const { promise } = entry;
      const before = promise.state;
      const given = { share: entry.share, gold: [...entry.gold.values()] };
      const found = await promise.testWith(this.#ports.trainer, given);
      // Whatever happened meanwhile is newer than the answer.
      if (promise === entry.promise && promise.state.version === before.version)
        await this.#follow(entry, found);
      if (entry.pairs >= entry.trainAt) await this.#train(entry);
    } catch (error) {
      if (!this.#closed)
        this.#ports.log.warn('routers.learning_failed', { router: entry.router, error: String(error) });
    } finally {
      entry.busy = false;
    }
  }

  async #follow(entry: RouteEntry, found: Deployment): Promise<void> {
    if (!entry.promise.follow(found, this.#ports.clock.now())) return;
    const { weakShare, samples } = entry.promise.state;
    this.#note(entry, `${Math.round(weakShare * 100)} % may go to a weaker model, by ${samples} comparisons`);
  }

  /** Learns on one half and keeps the result if the other half proves more with it than with what scores now. */
  async #train(entry: RouteEntry): Promise<void> {
    const { learn, test } = entry.halves();
    entry.trainAt = entry.pairs * 2;
    if (this.#modelCount() >= MAX_MODELS && entry.model === undefined) return;
    entry.tries++;
    const { epsilon, delta } = promiseOf(this.#ports.router(entry.router) as RouterConfig);
    const promise = { epsilon, delta: delta / 2 ** (entry.tries + 1) };
    const scorer = `route-${entry.router}-${entry.routeKey.slice(0, 8)}-${entry.promise.state.version + 1}`;
    const examples = learn.flatMap((label): Example[] => {
      const { pair, outcomes, prompt, weight } = label;
      const [weak, strong] = [outcomes[pair?.weak ?? ''], outcomes[pair?.strong ?? '']];
      if (weak === undefined || strong === undefined || prompt === undefined) return [];
      return [{ prompt, weak, strong, weight }];
    });
    const before = entry.promise.state;
    const ground = groundOf({ share: entry.share, gold: [...entry.gold.values()] });
    const trained = await this.#ports.trainer.train({ examples, heldBack: test, promise, ground, scorer });
    if (trained === undefined || entry.promise.state.version !== before.version) return;
    if (trained.found.weakShare <= before.weakShare) return;
    const model = this.#adopt(trained.learned);
    if (model === undefined) return;
    entry.model = model;
    entry.promise = new RoutePromise(promise, { ...before, below: 'none', weakShare: 0 });
    entry.promise.rescore(scorer, trained.compared);
    await this.#follow(entry, trained.found);
  }

  #modelCount(): number {
    let count = 0;
    for (const { model } of this.#entries.values()) if (model !== undefined) count++;
    return count;
  }

  /** Says that a route changed: in the log, in the audit log, in the report and in receipts. */
  #note(entry: RouteEntry, what: string): void {
    const { router, routeKey } = entry;
    const { cause } = entry.promise.state;
    this.#ports.log.info('routers.promise', { router, route: routeKey, cause, what });
    const action = cause === 'learned' ? 'routers.share_raised' : `routers.${cause}`;
    this.#ports.audit
      .append(SYSTEM, { action, target: router, details: { route: routeKey, what } })
      .catch((error: unknown) =>
        this.#ports.log.error('audit.not_written', { action, error: String(error) }),
      );
    void this.#save(entry);
  }

  async #save(entry: RouteEntry): Promise<void> {
    this.#changes++;
    const { router, routeKey, model, promise } = entry;
    const { state } = promise;
    const learned = model?.serialise();
    await this.#ports.labels
      .addVersion({ router, routeKey, version: state.version, state, learned })
      .catch((error: unknown) =>
        this.#ports.log.warn('routers.version_lost', { router, error: String(error) }),
      );
  }
}
