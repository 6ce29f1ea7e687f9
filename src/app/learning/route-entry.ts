import {
  type LabelVersions,
  lossOf,
  PASSED_WEIGHT,
  type RouteLabel,
} from '../../core/routing/promise/label.ts';
import { type Compared, type PromiseState, RoutePromise } from '../../core/routing/promise/route-promise.ts';
import type { GoldLabel, QualityPromise } from '../../core/routing/risk/index.ts';
import type { PromptModel } from '../prompt-model.ts';
import type { PromptShelf } from './prompt-shelf.ts';

/** Labels below which a route's mean outcomes say nothing. */
const MIN_PRIOR = 10;
/** What earlier outcomes still count when a provider put another model behind a name. */
const AFTER_CHANGE = 0.25;
/** Judged losses kept, for gold labels that come later. */
const MAX_JUDGED = 5000;
/** Feedback that may be changed afterwards. */
const MAX_FEEDBACK = 1000;
/** Most that weak signs weigh in all, however many: nobody complaining proves little. Labels. */
const MAX_WEAK = 15;
/** Good answers that one bad one is held against, at most. */
const MAX_PASSES = 20;

interface Outcomes {
  sum: number;
  weight: number;
}

const NOTHING: Outcomes = { sum: 0, weight: 0 };

/** What people do afterwards, not what they say. */
function isWeak({ source }: RouteLabel): boolean {
  return source === 'retry';
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
  readonly #shelf: PromptShelf;
  readonly #judged = new Map<string, number>();
  readonly #outcomes = new Map<string, Outcomes>();
  readonly #weakOutcomes = new Map<string, Outcomes>();
  readonly #feedback = new Map<string, RouteLabel>();
  readonly #passed = new Map<string, number>();
  readonly #upstream = new Map<string, string>();

  constructor(
    router: string,
    routeKey: string,
    start: { promise: QualityPromise; state: PromiseState; shelf: PromptShelf },
  ) {
    this.router = router;
    this.routeKey = routeKey;
    this.#shelf = start.shelf;
    this.promise = new RoutePromise(start.promise, start.state);
  }

  /** Takes a label into means, gold labels and pairs; `prompt` is kept in memory only. True when the route stepped back. */
  take(label: RouteLabel, prompt: string | undefined): boolean {
    // Pairs speak through the promise: if they moved the means too, they would change which prompts pairs are drawn from.
    if (label.pair === undefined) this.#takeOutcome(label);
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
    for (const model of new Set([...this.#outcomes.keys(), ...this.#weakOutcomes.keys()])) {
      const strong = this.#outcomes.get(model) ?? NOTHING;
      const weak = this.#weakOutcomes.get(model) ?? NOTHING;
      const scale = weak.weight > MAX_WEAK ? MAX_WEAK / weak.weight : 1;
      const weight = strong.weight + weak.weight * scale;
      if (weight < MIN_PRIOR) continue;
      found[model] = { mean: (strong.sum + weak.sum * scale) / weight, labels: Math.round(weight) };
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
    for (const outcomes of [...this.#outcomes.values(), ...this.#weakOutcomes.values()]) {
      outcomes.sum *= AFTER_CHANGE;
      outcomes.weight *= AFTER_CHANGE;
    }
    this.gold.clear();
    this.#shelf.drop(this.#place);
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
    for (const { prompt, label } of this.#shelf.of(this.#place)) {
      const loss = lossOf(label);
      if (loss === undefined || label.at < this.promise.state.since) continue;
      const even = (label.exchangeId.charCodeAt(label.exchangeId.length - 1) & 1) === 0;
      if (even) learn.push({ ...label, prompt });
      else test.push({ exchangeId: label.exchangeId, at: label.at, score: 0, loss, scorer: '', prompt });
    }
    return { learn, test };
  }

  /** An answer against which nothing spoke, where something might have; `sign` names what was looked at. */
  passed(model: string, sign: 'failure' | 'retry'): void {
    const name = `${sign}\n${model}`;
    this.#passed.set(name, Math.min(MAX_PASSES, (this.#passed.get(name) ?? 0) + 1));
  }

  /** How many such answers there were since this was last asked. */
  passes(model: string, sign: 'failure' | 'retry'): number {
    const name = `${sign}\n${model}`;
    const count = this.#passed.get(name) ?? 0;
    this.#passed.delete(name);
    return count;
  }

  get #place(): string {
    return `${this.router}\n${this.routeKey}`;
  }

  /** What somebody says again of one answer takes the place of what was said before. */
  #takeOutcome(label: RouteLabel): void {
    if (label.source === 'feedback' || label.source === 'gold') {
      const name = `${label.source}\n${label.exchangeId}`;
      const before = this.#feedback.get(name);
      if (before !== undefined) this.#weigh(before, -1);
      this.#feedback.delete(name);
      this.#feedback.set(name, label);
      if (this.#feedback.size > MAX_FEEDBACK) this.#feedback.delete(this.#feedback.keys().next().value ?? '');
    }
    this.#weigh(label, 1);
  }

  #weigh(label: RouteLabel, sign: 1 | -1): void {
    const all = isWeak(label) ? this.#weakOutcomes : this.#outcomes;
    const passed = Math.min(MAX_PASSES, label.passes ?? 0) * PASSED_WEIGHT;
    for (const [model, outcome] of Object.entries(label.outcomes)) {
      const before = all.get(model) ?? { ...NOTHING };
      before.sum += sign * (outcome * label.weight + passed);
      before.weight += sign * (label.weight + passed);
      all.set(model, before);
    }
  }

  #remember(label: RouteLabel, loss: number, prompt: string | undefined): void {
    this.pairs++;
    this.fresh++;
    this.#judged.set(label.exchangeId, loss);
    if (this.#judged.size > MAX_JUDGED) this.#judged.delete(this.#judged.keys().next().value ?? '');
    const text = prompt ?? label.prompt;
    if (text !== undefined) this.#shelf.put(this.#place, { prompt: text, label });
  }
}
