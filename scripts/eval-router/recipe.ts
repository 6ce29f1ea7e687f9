import { trainPrior } from '../../src/core/routing/model/train-prior.ts';
import { trainVerifier } from '../../src/core/routing/model/verify.ts';
import { asExample, BENCHMARKS, type Benchmark, type Row } from './data.ts';

/** Share of the hand rules in the score by kind of traffic: chosen on splits by cluster, never on prompts kept for the end. */
const RULES_SHARE: Readonly<Record<Benchmark, number>> = { mmlu: 0.04, gsm8k: 0.02, llmrouter: 0.15 };
/** Scores from which a prompt is medium, and hard: expected gain of the strong tier, rules included. */
const CUTS = [0.2, 0.45] as const;

const ATTRIBUTION =
  'Weights derived from outcome labels of lm-sys/RouteLLM (MMLU and GSM8K, Apache-2.0) and ulab-uiuc/LLMRouter (MIT); no prompt text is contained.';

/** How the shipped prior is made, from these rows. */
export function makePrior(rows: Readonly<Partial<Record<Benchmark, readonly Row[]>>>): Uint8Array {
  const traffic = BENCHMARKS.flatMap((kind) => {
    const own = rows[kind];
    return own === undefined ? [] : [{ kind, rulesShare: RULES_SHARE[kind], examples: own.map(asExample) }];
  });
  return trainPrior(traffic, {
    cuts: CUTS,
    attribution: ATTRIBUTION,
    verifier: trainVerifier(answersOf(rows.gsm8k ?? [])),
  });
}

/** GSM8K rows with the weak model's answer, for the verifier. */
export function answersOf(rows: readonly Row[]): { prompt: string; answer: string; ok: number }[] {
  return rows.flatMap(({ prompt, weak_response, weak_correct }) =>
    weak_response === undefined ? [] : [{ prompt, answer: weak_response, ok: weak_correct }],
  );
}
