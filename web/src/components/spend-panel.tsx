import { Group, SegmentedControl, Skeleton } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { type ReactNode, useMemo, useState } from 'react';
import { api, cached } from '../api.ts';
import { DAY_MS, HOUR_MS } from '../durations.ts';
import { METRICS, type Metric } from '../search.ts';
import { axisText, floorTo, pointsOf } from '../series.ts';
import { ErrorPanel } from './feedback.tsx';
import { Panel } from './panel.tsx';
import { SeriesChart } from './series-chart.tsx';

const VIEWS = {
  hour: { label: '24 h', step: HOUR_MS, bars: 24 },
  day: { label: '30 d', step: DAY_MS, bars: 30 },
} as const;

const SHOWN = ['cost', 'requests'] as const satisfies readonly Metric[];

/** Spend or requests per hour of the last day, or per day of the last month. */
export function SpendPanel(): ReactNode {
  const [view, setView] = useState<keyof typeof VIEWS>('hour');
  const [chosen, setChosen] = useState<Metric>();
  const { step, bars, label } = VIEWS[view];
  const to = floorTo(Date.now(), step) + step;
  const from = to - bars * step;
  const usage = useQuery({
    queryKey: [...cached.usage, 'spend', view, from],
    queryFn: () => api.call('getUsage', { from: new Date(from).toISOString(), interval: view }),
    refetchInterval: 30_000,
    placeholderData: keepPreviousData,
  });
  const rows = usage.data?.data;
  // Where nothing was spent, as in the demo, traffic says more.
  const metric = chosen ?? (rows?.some((row) => Number(row.cost_usd) > 0) === false ? 'requests' : 'cost');
  const points = useMemo(
    () => (rows === undefined ? [] : pointsOf(rows, metric, { from, to, step })),
    [rows, metric, from, to, step],
  );
  const busy = points.filter(({ value }) => value > 0);
  const last = busy[busy.length - 1];
  const what = `${METRICS[metric].label} of the last ${label}`;
  const gist =
    last === undefined
      ? `${what}: none.`
      : `${what}: ${busy.length} of ${bars} bars hold some, the latest ${last.text}.`;
  return (
    <Panel
      title="Spend and traffic"
      note={view === 'hour' ? undefined : 'UTC'}
      actions={
        <Group gap="xs">
          <SegmentedControl
            aria-label="What the chart shows"
            value={metric}
            onChange={(value) => setChosen(value as Metric)}
            data={SHOWN.map((value) => ({ value, label: METRICS[value].label }))}
          />
          <SegmentedControl
            aria-label="Span of the chart"
            value={view}
            onChange={(value) => setView(value as keyof typeof VIEWS)}
            data={Object.entries(VIEWS).map(([value, entry]) => ({ value, label: entry.label }))}
          />
        </Group>
      }
    >
      {usage.isError && <ErrorPanel error={usage.error} onRetry={() => void usage.refetch()} />}
      {usage.isPending && <Skeleton height={210} />}
      {rows !== undefined && (
        <SeriesChart points={points} step={step} label={gist} format={axisText(metric)} />
      )}
    </Panel>
  );
}
