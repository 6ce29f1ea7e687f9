/** What the prompt model is told about a request. Only `text` is scored; the rest resolves references and attachments. */
export interface PromptFacts {
  /** The last user turn as plain text, boilerplate left out. Any length; at most 3,000 characters are read. */
  readonly text: string;
  /** Whether something was said before this turn that "this" or "it" may point to (earlier turns, a long system prompt). */
  readonly hasContext?: boolean;
  /** Images, audio or files that came with this turn or stand earlier in the conversation. */
  readonly attachments?: number;
  /** Tool results in the conversation. */
  readonly toolResults?: number;
}

/** What a prompt asks for, by rules; a feature of routing and a label on the exchange. */
export type TaskClass =
  | 'summary'
  | 'extraction'
  | 'classification'
  | 'code'
  | 'reasoning'
  | 'creative'
  | 'chat';

/** Tiers a router chooses among. */
export type Tier = 'easy' | 'medium' | 'hard' | 'needs_info';

/** Why a prompt cannot be answered as it stands: structural rules only, no learned guess. */
export type NeedsInfoReason =
  | 'empty'
  | 'placeholder'
  | 'unresolved_reference'
  | 'missing_attachment'
  | 'missing_tool_result';

/** A closed range of probabilities, 0..1. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** The prompt model's answer for one prompt. Probabilities are 0..1 and mean "this model's answer will do". */
export interface PromptScore {
  /** P(ok) per head: always `weak` and `strong`, and one per model the route has labels for. */
  readonly heads: Readonly<Record<string, number>>;
  readonly pWeak: number;
  readonly pStrong: number;
  /**
   * Reason for the strong tier, −1..1: orders prompts within a route; higher means rather the strong tier. Thresholds and tiers go
   * by it. It is not `pStrong − pWeak`: rules have a share in it, and after learning the two heads count alike in it, while each
   * probability is calibrated by itself. What needs a probability takes those; what needs an order takes this.
   */
  readonly score: number;
  /** 80 % interval of `pWeak`, from calibration labels, or wide by default on a cold route. */
  readonly interval: Interval;
  /** `needs_info` also where the interval reaches from easy to hard, `needsInfo` being `undefined`: nobody can say. */
  readonly tier: Tier;
  readonly task: TaskClass;
  readonly needsInfo: NeedsInfoReason | undefined;
  /** ISO 639-1 code, or `und` where nothing can be said. */
  readonly language: string;
}

/** A labelled prompt: how good each tier's (or model's) answer was, 0..1. */
export interface Example {
  readonly prompt: string;
  readonly weak?: number;
  readonly strong?: number;
  /** Outcome per model name, for routers with more than two models. */
  readonly scores?: Readonly<Record<string, number>>;
  /** Trust in the label, 0..1: paired judged shadows 1, retries and rephrasings at most 0.3. Default 1. */
  readonly weight?: number;
}
