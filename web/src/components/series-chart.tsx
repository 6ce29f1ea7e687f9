import { useComputedColorScheme } from '@mantine/core';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

/** One bar. */
export interface Point {
  /** Start of the interval, milliseconds since 1970. */
  readonly at: number;
  /** For the height of the bar only. */
  readonly value: number;
  /** For reading: exact. */
  readonly text: string;
}

const HEIGHT = 210;

interface Tip {
  readonly left: number;
  readonly point: Point;
}

interface Look {
  readonly bar: string;
  readonly ink: string;
  readonly line: string;
}

const LOOKS: Readonly<Record<'light' | 'dark', Look>> = {
  light: { bar: '#0b6b74', ink: '#50606a', line: '#e3eaeb' },
  dark: { bar: '#4fb3b8', ink: '#a3b2b6', line: '#263236' },
};

/** Space around a single bar, or none when there is nothing to space. */
function widen(points: readonly Point[], step: number): [number, number] {
  const first = points[0]?.at ?? 0;
  const last = points[points.length - 1]?.at ?? 0;
  return [(first - step / 2) / 1000, (last + step / 2) / 1000];
}

function optionsOf(props: {
  readonly points: readonly Point[];
  readonly step: number;
  readonly utc: boolean;
  readonly look: Look;
  readonly format: (value: number) => string;
  readonly onTip: (tip: Tip | undefined) => void;
}): Omit<uPlot.Options, 'width'> {
  const { points, step, look, format, onTip } = props;
  const axis = { stroke: look.ink, font: '11px ui-sans-serif, system-ui, sans-serif' };
  const bars = uPlot.paths.bars;
  return {
    height: HEIGHT,
    padding: [10, 6, 0, 0],
    legend: { show: false },
    // Days are those of UTC, as the gateway counts them.
    ...(props.utc ? { tzDate: (at: number) => uPlot.tzDate(new Date(at * 1000), 'Etc/UTC') } : {}),
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { range: widen(points, step) },
      y: { range: (_chart, _min, max) => [0, max > 0 ? max * 1.08 : 1] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        ticks: { show: false },
        space: 58,
        size: 26,
        values: (_chart, splits) => splits.map((at) => axisMoment(at * 1000, step)),
      },
      {
        ...axis,
        grid: { stroke: look.line, width: 1 },
        ticks: { show: false },
        size: 66,
        values: (_chart, values) => values.map(format),
      },
    ],
    series: [
      {},
      {
        fill: look.bar,
        width: 0,
        points: { show: false },
        ...(bars ? { paths: bars({ size: [0.72, 34], radius: 0.12 }) } : {}),
      },
    ],
    hooks: {
      setCursor: [
        (chart) => {
          const point =
            chart.cursor.idx === null || chart.cursor.idx === undefined
              ? undefined
              : points[chart.cursor.idx];
          const inside = (chart.cursor.left ?? -1) >= 0;
          onTip(
            inside && point !== undefined ? { left: chart.valToPos(point.at / 1000, 'x'), point } : undefined,
          );
        },
      ],
    },
  };
}

/** Bars over time. Pictures are for the eye; `label` says the gist to everyone else, and a table holds the numbers. */
export function SeriesChart(props: {
  readonly points: readonly Point[];
  /** Milliseconds per bar. */
  readonly step: number;
  readonly label: string;
  readonly format: (value: number) => string;
}): ReactNode {
  const { points, step, label, format } = props;
  const scheme = useComputedColorScheme('light');
  const place = useRef<HTMLDivElement>(null);
  const [tip, setTip] = useState<Tip>();
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const look = LOOKS[scheme];
    const utc = step >= 86_400_000;
    const data: uPlot.AlignedData = [points.map(({ at }) => at / 1000), points.map(({ value }) => value)];
    const options = optionsOf({ points, step, utc, look, format, onTip: setTip });
    const chart = new uPlot({ ...options, width: Math.max(200, element.clientWidth) }, data, element);
    const watcher = new ResizeObserver(() => {
      if (element.clientWidth > 0) chart.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      chart.destroy();
    };
  }, [points, step, format, scheme]);
  return (
    <div className="chart" role="img" aria-label={label}>
      <div ref={place} style={{ height: HEIGHT, overflow: 'hidden' }} />
      {points.every(({ value }) => value === 0) && <div className="chart-empty">Nothing in this time</div>}
      {tip !== undefined && (
        <div
          className="chart-tip"
          style={{ left: `clamp(66px, ${66 + tip.left - 60}px, calc(100% - 140px))`, top: 6 }}
        >
          <strong>{tip.point.text}</strong>
          <div>{tipMoment(tip.point.at, step)}</div>
        </div>
      )}
    </div>
  );
}

/** `14:00`, and the date where a day begins. */
function axisMoment(at: number, step: number): string {
  const time = new Date(at);
  if (step >= 86_400_000)
    return time.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
  if (time.getHours() === 0) return time.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  return time.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}

function tipMoment(at: number, step: number): string {
  const day = step >= 86_400_000;
  return new Date(at).toLocaleString('en-GB', {
    day: 'numeric',
    month: 'short',
    ...(day ? { timeZone: 'UTC' } : { hour: '2-digit', minute: '2-digit' }),
  });
}
