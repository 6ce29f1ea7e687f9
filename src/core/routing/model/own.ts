import { type Calibration, calibrationOf } from './calibrate.ts';
import { type Forest, fitForest } from './forest.ts';
import { type FormHead, type FormScale, fitForm } from './form.ts';
import { type Corpus, fitHeads, type Heads, headLogits, packHeads, seededRandom, sigmoid } from './heads.ts';
import { INPUTS, setLogits } from './inputs.ts';
import { spreadOf } from './logistic.ts';
import {
  type Blend,
  blendedLogit,
  blendWithPrior,
  MIN_UNSEEN,
  type Outcome,
  type PriorView,
  shareOfOwn,
  tieBlends,
} from './stack.ts';
import { STRUCTURE } from './structure.ts';

/** Labels of some prompts: one column of targets per head, NaN where a prompt has none. */
export interface Labelled {
  readonly names: readonly string[];
  readonly targets: readonly Float32Array[];
  readonly weights: Float32Array;
}

/** What labels alone teach: heads on n-grams and on form, trees on both, and how they come together. */
export interface OwnModels {
  readonly heads: Heads;
  readonly form: readonly FormHead[];
  readonly formScale: FormScale;
  readonly forest: Forest;
  /** Per head: how n-grams, form, trees and prior come together. */
  readonly blends: readonly Blend[];
  /** Per head: what its probability is drawn to after that. */
  readonly calibrations: readonly Calibration[];
  /** Weak and strong with weights in common: their difference orders prompts. */
  readonly order: readonly Blend[];
  /** P(ok) of weak and strong for every prompt by models that were trained without it, the prior left out. */
  readonly heldOut: readonly Float64Array[];
}

/** How to learn, and what is known beside the labels. */
export interface Teaching {
  /** Passes over the labels. */
  readonly epochs: number;
  /** What the prior says of weak and strong. */
  readonly opinions: readonly PriorView[];
}

interface Predictions {
  readonly linear: readonly Float64Array[];
  readonly form: readonly Float64Array[];
  readonly trees: readonly Float64Array[];
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

const everyRow = (corpus: Corpus) => Uint32Array.from({ length: corpus.rows }, (_, row) => row);

/** Log-odds of each linear head for each example, from heads that were trained without it. */
function predictFolds(corpus: Corpus, labelled: Labelled, by: { folds: Uint8Array; epochs: number }) {
  const { names, targets, weights } = labelled;
  const linear = names.map(() => new Float64Array(corpus.rows));
  const all = everyRow(corpus);
  const out = new Float64Array(names.length);
  for (let fold = 0; fold < foldCount(corpus.rows); fold++) {
    const rows = all.filter((row) => by.folds[row] !== fold);
    const heads = packHeads(fitHeads({ corpus, rows, targets, weights, epochs: by.epochs }));
    for (const row of all) {
      if (by.folds[row] !== fold) continue;
      const { places, values, begins } = corpus;
      headLogits(heads, { places, values, from: begins[row] as number, to: begins[row + 1] as number }, out);
      names.forEach((_, head) => {
        (linear[head] as Float64Array)[row] = out[head] as number;
      });
    }
  }
  return linear;
}

/** What kernel and trees see of each prompt; the log-odds are of heads that had not learned from it, as on prompts to come. */
function inputsOf(corpus: Corpus, linear: readonly Float64Array[]): Float32Array {
  const inputs = new Float32Array(corpus.rows * INPUTS);
  for (let row = 0; row < corpus.rows; row++) {
    const own = inputs.subarray(row * INPUTS, (row + 1) * INPUTS);
    own.set(corpus.structure.subarray(row * STRUCTURE.length, (row + 1) * STRUCTURE.length));
    setLogits(own, linear[0]?.[row] ?? 0, linear[1]?.[row] ?? 0);
  }
  return inputs;
}

function outcomesOf(labelled: Labelled, predictions: Predictions, head: number): Outcome[] {
  const target = labelled.targets[head] as Float32Array;
  const outcomes: Outcome[] = [];
  target.forEach((label, row) => {
    if (Number.isNaN(label)) return;
    outcomes.push({
      row,
      label,
      weight: labelled.weights[row] as number,
      linear: (predictions.linear[head] as Float64Array)[row] as number,
      form: (predictions.form[head] as Float64Array)[row] as number,
      trees: (predictions.trees[head] as Float64Array)[row] as number,
    });
  });
  return outcomes;
}

/** Blend and calibration of one head; the prior counts in the latter where it had not seen the prompt either. */
function blendHead(outcomes: readonly Outcome[], view: PriorView | undefined) {
  const own = blendWithPrior(outcomes, undefined);
  const blend = view === undefined ? own : blendWithPrior(outcomes, view);
  const unseen = outcomes.filter(({ row }) => view?.seen[row] === 0);
  const withPrior = unseen.length >= MIN_UNSEEN;
  const judged = withPrior ? blend : own;
  const share = withPrior || view === undefined ? 1 : shareOfOwn(outcomes.length);
  const predictions = (withPrior ? unseen : outcomes).map(({ row, label, weight, linear, form, trees }) => ({
    predicted: sigmoid(blendedLogit(judged, { linear, form, trees, prior: view?.logits[row] ?? 0 })),
    label,
    weight,
  }));
  const calibration = calibrationOf(predictions, share);
  return { own, blend, calibration };
}

const meanOf = (values: Float64Array | undefined) => (values === undefined ? 0 : spreadOf(values).mean);

/**
 * Learns from labels alone. Everything that weighs one model against the other, or corrects their probabilities, is fitted on
 * predictions for labels that were held out. Deterministic.
 */
export function learnOwn(corpus: Corpus, labelled: Labelled, teaching: Teaching): OwnModels {
  const { epochs, opinions } = teaching;
  const folds = foldsOf(corpus.rows);
  const linear = predictFolds(corpus, labelled, { folds, epochs });
  const task = { ...labelled, inputs: inputsOf(corpus, linear), folds, foldCount: foldCount(corpus.rows) };
  const form = fitForm(task);
  const trees = fitForest(task);
  const predictions = { linear, form: form.heldOut, trees: trees.heldOut };
  const heads = labelled.names.map((_, head) =>
    blendHead(outcomesOf(labelled, predictions, head), opinions[head]),
  );
  const { targets, weights } = labelled;
  return {
    heads: fitHeads({ corpus, rows: everyRow(corpus), targets, weights, epochs }),
    form: form.heads,
    formScale: form.scale,
    forest: trees.forest,
    blends: heads.map(({ blend }) => blend),
    calibrations: heads.map(({ calibration }) => calibration),
    order: tieBlends(
      heads.slice(0, 2).map(({ blend }) => blend),
      [0, 1].map((head) => ({
        linear: meanOf(predictions.linear[head]),
        form: meanOf(predictions.form[head]),
        trees: meanOf(predictions.trees[head]),
        prior: meanOf(opinions[head]?.logits),
      })),
    ),
    heldOut: heads.slice(0, 2).map(({ own }, head) =>
      (linear[head] as Float64Array).map((logit, row) =>
        sigmoid(
          blendedLogit(own, {
            linear: logit,
            form: form.heldOut[head]?.[row] ?? 0,
            trees: trees.heldOut[head]?.[row] ?? 0,
            prior: 0,
          }),
        ),
      ),
    ),
  };
}
