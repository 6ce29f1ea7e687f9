import { type Calibration, calibrated } from './calibrate.ts';
import { createFeaturiser, type Features, type Featuriser, featurise } from './features.ts';
import { askForest } from './forest.ts';
import { DIRECTIONS, type FormHead, formLogit, formOf } from './form.ts';
import { headLogits, logit, sigmoid } from './heads.ts';
import { INPUTS, setLogits } from './inputs.ts';
import { type Learned, learnRoute } from './learn.ts';
import { decodeLearned, encodeLearned } from './learned-bytes.ts';
import { needsInfo } from './needs-info.ts';
import { askPrior, decodePrior, type Prior, type PriorFacts, type PriorOpinion } from './prior.ts';
import { ruleScore } from './rules.ts';
import { type Blend, blendedLogit, COLD_HALF_WIDTH, INTERVAL_BINS } from './stack.ts';
import { writeCounts } from './structure.ts';
import { languageOf, taskOf } from './task.ts';
import type { Example, Interval, PromptFacts, PromptScore, Tier } from './types.ts';
import { openVerifier, type Verifier, type Verify } from './verify.ts';

/**
 * The prompt model of one route. Immutable: learning gives a new model, so that versions can be kept, replayed and
 * rolled back. All methods are pure and deterministic.
 */
export interface PromptModel {
  /** Labels the route has learned from; 0 is the shipped prior alone. */
  readonly labels: number;
  /** Version of the shipped weights, `prior-` and eight hexadecimal digits. */
  readonly prior: string;
  /** Scores one prompt. Never throws; linear in the characters read (at most 3,000). */
  score(facts: PromptFacts): PromptScore;
  /**
   * A model that has learned from these labels, starting from the shipped prior (not from this model's earlier labels: pass
   * all labels of the route that are to count). At most some seconds for 10,000; call it off the request thread. With fewer
   * than ten labels the answer is the shipped prior.
   */
  learn(examples: readonly Example[]): PromptModel;
  /** P(a cheap model's answer will do), from prompt and answer: the cascade's verifier. Never throws. */
  readonly verify: Verify;
  /**
   * The model of another route on the same prior: what `serialise` wrote. Throws `RangeError` on bytes that are not ours, or were
   * learned on other shipped weights.
   */
  adopt(learned: Uint8Array): PromptModel;
  /** What was learned, without the shipped prior; `PromptModel.load(prior, learned)` brings it back. */
  serialise(): Uint8Array;
}

interface Opened {
  readonly prior: Prior;
  readonly verify: Verify;
  readonly featuriser: Featuriser;
  readonly scratch: Float64Array;
  /** What kernel and trees see. */
  readonly inputs: Float32Array;
  readonly form: Float64Array;
  /** What trees say, per head. */
  readonly trees: Float64Array;
}

/** P(ok) of every head, and what strong gains over weak in the order of prompts. */
interface Opinion {
  readonly heads: Record<string, number>;
  readonly gain: number;
}

/** The route's own models and the prior, weighed by what was learned about either. */
function learnedOpinion(
  opened: Opened,
  learned: Learned,
  read: { readonly features: Features; readonly opinion: PriorOpinion },
): Opinion {
  const { scratch, inputs, form, trees } = opened;
  const { places, values, count } = read.features;
  headLogits(learned.heads, { places, values, from: 0, to: count }, scratch);
  writeCounts(read.features.structure, inputs);
  setLogits(inputs, scratch[0] as number, scratch[1] as number);
  formOf(inputs, learned.formScale, form);
  askForest(learned.forest, inputs, trees);
  const ofPrior = [logit(read.opinion.pWeak), logit(read.opinion.pStrong)];
  const heads: Record<string, number> = {};
  let gain = 0;
  for (let head = 0; head < learned.names.length; head++) {
    const evidence = {
      linear: scratch[head] as number,
      form: formLogit(learned.form[head] as FormHead, form),
      trees: trees[head] as number,
      prior: ofPrior[head] ?? 0,
    };
    heads[learned.names[head] as string] = calibrated(
      learned.calibrations[head] as Calibration,
      sigmoid(blendedLogit(learned.blends[head] as Blend, evidence)),
    );
    const order = learned.order[head];
    if (order !== undefined) gain += (head === 0 ? -1 : 1) * sigmoid(blendedLogit(order, evidence));
  }
  return { heads, gain };
}

function coldOpinion({ pWeak, pStrong }: PriorOpinion): Opinion {
  return { heads: { weak: pWeak, strong: pStrong }, gain: pStrong - pWeak };
}

function intervalOf(p: number, learned: Learned | undefined): Interval {
  const bin = Math.min(INTERVAL_BINS - 1, Math.floor(p * INTERVAL_BINS));
  const half = learned?.halfWidths[bin] ?? COLD_HALF_WIDTH;
  return { low: Math.max(0, p - half), high: Math.min(1, p + half) };
}

/** How far the score may be off: the more may be expected of the weak tier, the less the strong one gains. */
interface Spread {
  readonly below: number;
  readonly above: number;
}

/**
 * Cuts of the score. An interval that reaches from easy to hard, the strong tier's chance left as it is, decides nothing:
 * `needs_info` (ROUTER §2.8, §3).
 */
function tierOf(score: number, spread: Spread, [medium, hard]: PriorFacts['cuts']): Tier {
  const at = (gain: number): Tier => (gain >= hard ? 'hard' : gain >= medium ? 'medium' : 'easy');
  const isOpen = at(score - spread.below) === 'easy' && at(score + spread.above) === 'hard';
  return isOpen ? 'needs_info' : at(score);
}

function scoreOf(opened: Opened, learned: Learned | undefined, facts: PromptFacts): PromptScore {
  const { prior, featuriser, scratch } = opened;
  const features = featurise(featuriser, facts.text, prior.idf);
  const opinion = askPrior(prior, features, scratch);
  const { heads, gain } =
    learned === undefined ? coldOpinion(opinion) : learnedOpinion(opened, learned, { features, opinion });
  const pWeak = heads['weak'] ?? opinion.pWeak;
  const pStrong = heads['strong'] ?? opinion.pStrong;
  const score = gain + (learned?.rules ?? opinion.rulesShare) * ruleScore(features.structure);
  const missing = needsInfo(facts, features);
  const interval = intervalOf(pWeak, learned);
  const spread = { below: interval.high - pWeak, above: pWeak - interval.low };
  return {
    heads,
    pWeak,
    pStrong,
    score,
    interval,
    tier: missing !== undefined ? 'needs_info' : tierOf(score, spread, prior.facts.cuts),
    task: taskOf(features.structure),
    needsInfo: missing,
    language: languageOf(features.tokens, features.marks),
  };
}

/** Room for the log-odds of prior or route, whichever has more heads, and of the route's trees. */
const roomFor = ({ heads }: Prior, learned: Learned | undefined) => ({
  scratch: new Float64Array(Math.max(heads.count, learned?.names.length ?? 0)),
  trees: new Float64Array(learned?.names.length ?? 0),
});

function withLearned(opened: Opened, learned: Learned | undefined): PromptModel {
  return {
    labels: learned?.labels ?? 0,
    prior: `prior-${opened.prior.id}`,
    verify: opened.verify,
    score: (facts) => scoreOf(opened, learned, facts),
    learn(examples) {
      const next = learnRoute(opened.prior, opened.featuriser, examples);
      return withLearned({ ...opened, ...roomFor(opened.prior, next) }, next);
    },
    adopt(bytes) {
      const known = decodeLearned(bytes, opened.prior.id);
      return withLearned({ ...opened, ...roomFor(opened.prior, known) }, known);
    },
    serialise: () => encodeLearned(learned, opened.prior.id),
  };
}

/** Opens the shipped prior and, if given, what a route has learned on top. Throws `RangeError` on bytes that are not ours. */
export const PromptModel = {
  load(prior: Uint8Array, learned?: Uint8Array): PromptModel {
    const decoded = decodePrior(prior);
    const known = learned === undefined ? undefined : decodeLearned(learned, decoded.id);
    return withLearned(
      {
        prior: decoded,
        verify: openVerifier(decoded.facts.verifier as Verifier),
        featuriser: createFeaturiser(),
        ...roomFor(decoded, known),
        inputs: new Float32Array(INPUTS),
        form: new Float64Array(DIRECTIONS),
      },
      known,
    );
  },
};
