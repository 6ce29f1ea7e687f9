import { SimpleGrid, Skeleton, Text } from '@mantine/core';
import { keepPreviousData, useQueries } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api, cached, type UsageRow } from '../api.ts';
import { DAY_MS, HOUR_MS } from '../durations.ts';
import { formatCount, formatShortCount } from '../format.ts';
import { tokensOf } from '../search.ts';
import { ErrorPanel } from './feedback.tsx';
import { Spent } from './values.tsx';

const PERIODS = ['today', '7 d', '30 d'] as const;
type Period = (typeof PERIODS)[number];

function startOf(period: Period): string {
  const now = new Date();
  if (period === 'today') now.setHours(0, 0, 0, 0);
  // Whole hours, as the rollups have them: the same question within an hour is answered from the cache.
  else now.setTime(Math.floor(now.getTime() / HOUR_MS) * HOUR_MS - (period === '7 d' ? 7 : 30) * DAY_MS);
  return now.toISOString();
}

const NOTHING: Omit<UsageRow, 'start' | 'group'> = {
  requests: 0,
  errors: 0,
  cost_usd: '0',
  unpriced_requests: 0,
  input_tokens: 0,
  cache_read_tokens: 0,
  cache_write_tokens: 0,
  output_tokens: 0,
  average_latency_ms: 0,
  failed_requests: 0,
  refused_requests: 0,
  abandoned_requests: 0,
  latency_ms: null,
};

interface Figure {
  readonly label: string;
  readonly big: (row: UsageRow) => ReactNode;
  readonly note?: (row: UsageRow) => ReactNode;
}

function share(errors: number, requests: number): string {
  return requests === 0 ? '' : `${((errors / requests) * 100).toFixed(errors === 0 ? 0 : 1)}%`;
}

const FIGURES: readonly Figure[] = [
  { label: 'Requests', big: (row) => <Count value={row.requests} /> },
  { label: 'Cost', big: (row) => <Spent usd={row.cost_usd} unpriced={row.unpriced_requests} /> },
  { label: 'Tokens', big: (row) => <Count value={tokensOf(row)} /> },
  {
    label: 'Errors',
    big: (row) => <Count value={row.errors} />,
    note: (row) => share(row.errors, row.requests),
  },
];

function Count({ value }: { readonly value: number }): ReactNode {
  return <span title={formatCount(value)}>{formatShortCount(value)}</span>;
}

/** Requests, cost, tokens and errors of today, with the last 7 and 30 days beneath. */
export function Tiles(): ReactNode {
  const answers = useQueries({
    queries: PERIODS.map((period) => {
      const from = startOf(period);
      return {
        queryKey: [...cached.usage, 'total', period, from],
        queryFn: async () =>
          (await api.call('getUsage', { from })).data[0] ?? { ...NOTHING, start: null, group: {} },
        refetchInterval: 30_000,
        placeholderData: keepPreviousData,
      };
    }),
  });
  const failed = answers.find(({ isError }) => isError);
  if (failed !== undefined && failed.data === undefined) {
    return (
      <ErrorPanel error={failed.error} onRetry={() => answers.forEach(({ refetch }) => void refetch())} />
    );
  }
  const [today, week, month] = answers.map(({ data }) => data);
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }} spacing="sm" component="section" aria-label="Totals">
      {FIGURES.map((figure) => (
        <Tile key={figure.label} figure={figure} today={today} rest={[week, month]} />
      ))}
    </SimpleGrid>
  );
}

function Tile(props: {
  readonly figure: Figure;
  readonly today: UsageRow | undefined;
  readonly rest: readonly (UsageRow | undefined)[];
}): ReactNode {
  const { figure, today, rest } = props;
  return (
    <div className="panel tile">
      <Text size="xs" c="dimmed" fw={550}>
        {figure.label} today
      </Text>
      {today === undefined ? (
        <Skeleton height={28} width="60%" my={4} />
      ) : (
        <div className="tile-value" data-figure={figure.label.toLowerCase()}>
          {figure.big(today)}
          {figure.note !== undefined && (
            <Text component="span" size="sm" c="dimmed" fw={500} ml={6} style={{ letterSpacing: 0 }}>
              {figure.note(today)}
            </Text>
          )}
        </div>
      )}
      <Text size="xs" c="dimmed" component="div" mt={2} className="tile-rest">
        {rest.map((row, at) => (
          <span key={PERIODS[at + 1]}>
            {PERIODS[at + 1]}{' '}
            <Text component="span" c="var(--mantine-color-text)" fw={550} inherit>
              {row === undefined ? '…' : figure.big(row)}
            </Text>
          </span>
        ))}
      </Text>
    </div>
  );
}
