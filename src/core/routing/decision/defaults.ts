import { HOUR_MS } from '../../durations.ts';
import type { RoutePrior, SessionPolicy, Thresholds } from './types.ts';

/** Begins the version of thresholds that stand on no evidence. */
export const UNPROVEN = 'default';

/** What is allowed until risk control has evidence of its own. Expected loss of quality against the best candidate. */
export const DEFAULT_THRESHOLDS: Thresholds = {
  version: 'default-1',
  maxLoss: { cost: 0.12, balanced: 0.06, quality: 0.02, fast: 0.06 },
};

/** No route has labels yet. */
export const NO_PRIOR: RoutePrior = { version: 'none', of: () => undefined };

/** Vendors keep a prompt cache for five minutes after its last use and cache nothing below 1,024 tokens (OpenAI, Anthropic). */
export const DEFAULT_SESSIONS: SessionPolicy = {
  ttlMs: HOUR_MS,
  cacheTtlMs: 300_000,
  minCacheTokens: 1024,
  upgrade: false,
};
