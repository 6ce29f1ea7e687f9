/** Where a label came from, best first. Weights say how far each is trusted (ROUTER §3). */
export type LabelSource = 'gold' | 'shadow' | 'cascade' | 'failure' | 'feedback' | 'retry';

/** How far a label is trusted, 0..1. What people do afterwards is biased: at most 0.3. */
export const LABEL_WEIGHTS: Readonly<Record<LabelSource, number>> = {
  gold: 1,
  shadow: 1,
  cascade: 1,
  failure: 1,
  feedback: 0.5,
  retry: 0.3,
};

/** A cheap answer that the cascade let pass says little: nobody compared it with anything. */
export const PASSED_WEIGHT = 0.3;

/** What is known of how good answers to one prompt were. JSON-safe. */
export interface RouteLabel {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly router: string;
  readonly routeKey: string;
  readonly exchangeId: string;
  readonly source: LabelSource;
  /** By model, 0..1: whether its answer did. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly weight: number;
  /** Chance with which this exchange was drawn to be labelled, above 0 and at most 1. */
  readonly propensity: number;
  /** Reason for the strong model, as scored when it was decided; `null` when nothing scored it. */
  readonly score: number | null;
  /** By candidate: its chance as forecast. */
  readonly forecasts: Readonly<Record<string, number>>;
  /** The pair that was compared; only these labels count for the promise. */
  readonly pair?: { readonly weak: string; readonly strong: string };
  readonly versions: LabelVersions;
  /** Answers of the same model since the last such label against which nothing spoke: what one bad one stands against. */
  readonly passes?: number;
  /** In the person's words; at most 2,000 characters. */
  readonly comment?: string;
  /** The prompt; only where `log.content` is `full`. */
  readonly prompt?: string;
}

/** Versions of all that took part in a decision, so that it can be replayed or left out. */
export interface LabelVersions {
  readonly router: string;
  readonly thresholds: string;
  readonly promptModel: string | null;
  /** By model: what the provider called the model that answered. */
  readonly upstream: Readonly<Record<string, string>>;
}

/** How much worse the weak answer of a compared pair was, −1..1; `undefined` for other labels. */
export function lossOf({ pair, outcomes }: Pick<RouteLabel, 'pair' | 'outcomes'>): number | undefined {
  if (pair === undefined) return undefined;
  const weak = outcomes[pair.weak];
  const strong = outcomes[pair.strong];
  return weak === undefined || strong === undefined ? undefined : strong - weak;
}
