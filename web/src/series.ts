import type { UsageRow } from './api.ts';
import type { Point } from './components/series-chart.tsx';
import { formatCount, formatUsd } from './format.ts';
import { METRICS, type Metric } from './search.ts';

/** The start of the interval in which the moment lies, in UTC as the gateway counts. */
export function floorTo(ms: number, step: number): number {
  return Math.floor(ms / step) * step;
}

/** What a metric says for reading. */
export function metricText(metric: Metric, row: UsageRow | undefined): string {
  if (row === undefined) return metric === 'cost' ? '$0' : '0';
  return metric === 'cost' ? formatUsd(row.cost_usd) : formatCount(METRICS[metric].of(row));
}

/** A bar for every interval from `from` to `to`, also where nothing happened. */
export function pointsOf(
  rows: readonly UsageRow[],
  metric: Metric,
  span: { readonly from: number; readonly to: number; readonly step: number },
): Point[] {
  const byStart = new Map(rows.map((row) => [Date.parse(row.start ?? ''), row]));
  const points: Point[] = [];
  for (let at = floorTo(span.from, span.step); at < span.to; at += span.step) {
    const row = byStart.get(at);
    points.push({
      at,
      value: row === undefined ? 0 : METRICS[metric].of(row),
      text: metricText(metric, row),
    });
  }
  return points;
}

const SHORT = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });

/** Labels of the chart's axis; they are round numbers, so nothing is lost. */
export function axisText(metric: Metric): (value: number) => string {
  if (metric !== 'cost') return AXIS_COUNT;
  return AXIS_USD;
}

const AXIS_COUNT = (value: number): string => (Number.isInteger(value) ? SHORT.format(value) : '');
const AXIS_USD = (value: number): string =>
  value === 0
    ? '$0'
    : `$${Number(value.toPrecision(3)).toLocaleString('en-US', { maximumFractionDigits: 9 })}`;
