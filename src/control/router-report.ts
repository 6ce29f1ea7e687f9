import type { z } from 'zod';
import { nanoToUsd, usdToNano } from '../core/cost/money.ts';
import { SluiceError } from '../core/errors/error.ts';
import type { RouterPlan } from '../core/routing/decision/types.ts';
import { lossOf, type RouteLabel } from '../core/routing/promise/label.ts';
import { groundOf, type PromiseState } from '../core/routing/promise/route-promise.ts';
import {
  type LengthRatio,
  lengthRatio,
  projectSavings,
  type RoutedFacts,
  realisedSavings,
  type Saving,
  verifiedSavings,
} from '../core/routing/promise/savings.ts';
import {
  correctedMean,
  type Estimate,
  type GoldLabel,
  meanOf,
  type QualityPromise,
  samplesUntil,
} from '../core/routing/risk/index.ts';
import type { ShadowRun } from '../ports/label-store.ts';
import type { RouteTrainer } from '../ports/route-trainer.ts';
import { toTime } from './caller.ts';
import type { learningContract } from './contracts/learning.ts';
import { round } from './round.ts';
import type { RoutedExchange } from './router-log.ts';

type Report = z.output<typeof learningContract.reportRouter.output>;
type Money = Report['total']['projected'];
type Quality = Report['total']['quality'];

/** A route as the learner has it. */
export interface RouteStanding {
  readonly routeKey: string;
  readonly state: PromiseState;
  readonly alarm: number;
  readonly share: number;
  readonly says: string;
}

/** What a report is made of. */
export interface ReportInput {
  readonly plan: RouterPlan;
  readonly routed: readonly RoutedExchange[];
  readonly labels: readonly RouteLabel[];
  readonly runs: readonly ShadowRun[];
  readonly standings: readonly RouteStanding[];
  readonly promise: QualityPromise;
  readonly test: RouteTrainer['test'];
}

/** Quality losses that savings are shown at besides the router's own. Percent. */
const SHOWN_LOSSES = [1, 2, 5];
/** Half-width of an interval that two samples at most can have: nothing is known. */
const WORST_SPREAD = 0.5;

function signedUsd(nano: number): string {
  const whole = Math.round(nano);
  return whole < 0 ? `-${nanoToUsd(-whole)}` : nanoToUsd(whole);
}

function moneyOf({ nano, low, high, exchanges, missing }: Saving): Money {
  if (missing > 0 || !Number.isFinite(high - low)) {
    return {
      usd: null,
      low_usd: null,
      high_usd: null,
      exchanges,
      more_needed: Math.max(1, missing),
      says: `not enough evidence, ${Math.max(1, missing)} more`,
    };
  }
  const [usd, least, most] = [signedUsd(nano), signedUsd(low), signedUsd(high)];
  const says = `$${usd} (95 %: $${least} to $${most})`;
  return { usd, low_usd: least, high_usd: most, exchanges, more_needed: 0, says };
}

function less(saving: Saving, nano: number): Saving {
  return { ...saving, nano: saving.nano - nano, low: saving.low - nano, high: saving.high - nano };
}

/** A logged exchange as facts. Only the baseline that was configured to answer is compared with, never another model. */
function factsOf(plan: RouterPlan, { record, receipt }: RoutedExchange): RoutedFacts | undefined {
  if (record.cost === undefined || record.usage.source === 'unknown' || record.outcome !== 'answered') {
    return undefined;
  }
  const { candidates } = plan;
  const at = (name: string) => candidates.findIndex(({ model }) => model === name);
  const priced = (name: string) => {
    const price = candidates[at(name)]?.price;
    return price === undefined ? undefined : { model: name, price };
  };
  const wanted = receipt.proposed ?? receipt.model;
  const isWeaker = at(wanted) >= 0 && at(wanted) < at(receipt.baseline);
  const retries = (receipt.actual?.calls ?? []).filter((call) => call.escalated_on !== null);
  const { session } = receipt.input;
  return {
    routeKey: receipt.input.routeKey,
    session: receipt.input.sessionHash,
    at: record.startedAt,
    usage: record.usage,
    costNano: record.cost.total,
    retryNano: retries.reduce(
      (sum, call) => sum + (call.cost_usd === null ? 0 : usdToNano(call.cost_usd)),
      0,
    ),
    weak: isWeaker ? priced(wanted) : undefined,
    baseline: priced(receipt.baseline),
    own: ownOf(receipt, priced),
    mode: receipt.mode,
    state: stateOf(receipt),
    score: receipt.score?.score,
    warmTokens: session?.model === receipt.baseline ? session.tokens : 0,
  };
}

type Priced = (model: string) => RoutedFacts['baseline'];

/** The call whose answer was taken, of a cascade that made several. */
function ownOf({ actual }: RoutedExchange['receipt'], priced: Priced): RoutedFacts['own'] {
  const last = actual?.calls?.at(-1);
  const found = last === undefined ? undefined : priced(last.model);
  if (last?.cost_usd == null || found === undefined) return undefined;
  return { ...found, nano: usdToNano(last.cost_usd) };
}

/** What was decided, not what came of it: a followed decision that a cascade or a failure sent on was followed. */
function stateOf(receipt: RoutedExchange['receipt']): RoutedFacts['state'] {
  if (receipt.held_out === true) return 'held_out';
  if (receipt.proposed !== undefined) return 'held_back';
  return receipt.followed ? 'followed' : 'watched';
}

interface Compared {
  readonly loss: Estimate;
  readonly gold: number;
}

/** The loss of the compared pairs, with the judge's errors taken out where the truth of some is known. */
function lossOfPairs(labels: readonly RouteLabel[]): Compared {
  const truths = new Map<string, number>();
  for (const label of labels) {
    const loss = label.source === 'gold' ? lossOf(label) : undefined;
    if (loss !== undefined) truths.set(label.exchangeId, loss);
  }
  const judged: number[] = [];
  const gold: GoldLabel[] = [];
  for (const label of labels) {
    const loss = label.source === 'shadow' ? lossOf(label) : undefined;
    if (loss === undefined) continue;
    const truth = truths.get(label.exchangeId);
    if (truth === undefined) judged.push(loss);
    else gold.push({ truth, judged: loss });
  }
  const all = [...judged, ...gold.map((label) => label.judged)];
  return { loss: gold.length >= 20 ? correctedMean(judged, gold) : meanOf(all), gold: gold.length };
}

function qualityOf(labels: readonly RouteLabel[], epsilon: number): Quality {
  const { loss, gold } = lossOfPairs(labels);
  const { value, low, high, samples } = loss;
  const half = (high - low) / 2;
  const spread = samples < 2 || half === 0;
  const guess = Math.ceil(((1.96 * WORST_SPREAD) / epsilon) ** 2);
  // Equal values so far do not mean that there is no other: a rule of three (3 ÷ n) stands in for the interval.
  const known = spread ? 3 / Math.max(1, samples) <= epsilon : half <= epsilon;
  const more = spread
    ? Math.max(0, samples < 2 ? guess - samples : Math.ceil(3 / epsilon) - samples)
    : (samplesUntil(loss, epsilon) ?? guess);
  if (!known) {
    const needed = Math.max(1, more);
    return {
      loss: null,
      low: null,
      high: null,
      comparisons: samples,
      gold,
      more_needed: needed,
      says: `not enough evidence, ${needed} more`,
    };
  }
  const edge = spread ? 3 / samples : half;
  const always = value + edge <= epsilon;
  return {
    loss: round(value),
    low: round(value - edge),
    high: round(value + edge),
    comparisons: samples,
    gold,
    more_needed: 0,
    says: always
      ? 'always cheap: on these prompts the stronger model is not measurably better'
      : `${round(value * 100)} points worse (95 %: ${round((value - edge) * 100)} to ${round((value + edge) * 100)})`,
  };
}

interface Overheads {
  readonly shadowNano: number;
  readonly judgeNano: number;
  readonly embeddingNano: number;
}

function savingsOf(
  facts: readonly RoutedFacts[],
  given: {
    readonly labels: readonly RouteLabel[];
    readonly ratio: LengthRatio;
    readonly overhead: Overheads;
    readonly epsilon: number;
    readonly mode: RouterPlan['mode'];
  },
): Report['total'] {
  const { labels, ratio, overhead, epsilon, mode } = given;
  const { saving: projected, coldCacheNano } = projectSavings(facts, ratio);
  const { saving: realised } = realisedSavings(facts, ratio);
  const control = mode === 'canary' ? 'watched' : 'held_out';
  const spent = overhead.shadowNano + overhead.judgeNano + overhead.embeddingNano;
  const count = (state: RoutedFacts['state']) =>
    facts.filter((one) => one.weak !== undefined && one.state === state).length;
  return {
    exchanges: facts.length,
    would_move: facts.filter(({ weak, state }) => weak !== undefined && state !== 'followed').length,
    moved: count('followed'),
    held_out: count('held_out'),
    projected: moneyOf(projected),
    realised: moneyOf(less(realised, spent)),
    // Sessions were drawn while this mode was in force; others were not, and say nothing about each other.
    verified: moneyOf(
      less(
        verifiedSavings(
          facts.filter((one) => one.mode === mode),
          control,
        ),
        spent,
      ),
    ),
    cold_cache_usd: nanoToUsd(Math.round(coldCacheNano)),
    quality: qualityOf(labels, epsilon),
  };
}

/** What each permitted loss would allow, by the pairs there are, and what that would have saved. */
async function atLoss(
  input: ReportInput,
  facts: readonly RoutedFacts[],
  given: { readonly ratio: LengthRatio; readonly percent: number },
): Promise<Report['by_max_loss'][number]> {
  const { labels, promise, test } = input;
  const { ratio, percent } = given;
  const pairs = [...labels].reverse().flatMap((label) => {
    const loss = label.source === 'shadow' ? lossOf(label) : undefined;
    if (loss === undefined || label.score === null) return [];
    return [{ exchangeId: '', at: label.at, score: label.score, loss, scorer: '' }];
  });
  const candidates = facts.filter(({ weak }) => weak !== undefined).length;
  const ground = groundOf({ share: facts.length === 0 ? 1 : candidates / facts.length, gold: [] });
  const epsilon = Math.min(0.999, Math.max(0.001, percent / 100));
  const found = await test({ compared: pairs, promise: { epsilon, delta: promise.delta }, ground });
  const more = found.moreSamples ?? null;
  const under = facts.filter(({ score }) => score !== undefined && score < found.threshold);
  const saving = moneyOf(projectSavings(under, ratio).saving);
  const proven = found.weakShare > 0;
  const wanting =
    more === null ? 'the comparisons so far speak against it' : `not enough evidence, ${more} more`;
  return {
    max_loss_percent: percent,
    share: proven ? round(found.weakShare) : null,
    saving: proven ? saving : { ...saving, usd: null, low_usd: null, high_usd: null, says: wanting },
    more_needed: proven ? 0 : more,
    says: proven ? `${Math.round(found.weakShare * 100)} % of prompts may move: ${saving.says}` : wanting,
  };
}

/** A route's standing as the API shows it. */
export function standingView({ routeKey, state, alarm, says }: RouteStanding) {
  return {
    route_key: routeKey,
    version: state.version,
    cause: state.cause,
    at: state.at === 0 ? null : toTime(state.at),
    share: round(state.weakShare),
    comparisons: state.samples,
    more_needed: state.moreSamples,
    alarm: round(Math.min(alarm, 1e6)),
    scored_by: state.scorer,
    says,
  };
}

const MAX_ROUTES = 50;

/** What routing cost besides the answers themselves: bookings of their own, in no exchange's cost. */
function overheadOf(runs: readonly ShadowRun[], routed: readonly RoutedExchange[]): Overheads {
  const sum = (of: (run: ShadowRun) => number) => runs.reduce((total, run) => total + of(run), 0);
  const embeddingNano = routed.reduce(
    (total, { receipt }) => total + usdToNano(receipt.actual?.embedding_usd ?? 0),
    0,
  );
  return {
    shadowNano: sum(({ copyNano }) => copyNano),
    judgeNano: sum(({ judgeNano }) => judgeNano),
    embeddingNano,
  };
}

function ratioOf(runs: readonly ShadowRun[]): LengthRatio {
  return lengthRatio(
    runs.flatMap(({ weakOutput, strongOutput }) =>
      weakOutput === undefined || strongOutput === undefined
        ? []
        : [{ weak: weakOutput, strong: strongOutput }],
    ),
  );
}

/** The figures of a report: in all, at several permitted losses, and by route. */
export async function reportOf(
  input: ReportInput,
): Promise<Pick<Report, 'total' | 'by_max_loss' | 'overhead' | 'routes'>> {
  const { plan, routed, labels, runs, standings, promise } = input;
  if (plan.candidates.length === 0) throw new SluiceError('internal', 'This router has no models.');
  const facts = routed.flatMap((one) => factsOf(plan, one) ?? []);
  const shared = { epsilon: promise.epsilon, mode: plan.mode };
  const overhead = overheadOf(runs, routed);
  const ratio = ratioOf(runs);
  const own = Math.round(promise.epsilon * 1000) / 10;
  const percents = [...new Set([...SHOWN_LOSSES, own])].sort((a, b) => a - b);
  const rows: Report['by_max_loss'] = [];
  for (const percent of percents) rows.push(await atLoss(input, facts, { ratio, percent }));
  const { lostCacheNano, retryNano } = realisedSavings(facts, ratio);
  const keys = [
    ...new Set([...facts.map(({ routeKey }) => routeKey), ...standings.map((one) => one.routeKey)]),
  ];
  const byRoute = keys.map((routeKey) => {
    const standing = standings.find((one) => one.routeKey === routeKey);
    const ownRuns = runs.filter((run) => run.routeKey === routeKey);
    const figures = savingsOf(
      facts.filter((one) => one.routeKey === routeKey),
      {
        ...shared,
        labels: labels.filter((label) => label.routeKey === routeKey),
        ratio: ratioOf(ownRuns).pairs > 0 ? ratioOf(ownRuns) : ratio,
        overhead: overheadOf(
          ownRuns,
          routed.filter(({ receipt }) => receipt.input.routeKey === routeKey),
        ),
      },
    );
    return {
      route_key: routeKey,
      ...figures,
      promise: standing === undefined ? null : standingView(standing),
    };
  });
  return {
    total: savingsOf(facts, { ...shared, labels, ratio, overhead }),
    by_max_loss: rows,
    overhead: {
      shadow_usd: nanoToUsd(overhead.shadowNano),
      judge_usd: nanoToUsd(overhead.judgeNano),
      retry_usd: nanoToUsd(Math.round(retryNano)),
      lost_cache_usd: nanoToUsd(Math.round(lostCacheNano)),
      embedding_usd: nanoToUsd(overhead.embeddingNano),
    },
    routes: byRoute.sort((a, b) => b.exchanges - a.exchanges).slice(0, MAX_ROUTES),
  };
}
