import { completePrice, picoPerToken } from '../../src/core/cost/complete-price.ts';
import { compileCondition, isCondition } from '../../src/core/routing/decision/conditions.ts';
import { DEFAULT_SESSIONS, DEFAULT_THRESHOLDS, NO_PRIOR } from '../../src/core/routing/decision/defaults.ts';
import type { Candidate, RouterPlan, Rule, Situation } from '../../src/core/routing/decision/types.ts';
import type { PromptScore } from '../../src/core/routing/model/index.ts';

export const price = (input: number, output: number) =>
  completePrice({
    input: picoPerToken(input),
    output: picoPerToken(output),
    cacheRead: picoPerToken(input / 10),
  });

/** A model that can do everything, at these US dollars per million tokens of input and output. */
export const candidate = (
  model: string,
  usd: readonly [number, number],
  more: Partial<Candidate> = {},
): Candidate => ({
  model,
  price: price(...usd),
  contextTokens: 128_000,
  maxOutputTokens: 16_000,
  tools: true,
  vision: true,
  structuredOutput: 'json_schema',
  reasoning: true,
  refuses: [],
  regions: [''],
  providers: ['openai'],
  ...more,
});

export const MINI = candidate('mini', [0.15, 0.6], { tier: 'easy' });
export const MID = candidate('mid', [2.5, 10], { tier: 'medium' });
export const BIG = candidate('big', [15, 75], { tier: 'hard' });

/** A rule whose condition must compile. */
export const rule = (when: string, use: string, more: Partial<Rule> = {}): Rule => {
  const compiled = compileCondition(when);
  if (!isCondition(compiled)) throw new Error(compiled.problem);
  return { name: undefined, when, use, mode: undefined, interrupt: false, holds: compiled.holds, ...more };
};

/** A router of three tiers that follows its decisions. */
export const plan = (more: Partial<RouterPlan> = {}): RouterPlan => ({
  name: 'auto',
  version: 'v1',
  mode: 'on',
  canaryPercent: 10,
  objective: 'balanced',
  candidates: [MINI, MID, BIG],
  byTier: { easy: 'mini', medium: 'mid', hard: 'big', needs_info: 'mid' },
  rules: [],
  experiments: [],
  intents: [],
  cascade: undefined,
  maxPrice: undefined,
  minQuality: undefined,
  thresholds: { ...DEFAULT_THRESHOLDS, version: 'risk-1' },
  prior: NO_PRIOR,
  sessions: DEFAULT_SESSIONS,
  ...more,
});

/** What the prompt model says of a prompt. */
export const score = (pWeak: number, pStrong: number, more: Partial<PromptScore> = {}): PromptScore => ({
  heads: { weak: pWeak, strong: pStrong },
  pWeak,
  pStrong,
  score: pStrong - pWeak,
  interval: { low: pWeak - 0.1, high: pWeak + 0.1 },
  tier: 'medium',
  task: 'chat',
  needsInfo: undefined,
  language: 'en',
  ...more,
});
export const EASY = score(0.94, 0.96);
export const HARD = score(0.4, 0.9);

/** An easy prompt under the name of the router. */
export const situation = (more: Partial<Situation> = {}): Situation => ({
  model: 'auto',
  asked: 'auto',
  reached: 'name',
  baseline: 'mid',
  tags: {},
  headers: {},
  metadata: {},
  key: { id: 'key_1', name: 'web', team: 'team_a' },
  time: { hour: 10, minute: 5, weekday: 3 },
  tokens: 500,
  tools: [],
  images: 0,
  stream: false,
  systemHash: 'abc',
  output: 'text',
  reasoning: false,
  toolsHash: '',
  routeKey: 'route',
  toolLoop: false,
  callsPerTurn: 1,
  draw: 0.5,
  sessionHash: 's',
  forbidden: [],
  down: [],
  score: EASY,
  ...more,
});
