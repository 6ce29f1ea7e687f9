import { type LabelVersions, lossOf, type RouteLabel } from '../../core/routing/promise/label.ts';
import { type Compared, type PromiseState, RoutePromise } from '../../core/routing/promise/route-promise.ts';
import type { GoldLabel, QualityPromise } from '../../core/routing/risk/index.ts';
import type { PromptModel } from '../prompt-model.ts';

/** Labels below which a route's mean outcomes say nothing. */
const MIN_PRIOR = 10;
/** What earlier outcomes still count when a provider put another model behind a name. */
const AFTER_CHANGE = 0.25;
/** Compared pairs whose prompts are kept in memory to learn from. */
const MAX_PROMPTS = 1000;

interface Outcomes {
  sum: number;
  weight: number;
}

/** What one route has of evidence, in memory. */
export class RouteEntry {
  readonly router: string;
  readonly routeKey: string;
  promise: RoutePromise;
  model: PromptModel | undefined;
  /** Attempts to learn a model of its own; each is tested at half the δ of the one before. */
  tries = 0;
  /** Pairs since the last test. */
  fresh = 0;
  /** Pairs in all, and from how many on it learns again. */
  pairs = 0;
  trainAt = 60;
  busy = false;
  /** Decisions seen, and those for a weaker model. */
  decided = 0;
  weaker = 0;
  readonly gold = new Map<string, GoldLabel>();
  readonly prompts = new Map<string, { readonly prompt: string; readonly label: RouteLabel }>();
  readonly #judged = new Map<string, number>();
  readonly #outcomes = new Map<string, Outcomes>();
  readonly #upstream = new Map<string, string>();

  constructor(router: string, routeKey: string, start: { promise: QualityPromise; state: PromiseState }) {
    this.router = router;
    this.routeKey = routeKey;
    this.promise = new RoutePromise(start.promise, start.state);
  }

  /** Takes a label into means, gold labels and pairs; `prompt` is kept in memory only. True when the route stepped back. */
  take(label: RouteLabel, prompt: string | undefined): boolean {
    // Pairs speak through the promise: if they moved the means too, they would change which prompts pairs are drawn from.
    if (label.pair === undefined) this.#weigh(label);
    const loss = lossOf(label);
    if (loss === undefined || label.score === null) return false;
    if (label.source === 'gold') {
      const judged = this.#judged.get(label.exchangeId);
      if (judged !== undefined) this.gold.set(label.exchangeId, { truth: loss, judged });
      return false;
    }
    if (label.source !== 'shadow') return false;
    this.#remember(label, loss, prompt);
    const { exchangeId, at, score, versions } = label;
    return this.promise.add({ exchangeId, at, score, loss, scorer: versions.promptModel ?? '' });
  }

  /** Mean outcomes by model; `undefined` while they stand on too little. */
  means(): Readonly<Record<string, { readonly mean: number; readonly labels: number }>> | undefined {
    const found: Record<string, { mean: number; labels: number }> = {};
    for (const [model, { sum, weight }] of this.#outcomes) {
      if (weight >= MIN_PRIOR) found[model] = { mean: sum / weight, labels: Math.round(weight) };
    }
    return Object.keys(found).length === 0 ? undefined : found;
  }

  /** Notes what providers call the models behind deployments; names one that has changed. */
  changed({ upstream }: Pick<LabelVersions, 'upstream'>): string | undefined {
    let found: string | undefined;
    for (const [deployment, version] of Object.entries(upstream)) {
      const before = this.#upstream.get(deployment);
      this.#upstream.set(deployment, version);
      if (before !== undefined && before !== version) found = `${deployment}: ${before} → ${version}`;
    }
    return found;
  }

  /** Another model answers under the same name: what was learned is believed less. */
  widen(): void {
    for (const outcomes of this.#outcomes.values()) {
      outcomes.sum *= AFTER_CHANGE;
      outcomes.weight *= AFTER_CHANGE;
    }
    this.gold.clear();
    this.prompts.clear();
    this.pairs = 0;
    this.trainAt = 60;
  }

  /** Share of this route's decisions that the pairs stand for: the upper end of its 95 % interval. */
  get share(): number {
    if (this.decided < 1) return 1;
    const part = this.weaker / this.decided;
    return Math.min(1, part + 2 * Math.sqrt((part * (1 - part) + 1 / this.decided) / this.decided));
  }

  /** Pairs with their prompts, by halves that depend on nothing but ids: one to learn from, one to test what was learned. */
  halves(): {
    readonly learn: readonly RouteLabel[];
    readonly test: readonly (Compared & { prompt: string })[];
  } {
    const learn: RouteLabel[] = [];
    const test: (Compared & { prompt: string })[] = [];
    for (const { prompt, label } of this.prompts.values()) {
      const loss = lossOf(label);
      if (loss === undefined || label.at < this.promise.state.since) continue;
      const even = (label.exchangeId.charCodeAt(label.exchangeId.length - 1) & 1) === 0;
      if (even) learn.push({ ...label, prompt });
      else test.push({ exchangeId: label.exchangeId, at: label.at, score: 0, loss, scorer: '', prompt });
    }
    return { learn, test };
  }

  #weigh({ outcomes, weight }: RouteLabel): void {
    for (const [model, outcome] of Object.entries(outcomes)) {
      const before = this.#outcomes.get(model) ?? { sum: 0, weight: 0 };
      before.sum += outcome * weight;
      before.weight += weight;
      this.#outcomes.set(model, before);
    }
  }

  #remember(label: RouteLabel, loss: number, prompt: string | undefined): void {
    this.pairs++;
    this.fresh++;
    this.#judged.set(label.exchangeId, loss);
    if (this.#judged.size > 5 * MAX_PROMPTS) this.#judged.delete(this.#judged.keys().next().value ?? '');
    const text = prompt ?? label.prompt;
    if (text === undefined) return;
    this.prompts.set(label.exchangeId, { prompt: text, label });
    if (this.prompts.size > MAX_PROMPTS) this.prompts.delete(this.prompts.keys().next().value ?? '');
  }
}
