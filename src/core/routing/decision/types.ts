import type { Price } from '../../cost/price.ts';
import type { NeedsInfoReason, PromptScore, Tier } from '../model/types.ts';
import type { FoundIntent } from './intents.ts';

export type { Tier } from '../model/types.ts';

/** What a router does with its decisions: nothing, only log them, follow them for a share of sessions, follow them. */
export type Mode = 'off' | 'observe' | 'canary' | 'on';

/** What is favoured where several models would do. `fast` is asked for by a name's suffix only. */
export type Objective = 'cost' | 'balanced' | 'quality' | 'fast';

/** How a request came to its router. */
export type Reached = 'name' | 'alias' | 'attached' | 'implicit';

/** A model a router may choose, as configuration and catalog describe it. Dearest deployment counts for prices. */
export interface Candidate {
  readonly model: string;
  /** The tier it was configured for. */
  readonly tier?: Tier;
  /** Reached by rules, experiments, intents or as the baseline only; no evidence about the prompt chooses it. */
  readonly explicitOnly?: boolean;
  readonly price: Price | undefined;
  readonly contextTokens?: number;
  readonly maxOutputTokens?: number;
  readonly tools: boolean;
  /** Takes images. */
  readonly vision: boolean;
  readonly structuredOutput: 'json_schema' | 'json_object' | 'none';
  /** Can be told to think. */
  readonly reasoning: boolean;
  /** Parameters that every deployment answers with a 400. */
  readonly refuses: readonly string[];
  /** Regions of its deployments; one without a region counts as `''`. */
  readonly regions: readonly string[];
  /** Providers of its deployments. */
  readonly providers: readonly string[];
}

/** A fixed choice. */
export interface Rule {
  readonly name: string | undefined;
  /** CEL, checked. */
  readonly when: string;
  /** A model of the router's candidates. */
  readonly use: string;
  /** Own mode of this rule; the router's when absent. */
  readonly mode: Mode | undefined;
  /** May end a warm session's stay with its model. Never a tool loop's. */
  readonly interrupt: boolean;
  /** Evaluates the condition; a sentence when it cannot be evaluated for these facts. */
  readonly holds: (facts: ConditionFacts) => boolean | string;
}

/** Sessions split between models. */
export interface Experiment {
  readonly name: string;
  readonly arms: readonly { readonly model: string; readonly percent: number }[];
  readonly holds: ((facts: ConditionFacts) => boolean | string) | undefined;
}

/** Utterances that mean one thing, and the model for it. */
export interface Intent {
  readonly name: string;
  readonly model: string;
  /** Least cosine similarity, by spelling. */
  readonly threshold: number;
  /** The same where an embedding model compared meanings; as for spelling when absent. */
  readonly meaningThreshold?: number;
}

/** Cheap models first, with what makes the next one answer instead. */
export interface CascadePlan {
  readonly models: readonly string[];
  readonly escalateOn: readonly EscalationCause[];
  readonly maxEscalations: number;
  readonly judge?: CascadeJudge | undefined;
}

/** A model that is asked about an answer in which nothing else was found wrong. */
export interface CascadeJudge {
  readonly model: string;
  /** What answers have to meet besides being right; empty for nothing. */
  readonly rubric: string;
  /** Without a verdict by then the answer passes. Milliseconds. */
  readonly timeoutMs: number;
}

export type EscalationCause = 'refusal' | 'uncertainty' | 'error' | 'invalid_output' | 'tool_failure';

/** What risk control allows: how much worse than the best candidate the chosen one may be expected to be. */
export interface Thresholds {
  readonly version: string;
  /** Expected loss of quality, 0..1, by objective. */
  readonly maxLoss: Readonly<Record<Objective, number>>;
  /** What is proven for a route; absent, or `undefined`: no promise is kept here and the evidence alone decides. */
  readonly of?: (routeKey: string) => Proof | undefined;
  /** Sessions that always get the baseline, so that savings and losses can be measured. Percent. */
  readonly holdoutPercent?: number;
}

/** How far a route may go to weaker models than its baseline. */
export interface Proof {
  readonly version: string;
  /** Prompts scored below this may; −∞ when none may. */
  readonly below: number;
  /** For the receipt: what it stands on. */
  readonly says: string;
}

/** Mean outcomes of a route, learned from its labels. */
export interface RoutePrior {
  readonly version: string;
  /** By model: mean outcome 0..1 and on how many labels it stands; `undefined` for a route nobody has labelled. */
  of(
    routeKey: string,
  ): Readonly<Record<string, { readonly mean: number; readonly labels: number }>> | undefined;
}

/** How sessions keep their model. */
export interface SessionPolicy {
  /** A session unheard of for this long is forgotten. Milliseconds. */
  readonly ttlMs: number;
  /** How long a prompt cache is taken to be warm. Milliseconds. */
  readonly cacheTtlMs: number;
  /** A shorter prompt is not cached by vendors. Tokens. */
  readonly minCacheTokens: number;
  /** Whether a hard prompt may end the stay with a cheap model although the cache is lost. */
  readonly upgrade: boolean;
}

/** A router, ready to decide. Immutable; `version` names its configuration. */
export interface RouterPlan {
  readonly name: string;
  readonly version: string;
  readonly mode: Mode;
  /** Share of sessions that follow in `canary`. Percent. */
  readonly canaryPercent: number;
  readonly objective: Objective;
  /** Cheapest first; models without a known price last. */
  readonly candidates: readonly Candidate[];
  readonly byTier: Readonly<Partial<Record<Tier, string>>>;
  readonly rules: readonly Rule[];
  readonly experiments: readonly Experiment[];
  readonly intents: readonly Intent[];
  readonly cascade: CascadePlan | undefined;
  readonly maxPrice: PriceCap | undefined;
  readonly minQuality: number | undefined;
  readonly thresholds: Thresholds;
  readonly prior: RoutePrior;
  readonly sessions: SessionPolicy;
}

/** The most a model may cost: pico-dollars per token, and nano-dollars for the whole request. */
export interface PriceCap {
  readonly input?: number;
  readonly output?: number;
  readonly requestNano?: number;
}

/** What conditions may speak about. Nothing of the prompt's text is in it. */
export interface ConditionFacts {
  readonly model: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly key: { readonly id: string; readonly name: string; readonly team: string };
  /** UTC. `weekday`: 1 is Monday, 7 Sunday. */
  readonly time: { readonly hour: number; readonly minute: number; readonly weekday: number };
  /** Estimated tokens of the prompt. */
  readonly tokens: number;
  /** Names of the tools offered. */
  readonly tools: readonly string[];
  readonly images: number;
  readonly stream: boolean;
  readonly systemHash: string;
  readonly task: string;
  readonly language: string;
}

/** What a session did before this request. */
export interface SessionState {
  readonly model: string;
  /** Milliseconds since its last answer. */
  readonly ageMs: number;
  /** Prompt and answer of its last exchange: what a prompt cache may hold. Tokens. */
  readonly tokens: number;
}

/** Everything about one request that a decision depends on. JSON-safe, without the prompt's text. */
export interface Situation extends Omit<ConditionFacts, 'task' | 'language'> {
  readonly asked: string;
  readonly reached: Reached;
  /** Served while the decision is not followed. */
  readonly baseline: string;
  /** From the name's suffix or the request's `sort`. */
  readonly objective?: Objective;
  /** RouteLLM's threshold, 0..1: the strong model from this chance of a win on. */
  readonly threshold?: number;
  readonly maxOutputTokens?: number;
  readonly output: 'text' | 'json_object' | 'json_schema';
  readonly reasoning: boolean;
  /** Parameters the request sets, for `require_parameters`; absent: not demanded. */
  readonly parameters?: readonly string[];
  readonly toolsHash: string;
  /** Hash of key, app, system prompt and tools. */
  readonly routeKey: string;
  /** The last turn is a tool's result: the model is in the middle of something. */
  readonly toolLoop: boolean;
  /** Model calls that one turn of a person took so far, on average; at least 1. What the next turn will take. */
  readonly callsPerTurn: number;
  /** 0..1, the same for every request of a session. */
  readonly draw: number;
  /** What `draw` was made from, to split sessions anew for every experiment. */
  readonly sessionHash: string;
  readonly session?: SessionState;
  /** Candidates the key may not use. */
  readonly forbidden: readonly string[];
  /** Candidates whose every deployment is out of order now. */
  readonly down: readonly string[];
  /** Regions the key is bound to. */
  readonly regions?: readonly string[];
  readonly onlyProviders?: readonly string[];
  readonly ignoreProviders?: readonly string[];
  /** What is left of the tightest budget. */
  readonly budgetLeftNano?: number;
  readonly maxPrice?: PriceCap;
  readonly minQuality?: number;
  /** Time to the first byte by model, for `fast`. Milliseconds. */
  readonly latencies?: Readonly<Record<string, number>>;
  /** What the prompt model says; absent when it was not asked. */
  readonly score?: PromptScore;
  readonly intent?: FoundIntent;
}

/** Why a decision fell as it did, in one word; stands in `x-sluice-decision`. */
export type Reason =
  | 'off'
  | 'tool_loop'
  | 'session'
  | 'rule'
  | 'experiment'
  | 'intent'
  | 'needs_info'
  | 'threshold'
  | 'prompt'
  | 'only_candidate'
  | 'default';

/** The steps of evidence, in order. */
export type StepName =
  | 'constraints'
  | 'session'
  | 'rules'
  | 'experiment'
  | 'intent'
  | 'route_prior'
  | 'prompt_model'
  | 'threshold'
  | 'promise'
  | 'cascade'
  | 'mode';

/** What one step of evidence contributed. */
export interface Step {
  readonly step: StepName;
  readonly says: string;
}

/** Why a hard constraint removed a candidate; `says` is the end of a sentence that begins with its name. */
export interface Exclusion {
  /** `policy`: the operator forbids it. `demand`: the client does not want it. Neither may be served in any mode. */
  readonly kind: 'policy' | 'demand' | 'capability' | 'size' | 'price' | 'budget' | 'health';
  readonly says: string;
}

/** How a candidate fared. */
export interface Judged {
  readonly candidate: Candidate;
  readonly out: Exclusion | undefined;
  /** Chance that its answer will do, where the prompt model was asked. */
  readonly pOk: number | undefined;
  /** Expected cost of this request, nano-dollars. */
  readonly costNano: number | undefined;
}

/** Why a request cannot be served within what was demanded. */
export interface Refusal {
  readonly code: 'model_forbidden' | 'unsupported_feature';
  readonly param: string;
  readonly message: string;
}

/** A decision with all that led to it. */
export interface Decision {
  /** What the router would use. */
  readonly model: string;
  /** What is used. */
  readonly served: string;
  readonly followed: boolean;
  /** The mode that was in force, of the rule that matched or the router's. */
  readonly mode: Mode;
  readonly tier: Tier;
  readonly reason: Reason;
  readonly steps: readonly Step[];
  readonly judged: readonly Judged[];
  readonly rule: { readonly index: number; readonly name: string | undefined } | undefined;
  readonly arm: { readonly experiment: string; readonly model: string } | undefined;
  /** Models to ask one after the other; the first is `served`. */
  readonly cascade: readonly string[] | undefined;
  /** Other candidates that may answer when `served` fails, best first. */
  readonly others: readonly string[];
  readonly needsInfo: NeedsInfoReason | undefined;
  readonly maxLoss: number;
  readonly refusal: Refusal | undefined;
  /** The weaker model that the evidence pointed to and the promise held back. */
  readonly proposed?: string;
  /** The session is one of those that always get the baseline, to measure by. */
  readonly heldOut?: true;
}
