import type { Json } from '../model/json.ts';
import {
  allowsTool,
  type EffectivePolicy,
  narrow,
  type ParameterRule,
  type Policy,
  UNRESTRICTED,
} from './policy.ts';
import type { Scope } from './scope.ts';

/** Where a request would be processed. */
export interface Reach {
  readonly provider: string;
  readonly region: string | undefined;
}

/** What is known of a request before it is sent, in no vendor's words. */
export interface PolicyFacts {
  /** A conversation with a model, to which a system prompt can be added. */
  readonly chat: boolean;
  /** Sent on as it is: nothing can be added to it. */
  readonly opaque: boolean;
  /** By their canonical names (`temperature`, `top_p`, `stop`, …). */
  readonly parameters: Readonly<Record<string, Json | undefined>>;
  readonly maxOutputTokens: number | undefined;
  readonly tools: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  /** Every place that could answer. */
  readonly reach: readonly Reach[];
}

/** A refusal names the field by its canonical name; `adjustments` are what a lawful request still needs. */
export type PolicyVerdict =
  | {
      readonly allowed: true;
      readonly maxOutputTokens: number | undefined;
      readonly systemPrompt: string | undefined;
    }
  | { readonly allowed: false; readonly field: string; readonly problem: string };

/**
 * Whether data may go to this place. Holds for every call made for a request: the model itself, its fallbacks, an embedder,
 * a judge. A region allows its parts too (`eu` covers `eu-west-1`); a place that names no region lies in none.
 */
export function mayReach(policy: EffectivePolicy, { provider, region }: Reach): boolean {
  if (policy.providers !== undefined && !policy.providers.has(provider)) return false;
  return policy.regions === undefined || (region !== undefined && isInRegions(policy.regions, region));
}

function isInRegions(regions: ReadonlySet<string>, region: string): boolean {
  if (regions.has(region)) return true;
  for (const allowed of regions) if (region.startsWith(`${allowed}-`)) return true;
  return false;
}

/** What a policy says about a request. Pure; the same for chats, operations and direct calls. */
export function checkPolicy(policy: EffectivePolicy, facts: PolicyFacts): PolicyVerdict {
  const refusal =
    refusedTags(policy, facts) ??
    refusedPlaces(policy, facts) ??
    refusedParameters(policy, facts) ??
    refusedTools(policy, facts) ??
    refusedLength(policy, facts) ??
    refusedPrompt(policy, facts);
  if (refusal !== undefined) return { allowed: false, ...refusal };
  const { maxOutputTokens, systemPrompts } = policy;
  return {
    allowed: true,
    maxOutputTokens: facts.chat && facts.maxOutputTokens === undefined ? maxOutputTokens : undefined,
    systemPrompt: facts.chat && systemPrompts.length > 0 ? systemPrompts.join('\n\n') : undefined,
  };
}

type Refusal = { readonly field: string; readonly problem: string } | undefined;

function refusedTags({ requiredTags }: EffectivePolicy, { tags }: PolicyFacts): Refusal {
  for (const wanted of requiredTags) {
    const [name = '', value] = wanted.split('=', 2);
    if (Object.hasOwn(tags, name) && (value === undefined || tags[name] === value)) continue;
    return { field: 'x-sluice-tags', problem: `must carry the tag \`${wanted}\`` };
  }
  return undefined;
}

function refusedPlaces(policy: EffectivePolicy, { reach }: PolicyFacts): Refusal {
  if (reach.length === 0 || reach.some((place) => mayReach(policy, place))) return undefined;
  const regionless: EffectivePolicy = { ...policy, regions: undefined };
  const byProvider = !reach.some((place) => mayReach(regionless, place));
  const names = [...((byProvider ? policy.providers : policy.regions) ?? [])];
  const kind = byProvider ? 'providers' : 'regions';
  const list = names.length === 0 ? `no ${kind}` : `the ${kind} ${names.join(', ')}`;
  return { field: 'model', problem: `is served outside of what is allowed: ${list}` };
}

function refusedParameters({ parameters }: EffectivePolicy, facts: PolicyFacts): Refusal {
  for (const [name, rule] of parameters) {
    const value = facts.parameters[name];
    if (value === undefined || value === null) continue;
    const problem = breachOf(rule, value);
    if (problem !== undefined) return { field: name, problem };
  }
  return undefined;
}

function breachOf(rule: ParameterRule, value: Json): string | undefined {
  if (rule.allowed === false) return 'may not be set';
  if (rule.min === undefined && rule.max === undefined) return undefined;
  if (typeof value !== 'number') return 'must be a number, because its range is limited';
  if (rule.min !== undefined && value < rule.min) return `must be at least ${rule.min}`;
  return rule.max !== undefined && value > rule.max ? `must be at most ${rule.max}` : undefined;
}

function refusedTools(policy: EffectivePolicy, { tools }: PolicyFacts): Refusal {
  if (policy.tools.length === 0) return undefined;
  const tool = tools.find((name) => !allowsTool(policy, name));
  return tool === undefined
    ? undefined
    : { field: 'tools', problem: `may not offer \`${tool.slice(0, 100)}\`` };
}

function refusedLength(policy: EffectivePolicy, facts: PolicyFacts): Refusal {
  const most = policy.maxOutputTokens;
  if (most === undefined) return undefined;
  if (facts.maxOutputTokens === undefined) {
    return facts.opaque ? { field: 'max_tokens', problem: `must be set, to at most ${most}` } : undefined;
  }
  if (facts.maxOutputTokens <= most) return undefined;
  return { field: 'max_tokens', problem: `must be at most ${most}` };
}

function refusedPrompt({ systemPrompts }: EffectivePolicy, { opaque }: PolicyFacts): Refusal {
  if (systemPrompts.length === 0 || !opaque) return undefined;
  return {
    field: 'path',
    problem:
      'must be an endpoint of this gateway: a system prompt is prescribed, and nothing can be put before a call that is passed through',
  };
}

/** What a place says, for naming who forbids. */
export interface PolicySource {
  readonly scope: Scope;
  readonly policy: Policy | undefined;
}

/** The widest place that alone refuses the request; undefined when only several together do. */
export function whoForbids(sources: readonly PolicySource[], facts: PolicyFacts): Scope | undefined {
  for (const { scope, policy } of sources) {
    if (policy !== undefined && !checkPolicy(narrow(UNRESTRICTED, policy), facts).allowed) return scope;
  }
  return undefined;
}
