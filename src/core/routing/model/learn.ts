import { type Boosted, boost, boostedLogit } from './boost.ts';
import type { Featuriser } from './features.ts';
import {
  type Corpus,
  fitHeads,
  headLogits,
  type PackedHeads,
  packHeads,
  readCorpus,
  seededRandom,
  sigmoid,
} from './heads.ts';
import { spreadOf } from './logistic.ts';
import { askPrior, type Prior } from './prior.ts';
import { ruleScore } from './rules.ts';
import { fingerprint, isSeen } from './seen.ts';
import {
  type Blend,
  blendedLogit,
  blendOwn,
  blendWithPrior,
  intervalBins,
  type Outcome,
  rulesSlope,
  shareOfOwn,
  tieBlends,
} from './stack.ts';
import { STRUCTURE } from './structure.ts';
import type { Example } from './types.ts';

/** Depth of the trees on the structure counts. */
export const TREE_DEPTH = 3;
const TREES = { trees: 60, depth: TREE_DEPTH, rate: 0.08, minHessian: 8, shrink: 5 } as const;
/** A third pass costs half as much again and gains nothing measurable. */
const EPOCHS = 2;
/** Labels from which trees are grown at all; fewer teach them nothing but noise. */
const MIN_FOR_TREES = 300;
/** Labels from which there is anything to learn. */
const MIN_LABELS = 10;

/** What a route has learned on top of the shipped prior. */
export interface Learned {
  readonly labels: number;
  /** `weak`, `strong`, then the models that have labels. */
  readonly names: readonly string[];
  readonly heads: PackedHeads;
  /** One ensemble per head, or none. */
  readonly trees: readonly Boosted[];
  /** Per head: how linear head, trees and prior come together. */
  readonly blends: readonly Blend[];
  /** Weak and strong with weights in common: their difference orders prompts. */
  readonly order: readonly Blend[];
  /** Weight of the hand rules in the score. */
  readonly rules: number;
  /** Half-widths of the 80 % interval by tenth of `pWeak`. */
  readonly halfWidths: readonly number[];
}

interface Labelled {
  readonly names: readonly string[];
  readonly targets: readonly Float32Array[];
  readonly weights: Float32Array;
}

function labelsOf(examples: readonly Example[]): Labelled {
  const models = new Set<string>();
  for (const { scores } of examples) for (const name of Object.keys(scores ?? {})) models.add(name);
  models.delete('weak');
  models.delete('strong');
  const names = ['weak', 'strong', ...[...models].sort()];
  const labelOf = (example: Example, name: string): number => {
    const value =
      name === 'weak' ? example.weak : name === 'strong' ? example.strong : example.scores?.[name];
    return value === undefined || Number.isNaN(value) ? Number.NaN : Math.min(1, Math.max(0, value));
  };
  return {
    names,
    targets: names.map((name) => Float32Array.from(examples, (example) => labelOf(example, name))),
    weights: Float32Array.from(examples, ({ weight }) => Math.min(1, Math.max(0, weight ?? 1))),
  };
}

interface Opinions {
  readonly weak: Float64Array;
  readonly strong: Float64Array;
  readonly rules: Float64Array;
  readonly rulesShare: Float64Array;
  /** 1: the prior was trained on this prompt, its opinion proves nothing. */
  readonly seen: Uint8Array;
}

const logit = (p: number) => Math.log(p / (1 - p));

/** Features of all prompts, and the prior's opinion of each. */
function consult(
  prior: Prior,
  featuriser: Featuriser,
  prompts: readonly string[],
): { corpus: Corpus; opinions: Opinions } {
  const opinions: Opinions = {
    weak: new Float64Array(prompts.length),
    strong: new Float64Array(prompts.length),
    rules: new Float64Array(prompts.length),
    rulesShare: new Float64Array(prompts.length),
    seen: new Uint8Array(prompts.length),
  };
  const scratch = new Float64Array(prior.heads.count);
  const corpus = readCorpus({ featuriser, idf: prior.idf }, prompts, (features, row) => {
    const opinion = askPrior(prior, features, scratch);
    opinions.weak[row] = logit(opinion.pWeak);
    opinions.strong[row] = logit(opinion.pStrong);
    opinions.rules[row] = ruleScore(features.structure);
    opinions.rulesShare[row] = opinion.rulesShare;
    opinions.seen[row] = isSeen(prior.seen, fingerprint(features.tokens)) ? 1 : 0;
  });
  return { corpus, opinions };
}

/** Parts, so that every label is predicted once by what has not learned from it: of few labels, half would be too few to learn from. */
const foldCount = (rows: number) => (rows < MANY_LABELS ? 5 : 2);
const MANY_LABELS = 3000;

/** At random, as labels may come in any order, such as good ones first or by turns. */
function foldsOf(rows: number): Uint8Array {
  const random = seededRandom(rows);
  const folds = foldCount(rows);
  return new Uint8Array(rows).map(() => Math.floor(random() * folds));
}

function growTrees(corpus: Corpus, labelled: Labelled, rows: Uint32Array): Boosted[] {
  if (rows.length < MIN_FOR_TREES / 2) return [];
  return labelled.targets.map((target) => {
    const own = rows.filter((row) => !Number.isNaN(target[row] as number));
    const values = new Float32Array(own.length * STRUCTURE.length);
    own.forEach((row, at) => {
      const from = row * STRUCTURE.length;
      values.set(corpus.structure.subarray(from, from + STRUCTURE.length), at * STRUCTURE.length);
    });
    return boost(
      {
        rows: own.length,
        columns: STRUCTURE.length,
        values,
        target: Float32Array.from(own, (row) => target[row] as number),
        weight: Float32Array.from(own, (row) => labelled.weights[row] as number),
      },
      TREES,
    );
  });
}

interface Predictions {
  readonly linear: readonly Float64Array[];
  readonly trees: readonly Float64Array[];
}

/** Log-odds of each head for each example, from models that were trained without it. */
function predictFolds(corpus: Corpus, labelled: Labelled): Predictions {
  const { names, targets, weights } = labelled;
  const linear = names.map(() => new Float64Array(corpus.rows));
  const trees = names.map(() => new Float64Array(corpus.rows));
  const all = Uint32Array.from({ length: corpus.rows }, (_, row) => row);
  const out = new Float64Array(names.length);
  const withTrees = corpus.rows >= MIN_FOR_TREES;
  const folds = foldsOf(corpus.rows);
  for (let fold = 0; fold < foldCount(corpus.rows); fold++) {
    const rows = all.filter((row) => folds[row] !== fold);
    const heads = packHeads(fitHeads({ corpus, rows, targets, weights, epochs: EPOCHS }));
    const grown = withTrees ? growTrees(corpus, labelled, rows) : [];
    for (const row of all) {
      if (folds[row] !== fold) continue;
      const { places, values, begins } = corpus;
      headLogits(heads, { places, values, from: begins[row] as number, to: begins[row + 1] as number }, out);
      const counts = corpus.structure.subarray(row * STRUCTURE.length, (row + 1) * STRUCTURE.length);
      names.forEach((_, head) => {
        (linear[head] as Float64Array)[row] = out[head] as number;
        const model = grown[head];
        if (model !== undefined) (trees[head] as Float64Array)[row] = boostedLogit(model, counts, TREE_DEPTH);
      });
    }
  }
  return { linear, trees: withTrees ? trees : [] };
}

function outcomesOf(labelled: Labelled, predictions: Predictions, head: number): Outcome[] {
  const target = labelled.targets[head] as Float32Array;
  const linear = predictions.linear[head] as Float64Array;
  const outcomes: Outcome[] = [];
  target.forEach((label, row) => {
    if (Number.isNaN(label)) return;
    const trees = predictions.trees[head]?.[row];
    outcomes.push({
      row,
      label,
      weight: labelled.weights[row] as number,
      linear: linear[row] as number,
      trees,
    });
  });
  return outcomes;
}

/** P(ok) by the route's own models alone: the prior may have been trained on the row. */
function predictHeldOut(labelled: Labelled, predictions: Predictions, head: number): Float64Array {
  const blend = blendOwn(outcomesOf(labelled, predictions, head));
  const linear = predictions.linear[head] as Float64Array;
  return linear.map((value, row) =>
    sigmoid(blendedLogit(blend, { linear: value, trees: predictions.trees[head]?.[row] ?? 0, prior: 0 })),
  );
}

/** The blends of weak and strong with weights in common. */
function orderOf(blends: readonly Blend[], predictions: Predictions, opinions: Opinions): Blend[] {
  const meanOf = (values: Float64Array | undefined) => (values === undefined ? 0 : spreadOf(values).mean);
  return tieBlends(
    blends.slice(0, 2),
    [opinions.weak, opinions.strong].map((logits, head) => ({
      linear: meanOf(predictions.linear[head]),
      trees: meanOf(predictions.trees[head]),
      prior: meanOf(logits),
    })),
  );
}

/**
 * Learns a route from its labels: in-domain heads and trees, and how much they count against the prior. Everything that weighs
 * one against the other is fitted on predictions for labels that were held out, and the prior is judged only by prompts it was
 * not trained on. Deterministic. Answers `undefined` for too few labels.
 */
export function learnRoute(
  prior: Prior,
  featuriser: Featuriser,
  examples: readonly Example[],
): Learned | undefined {
  const usable = examples.filter(({ weak, strong, scores }) => (weak ?? strong ?? scores) !== undefined);
  if (usable.length < MIN_LABELS) return undefined;
  const labelled = labelsOf(usable);
  const { corpus, opinions } = consult(
    prior,
    featuriser,
    usable.map(({ prompt }) => prompt),
  );
  const all = Uint32Array.from({ length: corpus.rows }, (_, row) => row);
  const predictions = predictFolds(corpus, labelled);
  const blends = labelled.names.map((name, head) => {
    const outcomes = outcomesOf(labelled, predictions, head);
    const ofPrior = name === 'weak' ? opinions.weak : name === 'strong' ? opinions.strong : undefined;
    return blendWithPrior(
      outcomes,
      ofPrior === undefined ? undefined : { logits: ofPrior, seen: opinions.seen },
    );
  });
  const { targets, weights } = labelled;
  const predicted = [0, 1].map((head) => predictHeldOut(labelled, predictions, head));
  return {
    labels: usable.length,
    names: labelled.names,
    heads: packHeads(fitHeads({ corpus, rows: all, targets, weights, epochs: EPOCHS })),
    trees: corpus.rows >= MIN_FOR_TREES ? growTrees(corpus, labelled, all) : [],
    blends,
    order: orderOf(blends, predictions, opinions),
    rules: rulesSlope({
      rules: opinions.rules,
      share: opinions.rulesShare,
      predicted,
      targets,
      own: shareOfOwn(usable.length),
    }),
    halfWidths: intervalBins(predicted[0] as Float64Array, targets[0] as Float32Array),
  };
}
