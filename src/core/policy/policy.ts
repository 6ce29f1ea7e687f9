import { type AddressBlock, isWithin, parseBlock } from './cidr.ts';
import { isModelAllowed } from './key.ts';
import type { PlaceLimits } from './virtual-key.ts';

/** What may be done with one request parameter. */
export interface ParameterRule {
  /** False: requests that set it are refused. */
  readonly allowed?: boolean;
  readonly min?: number;
  readonly max?: number;
}

/**
 * What one place (organization, team, project, user, key) says about requests made in it. Absent says nothing; an empty
 * list allows nothing. Places below can only narrow it: see {@link narrow}.
 */
export interface Policy {
  /** Names or patterns with `*`. */
  readonly models?: readonly string[];
  readonly providers?: readonly string[];
  /** Where requests may be processed; holds for fallbacks, caches, judges and logs too. */
  readonly regions?: readonly string[];
  /** As in `Exchange.operation`: `chat`, `embeddings`, … */
  readonly operations?: readonly string[];
  /** Where clients may call from: addresses and blocks, IPv4 and IPv6. */
  readonly cidrs?: readonly string[];
  readonly maxOutputTokens?: number;
  /** Names or patterns of tools a request may offer to the model. */
  readonly tools?: readonly string[];
  /** By parameter name, for example `temperature`. */
  readonly parameters?: Readonly<Record<string, ParameterRule>>;
  /** Tags a request must carry: `name`, or `name=value`. */
  readonly requiredTags?: readonly string[];
  /** Put before the conversation of every chat. */
  readonly systemPrompt?: string;
  /** Names or patterns of models each call of which needs an approval. */
  readonly approvals?: readonly string[];
  /** Shared by everything in the place, so not narrowed but enforced per scope; see `PolicySnapshot.limitsOf`. */
  readonly limits?: PlaceLimits;
}

/** Lists that must all allow a name. No list: everything is allowed. */
export type AllOf<List> = readonly List[];

/** What holds for a request after every place it is made in had its say. Compiled when the snapshot is. */
export interface EffectivePolicy {
  readonly models: AllOf<readonly string[]>;
  readonly providers: ReadonlySet<string> | undefined;
  readonly regions: ReadonlySet<string> | undefined;
  readonly operations: ReadonlySet<string> | undefined;
  readonly cidrs: AllOf<readonly AddressBlock[]>;
  readonly maxOutputTokens: number | undefined;
  readonly tools: AllOf<readonly string[]>;
  readonly parameters: ReadonlyMap<string, ParameterRule>;
  /** Each entry must be met. */
  readonly requiredTags: readonly string[];
  /** Widest place first. */
  readonly systemPrompts: readonly string[];
  /** Calls of models that match any of these need an approval. */
  readonly approvals: readonly string[];
}

/** Says nothing: compare with `===` to skip every check. */
export const UNRESTRICTED: EffectivePolicy = Object.freeze({
  models: [],
  providers: undefined,
  regions: undefined,
  operations: undefined,
  cidrs: [],
  maxOutputTokens: undefined,
  tools: [],
  parameters: new Map(),
  requiredTags: [],
  systemPrompts: [],
  approvals: [],
});

/**
 * The intersection: what `outer` allows and `inner` does not forbid. Never allows what `outer` forbids. A block that
 * cannot be read allows no address rather than all of them.
 */
export function narrow(outer: EffectivePolicy, inner: Policy): EffectivePolicy {
  if (saysNothing(inner)) return outer;
  return {
    models: also(outer.models, inner.models),
    providers: common(outer.providers, inner.providers),
    regions: common(outer.regions, inner.regions),
    operations: common(outer.operations, inner.operations),
    cidrs: also(
      outer.cidrs,
      inner.cidrs?.flatMap((text) => parseBlock(text) ?? []),
    ),
    maxOutputTokens: least(outer.maxOutputTokens, inner.maxOutputTokens),
    tools: also(outer.tools, inner.tools),
    parameters: bothRules(outer.parameters, inner.parameters),
    requiredTags: [...new Set([...outer.requiredTags, ...(inner.requiredTags ?? [])])],
    systemPrompts:
      inner.systemPrompt === undefined ? outer.systemPrompts : [...outer.systemPrompts, inner.systemPrompt],
    approvals: inner.approvals === undefined ? outer.approvals : [...outer.approvals, ...inner.approvals],
  };
}

/** Whether a policy leaves everything as it is. Rate limits count as nothing here: they belong to the place. */
export function saysNothing(policy: Policy): boolean {
  return Object.entries(policy).every(([name, value]) => value === undefined || name === 'limits');
}

/** Whether every list allows the model. */
export function allowsModel({ models }: EffectivePolicy, model: string): boolean {
  return models.every((list) => isModelAllowed(list, model));
}

/** Whether every list allows the tool. */
export function allowsTool({ tools }: EffectivePolicy, tool: string): boolean {
  return tools.every((list) => isModelAllowed(list, tool));
}

export function allowsOperation({ operations }: EffectivePolicy, operation: string): boolean {
  return operations === undefined || operations.has(operation);
}

/** Whether a client at this address may call. */
export function allowsAddress({ cidrs }: EffectivePolicy, address: string): boolean {
  return cidrs.every((blocks) => isWithin(blocks, address));
}

function also<List>(lists: AllOf<List>, list: List | undefined): AllOf<List> {
  return list === undefined ? lists : [...lists, list];
}

function common(
  outer: ReadonlySet<string> | undefined,
  inner: readonly string[] | undefined,
): ReadonlySet<string> | undefined {
  if (inner === undefined) return outer;
  return new Set(outer === undefined ? inner : inner.filter((name) => outer.has(name)));
}

function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}

function most(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
}

function bothRules(
  outer: ReadonlyMap<string, ParameterRule>,
  inner: Policy['parameters'],
): ReadonlyMap<string, ParameterRule> {
  if (inner === undefined) return outer;
  const rules = new Map(outer);
  for (const [name, rule] of Object.entries(inner)) {
    const before = rules.get(name);
    rules.set(name, before === undefined ? rule : bothRule(before, rule));
  }
  return rules;
}

function bothRule(a: ParameterRule, b: ParameterRule): ParameterRule {
  const min = most(a.min, b.min);
  const max = least(a.max, b.max);
  return {
    allowed: a.allowed !== false && b.allowed !== false,
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
  };
}
