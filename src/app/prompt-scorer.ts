import { readFileSync } from 'node:fs';
import { COLD_VERSION, coldScore } from '../core/routing/decision/cold-score.ts';
import { PromptModel } from '../core/routing/model/index.ts';
import type { PromptScorer } from '../pipeline/routing.ts';
import { shippedFile } from './paths.ts';

const COLD: ShippedScorer = { version: COLD_VERSION, score: (facts) => coldScore(facts) };

/** The shipped scorer, with the model that routes learn on; absent where rules stand in for it. */
export interface ShippedScorer extends PromptScorer {
  readonly model?: PromptModel;
}

function load(): ShippedScorer {
  const path = shippedFile('./router-prior.bin', '../core/routing/model/router-prior.bin');
  if (path === undefined) return COLD;
  try {
    const model = PromptModel.load(readFileSync(path));
    return {
      version: model.prior,
      model,
      score: (facts) => model.score(facts),
      doubt: (prompt, answer) => 1 - model.verify(prompt, answer),
    };
  } catch (error) {
    if (error instanceof RangeError) return COLD;
    throw error;
  }
}

/**
 * Opens the scorer of prompts on first use: the shipped weights, or hand-made rules where they are missing or not ours.
 * Whoever never routes does not wait for it at the start.
 */
export function createScorer(): () => ShippedScorer {
  let scorer: ShippedScorer | undefined;
  return () => {
    scorer ??= load();
    return scorer;
  };
}
