/** Quality regained over the share of strong calls, as the RouteLLM paper defines it (arXiv 2406.18665, §2.3). */
export interface Curve {
  readonly apgr: number;
  readonly cpt50: number;
  readonly cpt80: number;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Outcomes of one prompt under both tiers, with the score that orders prompts. */
export interface Judged {
  readonly score: number;
  readonly weak: number;
  readonly strong: number;
}

/** APGR and CPT; prompts of equal score are moved to the strong tier together. Shares are 0..1. */
export function curveOf(judged: readonly Judged[]): Curve {
  const sorted = [...judged].sort((a, b) => b.score - a.score);
  const weak = mean(judged.map((one) => one.weak));
  const gap = mean(judged.map((one) => one.strong)) - weak;
  const points = [{ share: 0, regained: 0 }];
  let gained = 0;
  sorted.forEach(({ score, weak: low, strong: high }, at) => {
    gained += (high - low) / sorted.length;
    if (sorted[at + 1]?.score !== score)
      points.push({ share: (at + 1) / sorted.length, regained: gained / gap });
  });
  let apgr = 0;
  for (let at = 1; at < points.length; at++) {
    const [from, to] = [points[at - 1], points[at]];
    if (from && to) apgr += (to.share - from.share) * ((to.regained + from.regained) / 2);
  }
  return { apgr, cpt50: shareFor(points, 0.5), cpt80: shareFor(points, 0.8) };
}

function shareFor(points: readonly { share: number; regained: number }[], wanted: number): number {
  for (let at = 1; at < points.length; at++) {
    const [from, to] = [points[at - 1], points[at]];
    if (!from || !to || to.regained < wanted - 1e-12) continue;
    const rise = to.regained - from.regained;
    return rise <= 0 ? to.share : from.share + ((to.share - from.share) * (wanted - from.regained)) / rise;
  }
  return 1;
}

/** Expected calibration error over equal bins of the predicted probability. */
export function calibrationError(
  predicted: readonly number[],
  outcome: readonly number[],
  bins = 15,
): number {
  const sums = Array.from({ length: bins }, () => ({ predicted: 0, outcome: 0 }));
  predicted.forEach((value, at) => {
    const bin = sums[Math.min(bins - 1, Math.max(0, Math.floor(value * bins)))];
    if (bin === undefined) return;
    bin.predicted += value;
    bin.outcome += outcome[at] ?? 0;
  });
  return sums.reduce((sum, bin) => sum + Math.abs(bin.predicted - bin.outcome), 0) / predicted.length;
}

/** Area under the ROC curve: how often a good one scores higher than a bad one. */
export function auroc(scores: readonly number[], good: readonly boolean[]): number {
  const order = scores
    .map((score, at) => ({ score, good: good[at] === true }))
    .sort((a, b) => a.score - b.score);
  let rankSum = 0;
  for (let at = 0; at < order.length; ) {
    let end = at;
    while (end < order.length && order[end]?.score === order[at]?.score) end++;
    const rank = (at + 1 + end) / 2;
    for (let i = at; i < end; i++) if (order[i]?.good) rankSum += rank;
    at = end;
  }
  const goods = order.filter((one) => one.good).length;
  return (rankSum - (goods * (goods + 1)) / 2) / (goods * (order.length - goods));
}

/** Mean and standard deviation over seeds. */
export function meanAndSpread(values: readonly number[]): { mean: number; sd: number } {
  const middle = mean(values);
  const variance =
    mean(values.map((value) => (value - middle) ** 2)) * (values.length / Math.max(1, values.length - 1));
  return { mean: middle, sd: Math.sqrt(variance) };
}
