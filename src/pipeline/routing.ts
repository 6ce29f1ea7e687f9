import type { EmbeddedIntents } from '../core/routing/decision/intents.ts';
import type { AskedName } from '../core/routing/decision/names.ts';
import type { SessionBook } from '../core/routing/decision/sessions.ts';
import type { Decision, Reached, RouterPlan, Situation } from '../core/routing/decision/types.ts';
import type { PromptFacts, PromptScore } from '../core/routing/model/types.ts';
import type { ModelRoute } from './runtime.ts';

/** A route of one router: two routers that see the same key, app and prompts learn apart, as they may choose among other models. */
export interface RouteOfRouter {
  readonly router: string;
  /** As in `Situation`. */
  readonly routeKey: string;
}

/** Scores prompts for the routes of this process. */
export interface PromptScorer {
  readonly version: string;
  /** Version of what scores a route's prompts, where it has a model of its own. */
  versionOf?(route: RouteOfRouter): string;
  /** A route with labels of its own has a model of its own; without a route what is shipped answers. */
  score(facts: PromptFacts, route?: RouteOfRouter): PromptScore;
  /** Chance that a cheap model's answer to a prompt is wrong; absent where nothing learned judges answers. */
  doubt?(prompt: string, answer: string): number;
}

/** A router of the configuration, ready for requests. */
export interface CompiledRouter {
  readonly name: string;
  /** Served while decisions are not followed; `undefined`: the model asked for. */
  readonly baseline: string | undefined;
  readonly intents: EmbeddedIntents | undefined;
  /** The plan with this model among its candidates. */
  planWith(baseline: string): RouterPlan;
}

/** A router found for a request, and what the name said. */
export interface FoundRouter {
  readonly router: CompiledRouter;
  readonly asked: Pick<AskedName, 'objective' | 'threshold'>;
  readonly reached: Reached;
}

/** Whose request it is, for routers attached to keys, teams and tags. */
export interface Attachment {
  readonly keyId: string | undefined;
  readonly keyName: string | undefined;
  readonly teamId: string | undefined;
  readonly tags: Readonly<Record<string, string>>;
}

/** All routers of a configuration. */
export interface Routing {
  /** Client headers that conditions may read, lower-case names. */
  readonly headers: readonly string[];
  readonly scorer: PromptScorer | undefined;
  /** What compares meanings: a model that embeds, and how long a request waits for it. */
  readonly embedder?: { readonly model: string; readonly timeoutMs: number } | undefined;
  /** Sessions outlive configurations. */
  readonly sessions: SessionBook;
  readonly routers: readonly CompiledRouter[];
  /** Models of the routers and those in use, for questions that name none. */
  usualModels(): readonly string[];
  /** A plan that chooses among these models by price and prompt alone. */
  planFor(models: readonly string[]): RouterPlan;
  /** A router asked for by name, by the name of the model it took over, or by RouteLLM's name. */
  find(model: string): FoundRouter | undefined;
  /** Whether any router is attached to anything. */
  readonly attaches: boolean;
  /** A router attached to whoever asks. */
  attached(to: Attachment): CompiledRouter | undefined;
  /** Watches requests for a plain model when no router is configured; `undefined` when there is nothing to compare. */
  implicit(route: ModelRoute, now: number): CompiledRouter | undefined;
}

/** A call of a cascade: one whose answer would not do, or the judge's. */
export interface RoutedCall {
  readonly model: string;
  readonly costNano: number | undefined;
  /** Why its answer was not taken; of a judge its verdict. */
  readonly cause: string;
  readonly role?: 'judge';
}

/** What was decided for an exchange, kept until its end. */
export interface RoutingNote {
  readonly plan: RouterPlan;
  readonly situation: Situation;
  readonly decision: Decision;
  readonly promptModel: string | undefined;
  /** What comparing meanings cost, booked as an exchange of its own. */
  readonly embeddingNano?: number | undefined;
  /** Names the session in the book. */
  readonly sessionKey: string;
  /** Calls of a cascade besides the one whose answer was taken. */
  calls: RoutedCall[];
  /** What the request wants of a model's deployments; a cascade keeps to it. */
  readonly narrow: (route: ModelRoute) => ModelRoute;
  /** The model whose answer was taken, where a cascade went on. */
  final: string | undefined;
}
