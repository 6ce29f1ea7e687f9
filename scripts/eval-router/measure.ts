import { seededRandom } from '../../src/core/routing/model/heads.ts';
import { PromptModel } from '../../src/core/routing/model/index.ts';
import { largestShare } from '../../src/core/routing/risk/index.ts';
import {
  asExample,
  BENCHMARKS,
  type Benchmark,
  type Row,
  type Split,
  sample,
  splitByCluster,
} from './data.ts';
import { auroc, type Curve, calibrationError, curveOf } from './metrics.ts';
import { PERTURBATIONS } from './perturb.ts';
import { answersOf, makePrior } from './recipe.ts';

export type Rows = Readonly<Record<Benchmark, readonly Row[]>>;

/** APGR and CPT with the calibration of either head. */
export interface Quality extends Curve {
  readonly eceWeak: number;
  readonly eceStrong: number;
}

export function qualityOf(model: PromptModel, rows: readonly Row[]): Quality {
  const scored = rows.map((row) => ({ row, answer: model.score({ text: row.prompt }) }));
  const curve = curveOf(
    scored.map(({ row, answer }) => ({
      score: answer.score,
      weak: row.weak_correct,
      strong: row.strong_correct,
    })),
  );
  return {
    ...curve,
    eceWeak: calibrationError(
      scored.map(({ answer }) => answer.pWeak),
      rows.map(({ weak_correct }) => weak_correct),
    ),
    eceStrong: calibrationError(
      scored.map(({ answer }) => answer.pStrong),
      rows.map(({ strong_correct }) => strong_correct),
    ),
  };
}

/** A router that is told the true task, and knows each task's mean gain from the train side: what there is to reach on a mix. */
export function toldTheTask({ train, test }: Split): Curve {
  const gains = new Map<string, { sum: number; count: number }>();
  for (const { group, weak_correct, strong_correct } of train) {
    const { sum, count } = gains.get(group) ?? { sum: 0, count: 0 };
    gains.set(group, { sum: sum + strong_correct - weak_correct, count: count + 1 });
  }
  return curveOf(
    test.map(({ group, weak_correct, strong_correct }) => {
      const { sum, count } = gains.get(group) ?? { sum: 0, count: 1 };
      return { score: sum / count, weak: weak_correct, strong: strong_correct };
    }),
  );
}

/** Train and test sides of every benchmark for one seed, and the router trained on all train sides. */
export function prepare(rows: Rows, seed: number) {
  const splits = Object.fromEntries(
    BENCHMARKS.map((name) => [name, splitByCluster(rows[name], seed)]),
  ) as Record<Benchmark, ReturnType<typeof splitByCluster>>;
  const trained = makePrior({
    mmlu: splits.mmlu.train,
    gsm8k: splits.gsm8k.train,
    llmrouter: splits.llmrouter.train,
  });
  return { splits, model: PromptModel.load(trained) };
}

export type Prepared = ReturnType<typeof prepare>;

/** Trained without one benchmark, judged on all of it: nothing of it was ever seen. */
export function leaveOut(rows: Rows, benchmark: Benchmark): PromptModel {
  const others = Object.fromEntries(
    BENCHMARKS.filter((name) => name !== benchmark).map((name) => [name, rows[name]]),
  );
  return PromptModel.load(makePrior(others));
}

/** Share of prompts on the same side of the median, in the same tier, and above the median, under each change. */
export function robustness({ splits, model }: Prepared, count: number) {
  const rows = BENCHMARKS.flatMap((name) =>
    sample(splits[name].test, count, 1).map((row) => ({ name, row })),
  );
  const before = rows.map(({ row }) => model.score({ text: row.prompt }));
  const medians = Object.fromEntries(
    BENCHMARKS.map((name) => {
      const scores = before.filter((_, at) => rows[at]?.name === name).map(({ score }) => score);
      return [name, scores.sort((a, b) => a - b)[scores.length >> 1] ?? 0];
    }),
  ) as Record<Benchmark, number>;
  return Object.entries(PERTURBATIONS).map(([change, apply]) => {
    let [side, tier, gained] = [0, 0, 0];
    rows.forEach(({ name, row }, at) => {
      const was = before[at];
      const is = model.score({ text: apply(row.prompt, at) });
      if (was === undefined) return;
      const [above, wasAbove] = [is.score > medians[name], was.score > medians[name]];
      if (above === wasAbove) side++;
      if (is.tier === was.tier) tier++;
      gained += Number(above) - Number(wasAbove);
    });
    return { change, side: side / rows.length, tier: tier / rows.length, gained: gained / rows.length };
  });
}

/** The cascade's verifier against the score before the call, on GSM8K answers it has not seen. */
export function verifierQuality({ splits, model }: Prepared) {
  const rows = splits.gsm8k.test.filter(({ weak_response }) => weak_response !== undefined);
  const judged = answersOf(rows).map(({ prompt, answer }) => model.verify(prompt, answer));
  return {
    auroc: auroc(
      judged,
      rows.map(({ weak_correct }) => weak_correct > 0.5),
    ),
    ...curveOf(
      rows.map((row, at) => ({
        score: -(judged[at] ?? 0),
        weak: row.weak_correct,
        strong: row.strong_correct,
      })),
    ),
    before: qualityOf(model, rows).apgr,
  };
}

/** Rough list prices of the nine models, US dollars per million tokens by size class; only their order of magnitude matters. */
const PRICES: readonly (readonly [pattern: RegExp, price: number])[] = [
  [/70b|51b|49b/, 0.9],
  [/9b|8b/, 0.2],
  [/7b/, 0.2],
];

function hull(points: readonly { readonly cost: number; readonly quality: number }[]) {
  const sorted = [...points].sort((a, b) => a.cost - b.cost || b.quality - a.quality);
  const kept: { cost: number; quality: number }[] = [];
  for (const point of sorted) {
    const last = kept.at(-1);
    if (last && (point.cost === last.cost || point.quality <= last.quality)) continue;
    while (kept.length >= 2) {
      const [a, b] = [kept.at(-2), kept.at(-1)];
      if (!a || !b) break;
      if ((b.quality - a.quality) * (point.cost - a.cost) > (point.quality - a.quality) * (b.cost - a.cost))
        break;
      kept.pop();
    }
    kept.push(point);
  }
  return kept;
}

/** Average improvement in quality: area under the non-decreasing hull over cost, divided by the range (RouterBench, 2403.12031). */
function aiq(
  points: readonly { cost: number; quality: number }[],
  range: { low: number; high: number },
): number {
  const upper = hull(points);
  const at = (cost: number) => {
    const right = upper.findIndex((point) => point.cost >= cost);
    if (right <= 0) return (right === 0 ? upper[0]?.quality : upper.at(-1)?.quality) ?? 0;
    const [a, b] = [upper[right - 1], upper[right]];
    return a && b ? a.quality + ((b.quality - a.quality) * (cost - a.cost)) / (b.cost - a.cost) : 0;
  };
  const steps = 400;
  let area = 0;
  for (let step = 0; step < steps; step++)
    area += at(range.low + ((range.high - range.low) * (step + 0.5)) / steps) / steps;
  return area;
}

/** Nine models, one head each, argmax of quality − λ·cost, against the zero router (the hull of the single models). */
export function manyModels({ splits, model }: Prepared) {
  const { train, test } = splits.llmrouter;
  const names = Object.keys(train[0]?.scores ?? {});
  const price = new Map(
    names.map((name) => [name, PRICES.find(([pattern]) => pattern.test(name))?.[1] ?? 0.5]),
  );
  const learned = model.learn(
    train.map((row) => ({ ...asExample(row), ...(row.scores ? { scores: row.scores } : {}) })),
  );
  const heads = test.map((row) => learned.score({ text: row.prompt }).heads);
  const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const singles = names.map((name) => ({
    cost: price.get(name) ?? 0,
    quality: meanOf(test.map((row) => row.scores?.[name] ?? 0)),
  }));
  const routed = Array.from({ length: 60 }, (_, step) => 2 * 0.9 ** step - 2 * 0.9 ** 59).map((lambda) => {
    const chosen = heads.map((head) =>
      names.reduce((best, name) =>
        (head[name] ?? 0) - lambda * (price.get(name) ?? 0) >
        (head[best] ?? 0) - lambda * (price.get(best) ?? 0)
          ? name
          : best,
      ),
    );
    return {
      cost: meanOf(chosen.map((name) => price.get(name) ?? 0)),
      quality: meanOf(chosen.map((name, at) => test[at]?.scores?.[name] ?? 0)),
    };
  });
  const prices = [...price.values()];
  const range = { low: Math.min(...prices), high: Math.max(...prices) };
  const best = singles.reduce((a, b) => (b.quality > a.quality ? b : a));
  const equal = routed.filter(({ quality }) => quality >= best.quality).map(({ cost }) => cost);
  return {
    zero: aiq(singles, range),
    routed: aiq(routed, range),
    priceForBest: equal.length === 0 ? undefined : Math.min(...equal) / best.cost,
  };
}

/** How often a threshold that passed breaks the promise on the prompts it was not chosen on, over resamples. */
export function guarantee({ splits, model }: Prepared, benchmark: Benchmark, resamples: number) {
  const rows = splits[benchmark].test;
  const scored = rows.map((row) => ({
    score: model.score({ text: row.prompt }).score,
    loss: row.strong_correct - row.weak_correct,
  }));
  const trueLoss = (threshold: number) =>
    scored.reduce((sum, { score, loss }) => sum + (score < threshold ? loss : 0), 0) / scored.length;
  return [0.01, 0.02, 0.05].map((epsilon) => {
    const random = seededRandom(17);
    let [broken, share] = [0, 0];
    for (let at = 0; at < resamples; at++) {
      // With replacement from the test rows, which are then the whole population: its true loss is known.
      const drawn = Array.from({ length: 2000 }, () => scored[Math.floor(random() * scored.length)]).filter(
        (one) => one !== undefined,
      );
      const { threshold, weakShare } = largestShare(drawn, { epsilon, delta: 0.1 });
      share += weakShare / resamples;
      if (trueLoss(threshold) > epsilon) broken++;
    }
    return { epsilon, violations: broken / resamples, weakShare: share };
  });
}

/** Microseconds of one decision, warm, by prompt; and the same in CPU time, which a busy machine does not stretch. */
export function latency({ splits, model }: Prepared, count: number) {
  const typical = BENCHMARKS.flatMap((name) => sample(splits[name].test, count, 3)).map(
    ({ prompt }) => prompt,
  );
  const long = Array.from({ length: count }, (_, at) =>
    typical
      .slice(at % 50, (at % 50) + 40)
      .join('\n')
      .slice(0, 8000),
  );
  return [
    { kind: 'benchmark prompts', prompts: typical },
    { kind: '8,000 characters', prompts: long },
  ].map(({ kind, prompts }) => {
    for (const text of prompts.slice(0, 400)) model.score({ text });
    const cpu = process.cpuUsage();
    const times = prompts.map((text) => {
      const from = performance.now();
      model.score({ text });
      return 1000 * (performance.now() - from);
    });
    const used = process.cpuUsage(cpu);
    times.sort((a, b) => a - b);
    const at = (share: number) => times[Math.floor(share * (times.length - 1))] ?? 0;
    return { kind, p50: at(0.5), p99: at(0.99), cpu: (used.user + used.system) / prompts.length };
  });
}
