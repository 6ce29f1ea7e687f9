import { type Json, thinkingProfile } from '../core/model/index.ts';
import type { Target } from './codec.ts';

/** What is encoded for, as it is at this reasoning effort: some models refuse more while they think. */
export function whileThinking<To extends { readonly target: Target }>(to: To, effort: Json | undefined): To {
  if (effort === undefined || effort === 'none') return to;
  return { ...to, target: { ...to.target, profile: thinkingProfile(to.target.profile) } };
}
