import type { Featuriser } from './features.ts';
import { type Corpus, logit, type PackedHeads, packHeads, readCorpus } from './heads.ts';
import { type Labelled, learnOwn, type OwnModels } from './own.ts';
import { askPrior, type Prior } from './prior.ts';
import { ruleScore } from './rules.ts';
import { fingerprint, isSeen } from './seen.ts';
import { intervalBins, rulesSlope, shareOfOwn } from './stack.ts';
import type { Example } from './types.ts';

/** A third pass costs half as much again and gains nothing measurable. */
const EPOCHS = 2;
/** Labels from which there is anything to learn. */
const MIN_LABELS = 10;

/** What a route has learned on top of the shipped prior. */
export interface Learned extends Omit<OwnModels, 'heads' | 'heldOut'> {
  readonly labels: number;
  /** `weak`, `strong`, then the models that have labels. */
  readonly names: readonly string[];
  readonly heads: PackedHeads;
  /** Weight of the hand rules in the score. */
  readonly rules: number;
  /** Half-widths of the 80 % interval by tenth of `pWeak`. */
  readonly halfWidths: readonly number[];
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

/**
 * Learns a route from its labels: in-domain heads on n-grams and on form, and how much they count against the prior. Everything that weighs
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
  const { heads, heldOut, ...own } = learnOwn(corpus, labelled, {
    epochs: EPOCHS,
    opinions: [opinions.weak, opinions.strong].map((logits) => ({ logits, seen: opinions.seen })),
  });
  return {
    ...own,
    labels: usable.length,
    names: labelled.names,
    heads: packHeads(heads),
    rules: rulesSlope({
      rules: opinions.rules,
      share: opinions.rulesShare,
      predicted: heldOut,
      targets: labelled.targets,
      own: shareOfOwn(usable.length),
    }),
    halfWidths: intervalBins(heldOut[0] as Float64Array, labelled.targets[0] as Float32Array),
  };
}
