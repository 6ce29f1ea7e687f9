import { Button, Group, Select, Stack, Text } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { DataTable } from 'mantine-datatable';
import type { ReactNode } from 'react';
import type { OutputOf } from '../../../src/control/contract.ts';
import { api, cached } from '../api.ts';
import { Empty, ErrorPanel, RowSkeletons } from '../components/feedback.tsx';
import { PageHead, Panel } from '../components/panel.tsx';
import { tableLook } from '../components/table-look.ts';
import { Spent } from '../components/values.tsx';
import { downloadText, toCsv } from '../csv.ts';
import { formatCount } from '../format.ts';
import { Icon } from '../icons.tsx';

const route = getRouteApi('/chargeback');

type Report = OutputOf<'getChargeback'>;
type Team = Report['data'][number];
type Sums = Report['total'];

/** Months the reader can choose from; the running one first. */
const MONTHS_BACK = 24;

function monthsUntil(now: Date): string[] {
  return Array.from({ length: MONTHS_BACK }, (_, back) =>
    new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back)).toISOString().slice(0, 7),
  );
}

function monthName(month: string): string {
  const at = new Date(`${month}-01T00:00:00Z`);
  return at.toLocaleDateString('en', { month: 'long', year: 'numeric', timeZone: 'UTC' });
}

/** What every team spent in a month, by model. */
export function ChargebackPage(): ReactNode {
  const { exchange: _, ...view } = route.useSearch();
  const navigate = route.useNavigate();
  const months = monthsUntil(new Date());
  const month = view.month ?? months[0] ?? '';
  const report = useQuery({
    queryKey: [...cached.usage, 'chargeback', month],
    queryFn: () => api.call('getChargeback', { month }),
    placeholderData: keepPreviousData,
  });
  // A month from the address bar may lie further back than the list does.
  const choices = months.includes(month) ? months : [month, ...months];
  return (
    <>
      <PageHead title="Chargeback" lead="What every team spent in a month, midnight to midnight UTC">
        <Select
          aria-label="Month"
          w={170}
          allowDeselect={false}
          data={choices.map((value) => ({ value, label: monthName(value) }))}
          value={month}
          onChange={(value) => void navigate({ to: '.', search: value === null ? {} : { month: value } })}
        />
      </PageHead>
      {report.isError && <ErrorPanel error={report.error} onRetry={() => void report.refetch()} />}
      {report.isPending && <RowSkeletons />}
      {report.data !== undefined && <Teams report={report.data} stale={report.isPlaceholderData} />}
    </>
  );
}

function Teams({ report, stale }: { readonly report: Report; readonly stale: boolean }): ReactNode {
  const { data, month, total } = report;
  return (
    <Stack gap="sm" aria-busy={stale}>
      <Panel
        title="Teams"
        note={`${monthName(month)} · ${data.length === 1 ? '1 team' : `${formatCount(data.length)} teams`}`}
        flush
        actions={
          <Button
            variant="default"
            leftSection={<Icon name="download" size={14} />}
            disabled={data.length === 0 || stale}
            onClick={() =>
              downloadText(`sluice-chargeback-${month}.csv`, 'text/csv;charset=utf-8', csvOf(report))
            }
          >
            CSV
          </Button>
        }
      >
        {data.length === 0 ? (
          <Empty icon="chargeback" title={`Nothing was used in ${monthName(month)}`}>
            Choose another month. Keys count for the team they belonged to when they were used.
          </Empty>
        ) : (
          <SumTable
            first="Team"
            rows={[
              ...data.map((team) => ({ ...team, name: teamName(team, data), at: idOf(team) })),
              { ...total, name: 'Total', at: 'total' },
            ]}
          />
        )}
      </Panel>
      {total.unpriced_requests > 0 && (
        <Text size="sm" c="dimmed">
          {total.unpriced_requests === 1
            ? '1 request has'
            : `${formatCount(total.unpriced_requests)} requests have`}{' '}
          no known price. What that cost is not in these sums; “+ ?” marks where it is missing.
        </Text>
      )}
      {data.map((team) => (
        <Panel
          key={idOf(team)}
          title={teamName(team, data)}
          note={<Spent usd={team.cost_usd} unpriced={team.unpriced_requests} />}
          flush
        >
          <SumTable
            first="Model"
            rows={team.models.map((row) => ({
              ...row,
              name: row.model ?? '(none)',
              under: row.provider ?? 'no provider',
              at: `${row.model} ${row.provider}`,
            }))}
          />
        </Panel>
      ))}
    </Stack>
  );
}

function idOf(team: Team): string {
  return `${team.organization_id} ${team.team_id}`;
}

/** With the organization's name where there is more than one. */
function teamName(team: Team, all: readonly Team[]): string {
  const name = team.team ?? team.team_id ?? 'No team';
  const several = new Set(all.map(({ organization_id }) => organization_id)).size > 1;
  return several ? `${name} · ${team.organization ?? team.organization_id ?? 'no organization'}` : name;
}

interface SumRow extends Sums {
  readonly name: string;
  readonly under?: string;
  readonly at: string;
}

function SumTable({ first, rows }: { readonly first: string; readonly rows: readonly SumRow[] }): ReactNode {
  const figure = { textAlign: 'right', noWrap: true, width: 118 } as const;
  const count = (of: (row: SumRow) => number) => (row: SumRow) => formatCount(of(row));
  return (
    <DataTable<SumRow>
      records={[...rows]}
      idAccessor="at"
      {...tableLook(760)}
      columns={[
        {
          accessor: 'name',
          title: first,
          render: ({ name, under }) => (
            <Group gap={6} wrap="nowrap">
              <span>{name}</span>
              {under !== undefined && (
                <Text span size="xs" c="dimmed">
                  {under}
                </Text>
              )}
            </Group>
          ),
        },
        {
          accessor: 'cost_usd',
          title: 'Cost',
          ...figure,
          render: (row) => <Spent usd={row.cost_usd} unpriced={row.unpriced_requests} />,
        },
        { accessor: 'requests', title: 'Requests', ...figure, render: count((row) => row.requests) },
        { accessor: 'input_tokens', title: 'Input', ...figure, render: count((row) => row.input_tokens) },
        {
          accessor: 'cache',
          title: 'Cache',
          ...figure,
          render: count((row) => row.cache_read_tokens + row.cache_write_tokens),
        },
        { accessor: 'output_tokens', title: 'Output', ...figure, render: count((row) => row.output_tokens) },
      ]}
    />
  );
}

/** A row per team and model: what a sheet can sum up again. Amounts are exact. */
function csvOf(report: Report): string {
  const header = ['month', 'organization', 'team_id', 'team', 'model', 'provider', 'requests'];
  const tokens = ['input_tokens', 'cache_read_tokens', 'cache_write_tokens', 'output_tokens'];
  return toCsv(
    [...header, 'unpriced_requests', ...tokens, 'cost_usd'],
    report.data.flatMap((team) =>
      team.models.map((row) => [
        report.month,
        team.organization ?? team.organization_id,
        team.team_id,
        team.team,
        row.model,
        row.provider,
        row.requests,
        row.unpriced_requests,
        row.input_tokens,
        row.cache_read_tokens,
        row.cache_write_tokens,
        row.output_tokens,
        row.cost_usd,
      ]),
    ),
  );
}
