import { Anchor, Badge, Group, Progress, SegmentedControl, SimpleGrid, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { DataTable } from 'mantine-datatable';
import { type ReactNode, useState } from 'react';
import type { OutputOf } from '../../../src/control/contract.ts';
import { api, cached } from '../api.ts';
import { Empty, ErrorPanel, RowSkeletons } from '../components/feedback.tsx';
import { Facts, PageHead, Panel } from '../components/panel.tsx';
import { tableLook } from '../components/table-look.ts';
import { Moment, Money } from '../components/values.tsx';
import { DAY_MS } from '../durations.ts';
import { formatCount, formatUsd, plural } from '../format.ts';
import { ExperimentsPanel } from './routers/experiments.tsx';
import { ExplainPanel } from './routers/explain.tsx';
import { ChangeMode, RollBack } from './routers/mode.tsx';

type Router = OutputOf<'listRouters'>['data'][number];
type Report = OutputOf<'reportRouter'>;
type Saving = Report['total']['projected'];

const REFRESH_MS = 15_000;
const PERIODS = { '24 h': 1, '7 d': 7, '30 d': 30 } as const;
type Period = keyof typeof PERIODS;

const MODES: Readonly<Record<Router['mode'], { color: string; means: string }>> = {
  off: { color: 'gray', means: 'Serves the baseline and decides nothing.' },
  observe: { color: 'blue', means: 'Serves the baseline and notes what it would have done.' },
  canary: { color: 'yellow', means: 'Follows its decisions for a share of sessions.' },
  on: { color: 'teal', means: 'Follows its decisions.' },
};

function signed(usd: string): string {
  return usd.startsWith('-') ? `−${formatUsd(usd.slice(1))}` : formatUsd(usd);
}

/** An amount with its interval, or how much is missing for one. */
function SavingValue({ saving, state }: { readonly saving: Saving; readonly state: string }): ReactNode {
  const { usd, low_usd: low, high_usd: high, exchanges, says } = saving;
  return (
    <div data-saving={state}>
      {usd === null || low === null || high === null ? (
        <Text size="sm" c="dimmed" component="span">
          {says}
        </Text>
      ) : (
        <Text size="sm" component="span" title={`${plural(exchanges, 'exchange')}; exactly $${usd}`}>
          <b>{signed(usd)}</b> ({signed(low)} to {signed(high)})
        </Text>
      )}
    </div>
  );
}

function SavingsPanel({ report }: { readonly report: Report }): ReactNode {
  const { total, overhead } = report;
  const rows: (readonly [string, ReactNode])[] = [
    ['Projected', <SavingValue key="p" saving={total.projected} state="projected" />],
    ['Realised, net', <SavingValue key="r" saving={total.realised} state="realised" />],
    ['Verified, net', <SavingValue key="v" saving={total.verified} state="verified" />],
    ['Cold caches', <Money key="c" usd={total.cold_cache_usd} />],
    ['Shadows', <Money key="s" usd={overhead.shadow_usd} />],
    ['Judge', <Money key="j" usd={overhead.judge_usd} />],
    ['Retries', <Money key="t" usd={overhead.retry_usd} />],
    ['Lost caches', <Money key="l" usd={overhead.lost_cache_usd} />],
    ['Embeddings', <Money key="e" usd={overhead.embedding_usd} />],
  ];
  return (
    <Panel title="Savings" note="with 95 % intervals">
      <Facts rows={rows} />
      <Text size="xs" c="dimmed" mt="sm">
        Projected: had every decision been followed. Realised: against the baseline’s price. Verified: against
        sessions that kept the baseline by lot.
      </Text>
    </Panel>
  );
}

function PromisePanel({ report }: { readonly report: Report }): ReactNode {
  const { total, shadow } = report;
  const rows: (readonly [string, ReactNode])[] = [
    ['Promise', `At most ${report.max_loss_percent} % worse, ${report.confidence_percent} % sure`],
    ['Measured', <span key="q">{total.quality.says}</span>],
    [
      'Stands on',
      `${plural(total.quality.comparisons, 'comparison')}, ${plural(total.quality.gold, 'gold label')}`,
    ],
    ['Shadows', `${formatCount(shadow.judged)} of ${formatCount(shadow.runs)} judged`],
    ['Spent today', `${formatUsd(shadow.spent_today_usd)} of ${formatUsd(shadow.max_usd_per_day)}`],
  ];
  return (
    <Panel title="Promise" note={report.guarded ? 'kept by measurement' : 'not measured'}>
      <Facts rows={rows} />
      <Stack gap={2} mt="sm">
        {report.by_max_loss.map((row) => (
          <Text key={row.max_loss_percent} size="xs" c="dimmed">
            At most {row.max_loss_percent} % worse: {row.says}
          </Text>
        ))}
      </Stack>
    </Panel>
  );
}

function RouteTable({ routes, guarded }: Pick<Report, 'routes' | 'guarded'>): ReactNode {
  return (
    <DataTable<Report['routes'][number]>
      records={[...routes]}
      idAccessor="route_key"
      {...tableLook(760)}
      columns={[
        { accessor: 'route_key', title: 'Route', width: 160 },
        {
          accessor: 'exchanges',
          title: 'Exchanges',
          textAlign: 'right',
          width: 96,
          render: (one) => formatCount(one.exchanges),
        },
        {
          accessor: 'share',
          title: 'Share moved',
          width: 170,
          render: ({ promise }) => {
            // Without a promise nothing is measured out: decisions go by the prompt alone.
            if (!guarded) return '—';
            const share = Math.round((promise?.share ?? 0) * 100);
            return (
              <Group gap={8} wrap="nowrap">
                <Progress value={share} w={90} aria-label={`${share} % may go to a weaker model`} />
                <Text size="sm">{share} %</Text>
              </Group>
            );
          },
        },
        {
          accessor: 'projected',
          title: 'Projected saving',
          width: 210,
          render: (one) => <SavingValue saving={one.projected} state="route" />,
        },
        {
          accessor: 'says',
          title: 'Standing',
          render: ({ promise }) =>
            guarded ? (promise?.says ?? 'nothing learned yet') : 'no promise is kept here',
        },
      ]}
    />
  );
}

function DecisionTable({ decisions }: { readonly decisions: Report['decisions'] }): ReactNode {
  const navigate = useNavigate();
  const onOpen = (id: string) =>
    void navigate({ to: '.', search: (before: object) => ({ ...before, exchange: id }), resetScroll: false });
  return (
    <DataTable<Report['decisions'][number]>
      records={[...decisions]}
      idAccessor="exchange_id"
      {...tableLook(760)}
      columns={[
        { accessor: 'at', title: 'When', width: 120, render: ({ at }) => <Moment at={at} /> },
        {
          accessor: 'exchange_id',
          title: 'Exchange',
          width: 130,
          ellipsis: true,
          render: ({ exchange_id: id }) => (
            <Anchor component="button" type="button" size="sm" onClick={() => onOpen(id)}>
              {id}
            </Anchor>
          ),
        },
        { accessor: 'tier', title: 'Tier', width: 90 },
        { accessor: 'reason', title: 'By', width: 110 },
        { accessor: 'model', title: 'Decided', ellipsis: true },
        { accessor: 'served', title: 'Served', ellipsis: true },
        {
          accessor: 'followed',
          title: 'Followed',
          width: 100,
          render: ({ followed, held_out: held }) => (held ? 'held out' : followed ? 'yes' : 'no'),
        },
        {
          accessor: 'cost_usd',
          title: 'Cost',
          textAlign: 'right',
          width: 90,
          render: ({ cost_usd: usd }) => <Money usd={usd} />,
        },
      ]}
    />
  );
}

function EventList({ events }: { readonly events: Report['events'] }): ReactNode {
  if (events.length === 0) return <Text c="dimmed">Nothing has changed yet.</Text>;
  return (
    <Stack gap={4}>
      {events.slice(0, 10).map((event) => (
        <Text key={`${event.route_key} ${event.version}`} size="sm">
          <Moment at={event.at} /> · {event.route_key}: {event.says}
        </Text>
      ))}
    </Stack>
  );
}

function RuleTable({ rules }: { readonly rules: Router['rules'] }): ReactNode {
  return (
    <DataTable<Router['rules'][number] & { readonly place: number }>
      records={rules.map((rule, place) => ({ ...rule, place }))}
      idAccessor="place"
      {...tableLook(640)}
      columns={[
        {
          accessor: 'name',
          title: 'Rule',
          width: 160,
          render: ({ name, place }) => name ?? `rule ${place + 1}`,
        },
        { accessor: 'when', title: 'When', render: ({ when }) => <code>{when}</code> },
        { accessor: 'use', title: 'Use', width: 180 },
        { accessor: 'mode', title: 'Mode', width: 110, render: ({ mode }) => mode ?? 'the router’s' },
      ]}
    />
  );
}

function RouterView({ router, period }: { readonly router: Router; readonly period: Period }): ReactNode {
  const from = () => new Date(Date.now() - PERIODS[period] * DAY_MS).toISOString();
  const report = useQuery({
    queryKey: [...cached.routers, router.name, period],
    queryFn: () => api.call('reportRouter', { name: router.name, from: from() }),
    refetchInterval: REFRESH_MS,
  });
  const { color, means } = MODES[router.mode];
  const { data } = report;
  return (
    <Stack gap="md" data-router={router.name}>
      <Group gap="xs">
        <Badge color={color} title={means}>
          {router.mode}
        </Badge>
        <Text size="sm">
          {means}
          {router.mode === 'canary' && ` (${router.canary_percent} %)`}
        </Text>
        <Text size="sm" c="dimmed">
          Baseline {router.baseline}; chooses among {router.candidates.map(({ model }) => model).join(', ')}
        </Text>
        <ChangeMode router={router} />
      </Group>
      {report.isError && <ErrorPanel error={report.error} onRetry={() => void report.refetch()} />}
      {report.isPending && <RowSkeletons rows={8} />}
      {data !== undefined && (
        <>
          <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
            <SavingsPanel report={data} />
            <PromisePanel report={data} />
          </SimpleGrid>
          <Panel
            title="Routes"
            flush
            note={plural(data.routes.length, 'route')}
            actions={<RollBack name={router.name} />}
          >
            <RouteTable routes={data.routes} guarded={data.guarded} />
          </Panel>
          <Panel title="Last decisions" flush note={`${formatCount(data.total.exchanges)} exchanges in all`}>
            <DecisionTable decisions={data.decisions} />
          </Panel>
          <Panel title="Changes">
            <EventList events={data.events} />
          </Panel>
        </>
      )}
      {router.rules.length > 0 && (
        <Panel title="Rules" flush note="the first that holds">
          <RuleTable rules={router.rules} />
        </Panel>
      )}
      {router.experiments.length > 0 && <ExperimentsPanel key={period} name={router.name} from={from} />}
      <ExplainPanel name={router.name} />
    </Stack>
  );
}

/** What routers decide, promise and save. */
export function RoutersPage(): ReactNode {
  const [period, setPeriod] = useState<Period>('7 d');
  const [chosen, setChosen] = useState<string>();
  const routers = useQuery({ queryKey: cached.routers, queryFn: () => api.call('listRouters', {}) });
  const all = routers.data?.data ?? [];
  const router = all.find(({ name }) => name === chosen) ?? all[0];
  return (
    <>
      <PageHead
        title="Routers"
        lead="Which model answers which prompt, what that saves, and whether quality holds"
      >
        {all.length > 1 && (
          <SegmentedControl
            aria-label="Router"
            data={all.map(({ name }) => name)}
            value={router?.name ?? ''}
            onChange={setChosen}
          />
        )}
        <SegmentedControl
          aria-label="Period"
          data={Object.keys(PERIODS)}
          value={period}
          onChange={(value) => setPeriod(value as Period)}
        />
      </PageHead>
      {routers.isError && <ErrorPanel error={routers.error} onRetry={() => void routers.refetch()} />}
      {routers.isPending && <RowSkeletons rows={8} />}
      {routers.data !== undefined && router === undefined && (
        <Empty icon="routers" title="No router is configured">
          Add one under <code>routers</code> in sluice.yaml; in <code>observe</code> mode it changes nothing
          and shows what it would save.
        </Empty>
      )}
      {router !== undefined && <RouterView key={router.name} router={router} period={period} />}
    </>
  );
}
