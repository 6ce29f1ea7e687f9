import type { PromptScore, TaskClass } from '../model/types.ts';

/** What can be asked of a prompt; Morph's heads. */
export const CLASSES = ['difficulty', 'ambiguity', 'domain'] as const;
export type ClassName = (typeof CLASSES)[number];

/** One head's verdict, in Morph's shape. */
export interface Classification {
  readonly class_id: number;
  readonly label: string;
  /** 0 to 1. */
  readonly confidence: number;
  readonly meets_threshold: boolean;
}

const DIFFICULTIES = ['easy', 'medium', 'hard', 'needs_info'] as const;
const AMBIGUITIES = ['low', 'med', 'high'] as const;
const DOMAINS = ['general', 'summary', 'coding', 'design', 'data'] as const;

const DOMAIN_OF: Readonly<Record<TaskClass, (typeof DOMAINS)[number]>> = {
  summary: 'summary',
  extraction: 'summary',
  classification: 'data',
  code: 'coding',
  reasoning: 'general',
  creative: 'general',
  chat: 'general',
};

const DESIGN = /\b(?:architect\w*|design (?:a|an|the)\b|system design|schema design|wireframe|data model)\b/i;
const DATA = /\b(?:dataset|csv|dataframe|pandas|sql|analytics|chart|pivot|spreadsheet|etl)\b/i;
/** Below this a verdict is a guess. */
const THRESHOLD = 0.5;
/** A request of fewer words says little about what is wanted. */
const FEW_WORDS = 4;

function verdict(labels: readonly string[], label: string, confidence: number): Classification {
  const rounded = Math.round(Math.min(0.99, Math.max(0, confidence)) * 100) / 100;
  return {
    class_id: labels.indexOf(label),
    label,
    confidence: rounded,
    meets_threshold: label !== 'needs_info' && rounded >= THRESHOLD,
  };
}

/** How sure the tier is: from 0.5 up with what the score says of its side. The tier is cut from the score, not from the heads. */
function difficulty(score: PromptScore): Classification {
  const loss = score.score;
  const width = Math.max(0, score.interval.high - score.interval.low);
  const sure = score.tier === 'easy' ? 1 - loss : score.tier === 'hard' ? 0.5 + loss : 0.75;
  return verdict(DIFFICULTIES, score.tier, score.tier === 'needs_info' ? 0.4 : sure - width * 0.3);
}

function ambiguity(score: PromptScore, text: string): Classification {
  if (score.needsInfo !== undefined) return verdict(AMBIGUITIES, 'high', 0.9);
  const words = text.trim().split(/\s+/, FEW_WORDS + 1).length;
  return words < FEW_WORDS ? verdict(AMBIGUITIES, 'med', 0.6) : verdict(AMBIGUITIES, 'low', 0.8);
}

function domain(score: PromptScore, text: string): Classification {
  const start = text.slice(0, 2000);
  if (DESIGN.test(start)) return verdict(DOMAINS, 'design', 0.7);
  if (score.task !== 'code' && DATA.test(start)) return verdict(DOMAINS, 'data', 0.7);
  return verdict(DOMAINS, DOMAIN_OF[score.task], score.task === 'chat' ? 0.6 : 0.75);
}

/**
 * A prompt's labels in Morph's shape. Difficulty comes from the prompt model; ambiguity and domain from its rules and task
 * class, with fixed confidences, because nothing learned stands behind them.
 */
export function classify(
  score: PromptScore,
  text: string,
  classes: readonly ClassName[],
): Partial<Record<ClassName, Classification>> {
  return {
    ...(classes.includes('difficulty') ? { difficulty: difficulty(score) } : {}),
    ...(classes.includes('ambiguity') ? { ambiguity: ambiguity(score, text) } : {}),
    ...(classes.includes('domain') ? { domain: domain(score, text) } : {}),
  };
}
