import { Button, SegmentedControl, Select, Skeleton, Stack, TextInput } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { DataTable } from 'mantine-datatable';
import { type ReactNode, useEffect, useMemo, useState } from 'react';
import { api, cached, type Key, type UsageRow } from '../api.ts';
import { Empty, ErrorPanel, RowSkeletons } from '../components/feedback.tsx';
import { PageHead, Panel } from '../components/panel.tsx';
import { SeriesChart } from '../components/series-chart.tsx';
import { tableLook } from '../components/table-look.ts';
import { Spent } from '../components/values.tsx';
import { downloadText, toCsv } from '../csv.ts';
import { DAY_MS, HOUR_MS } from '../durations.ts';
import { formatCount, formatDuration } from '../format.ts';
import { Icon } from '../icons.tsx';
import { METRICS, type Metric, SPANS, type Span, type UsageView } from '../search.ts';
import { axisText, floorTo, pointsOf } from '../series.ts';

const route = getRouteApi('/usage');

const GROUPS = [
  { value: 'model', label: 'by model' },
  { value: 'provider', label: 'by provider' },
  { value: 'key', label: 'by key' },
  { value: 'user', label: 'by user' },
  { value: 'tag:', label: 'by tag…' },
];

/** Spend and tokens over time and by group. */
export function UsagePage(): ReactNode {
  const { exchange: _, ...view } = route.useSearch();
  const navigate = route.useNavigate();
  const span: Span = view.span ?? '7d';
  const metric: Metric = view.metric ?? 'cost';
  const group = view.group ?? 'model';
  const put = (change: UsageView) => void navigate({ to: '.', search: { ...view, ...change } });
  return (
    <>
      <PageHead title="Usage" lead="What was spent, on what, by whom">
        <SegmentedControl
          aria-label="Span"
          value={span}
          onChange={(value) => put({ span: value as Span })}
          data={Object.entries(SPANS).map(([value, { label }]) => ({ value, label }))}
        />
      </PageHead>
      <Stack gap="sm">
        <Series span={span} metric={metric} onMetric={(next) => put({ metric: next })} />
        <Grouped span={span} group={group} onGroup={(next) => put({ group: next })} />
      </Stack>
    </>
  );
}

/** Whole intervals, the running one included. */
function boundsOf(span: Span): { from: number; to: number; step: number } {
  const { ms, interval } = SPANS[span];
  const step = interval === 'hour' ? HOUR_MS : DAY_MS;
  const to = floorTo(Date.now(), step) + step;
  return { from: to - ms, to, step };
}

function Series(props: {
  readonly span: Span;
  readonly metric: Metric;
  readonly onMetric: (metric: Metric) => void;
}): ReactNode {
  const { span, metric } = props;
  const { from, to, step } = boundsOf(span);
  const { interval, label } = SPANS[span];
  const usage = useQuery({
    queryKey: [...cached.usage, 'series', span, from],
    queryFn: () => api.call('getUsage', { from: new Date(from).toISOString(), interval }),
    refetchInterval: 30_000,
    placeholderData: keepPreviousData,
  });
  const points = useMemo(
    () => (usage.data === undefined ? [] : pointsOf(usage.data.data, metric, { from, to, step })),
    [usage.data, metric, from, to, step],
  );
  return (
    <Panel
      title="Over time"
      note={interval === 'hour' ? 'by hour' : 'by day, UTC'}
      actions={
        <SegmentedControl
          aria-label="What the chart shows"
          value={metric}
          onChange={(value) => props.onMetric(value as Metric)}
          data={Object.entries(METRICS).map(([value, entry]) => ({ value, label: entry.label }))}
        />
      }
    >
      {usage.isError && <ErrorPanel error={usage.error} onRetry={() => void usage.refetch()} />}
      {usage.isPending && <Skeleton height={210} />}
      {usage.data !== undefined && (
        <SeriesChart
          points={points}
          step={step}
          format={axisText(metric)}
          label={`${METRICS[metric].label} of the last ${label}: ${points.filter(({ value }) => value > 0).length} of ${points.length} bars hold some. The table below has the numbers.`}
        />
      )}
    </Panel>
  );
}

/** Key ids as names, where the key is still there. */
function useKeyNames(wanted: boolean): ReadonlyMap<string, string> {
  const keys = useQuery({
    queryKey: [...cached.keys, 'names'],
    queryFn: () => api.call('listKeys', { limit: 500 }),
    enabled: wanted,
  });
  return useMemo(() => new Map(keys.data?.data.map(({ id, name }: Key) => [id, name])), [keys.data]);
}

function Grouped(props: {
  readonly span: Span;
  readonly group: string;
  readonly onGroup: (group: string) => void;
}): ReactNode {
  const { span, group } = props;
  const { from } = boundsOf(span);
  const asked = group === 'tag:' ? undefined : group;
  const usage = useQuery({
    queryKey: [...cached.usage, 'grouped', span, group, from],
    queryFn: () =>
      api.call('getUsage', {
        from: new Date(from).toISOString(),
        ...(asked === undefined ? {} : { group_by: asked }),
      }),
    enabled: asked !== undefined,
    refetchInterval: 30_000,
  });
  const names = useKeyNames(group === 'key');
  const rows = (usage.data?.data ?? []).map((row, at) => ({ ...row, at, name: nameOf(row, group, names) }));
  return (
    <Panel
      title="By group"
      flush
      actions={<GroupChoice group={group} onGroup={props.onGroup} rows={rows} span={span} />}
    >
      {usage.isError && <ErrorPanel error={usage.error} onRetry={() => void usage.refetch()} />}
      {asked !== undefined && usage.isPending && <RowSkeletons />}
      {asked === undefined && (
        <Empty icon="usage" title="Which tag?">
          Clients send tags with <code>x-sluice-tags: feature=support</code>. Write the tag’s name above.
        </Empty>
      )}
      {usage.data !== undefined && rows.length === 0 && (
        <Empty icon="usage" title="Nothing was used in this time">
          Choose a longer one, or send a request from the overview.
        </Empty>
      )}
      {rows.length > 0 && (
        <GroupTable rows={rows} title={group.startsWith('tag:') ? group.slice(4) : group} />
      )}
    </Panel>
  );
}

interface NamedRow extends UsageRow {
  readonly at: number;
  readonly name: string;
}

function nameOf(row: UsageRow, group: string, names: ReadonlyMap<string, string>): string {
  const value = row.group[group];
  if (value === null || value === undefined) return group === 'key' ? 'without a key' : '(none)';
  return names.get(value) ?? value;
}

function GroupChoice(props: {
  readonly group: string;
  readonly onGroup: (group: string) => void;
  readonly rows: readonly NamedRow[];
  readonly span: Span;
}): ReactNode {
  const { group, onGroup, rows } = props;
  const tagged = group.startsWith('tag:');
  const [tag, setTag] = useState(group.slice(4));
  useEffect(() => setTag(tagged ? group.slice(4) : ''), [group, tagged]);
  return (
    <form
      style={{ display: 'flex', gap: 8, flexWrap: 'wrap' }}
      onSubmit={(event) => {
        event.preventDefault();
        onGroup(`tag:${tag.trim()}`);
      }}
    >
      <Select
        aria-label="Group by"
        w={130}
        data={GROUPS}
        allowDeselect={false}
        value={tagged ? 'tag:' : group}
        onChange={(value) => onGroup(value ?? 'model')}
      />
      {tagged && (
        <TextInput
          aria-label="Name of the tag"
          placeholder="feature"
          w={120}
          value={tag}
          onChange={(event) => setTag(event.currentTarget.value)}
        />
      )}
      <Button
        variant="default"
        leftSection={<Icon name="download" size={14} />}
        disabled={rows.length === 0}
        onClick={() =>
          downloadText(`sluice-usage-${props.span}.csv`, 'text/csv;charset=utf-8', csvOf(rows, group))
        }
      >
        CSV
      </Button>
    </form>
  );
}

function csvOf(rows: readonly NamedRow[], group: string): string {
  const header = [
    group,
    'requests',
    'errors',
    'unpriced_requests',
    'cost_usd',
    'input_tokens',
    'cache_read_tokens',
  ];
  return toCsv(
    [...header, 'cache_write_tokens', 'output_tokens', 'average_latency_ms', 'p95_latency_ms'],
    rows.map((row) => [
      row.name,
      row.requests,
      row.errors,
      row.unpriced_requests,
      row.cost_usd,
      row.input_tokens,
      row.cache_read_tokens,
      row.cache_write_tokens,
      row.output_tokens,
      row.average_latency_ms,
      row.latency_ms?.p95 ?? null,
    ]),
  );
}

function GroupTable({
  rows,
  title,
}: {
  readonly rows: readonly NamedRow[];
  readonly title: string;
}): ReactNode {
  const figure = { textAlign: 'right', noWrap: true, width: 112 } as const;
  const count = (of: (row: NamedRow) => number) => (row: NamedRow) => formatCount(of(row));
  return (
    <DataTable<NamedRow>
      records={[...rows]}
      idAccessor="at"
      {...tableLook(1010)}
      columns={[
        { accessor: 'name', title: title.charAt(0).toUpperCase() + title.slice(1) },
        {
          accessor: 'cost_usd',
          title: 'Cost',
          ...figure,
          render: (row) => <Spent usd={row.cost_usd} unpriced={row.unpriced_requests} />,
        },
        { accessor: 'requests', title: 'Requests', ...figure, render: count((row) => row.requests) },
        { accessor: 'errors', title: 'Errors', ...figure, render: count((row) => row.errors) },
        { accessor: 'input_tokens', title: 'Input', ...figure, render: count((row) => row.input_tokens) },
        {
          accessor: 'cache',
          title: 'Cache',
          ...figure,
          render: count((row) => row.cache_read_tokens + row.cache_write_tokens),
        },
        { accessor: 'output_tokens', title: 'Output', ...figure, render: count((row) => row.output_tokens) },
        {
          accessor: 'average_latency_ms',
          title: 'Avg. time',
          ...figure,
          render: ({ average_latency_ms }) => formatDuration(average_latency_ms),
        },
        {
          accessor: 'p95',
          title: 'p95 time',
          ...figure,
          render: ({ latency_ms }) => (latency_ms === null ? '—' : formatDuration(latency_ms.p95)),
        },
      ]}
    />
  );
}
