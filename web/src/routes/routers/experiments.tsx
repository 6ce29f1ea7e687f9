import { Badge, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { DataTable } from 'mantine-datatable';
import type { ReactNode } from 'react';
import type { OutputOf } from '../../../../src/control/contract.ts';
import { api, cached } from '../../api.ts';
import { ErrorPanel, RowSkeletons } from '../../components/feedback.tsx';
import { Panel } from '../../components/panel.tsx';
import { tableLook } from '../../components/table-look.ts';
import { Money } from '../../components/values.tsx';
import { formatCount, formatDuration, plural } from '../../format.ts';

type Experiment = OutputOf<'listExperiments'>['data'][number];
type Arm = Experiment['arms'][number];

function Comparisons({ of }: { readonly of: Experiment }): ReactNode {
  return of.comparisons.map(({ first, second, pairs, e_value: value, needed, winner }) => (
    <Text key={`${first} ${second}`} size="xs" c="dimmed">
      {second} against {first}: {plural(pairs, 'pair')} of sessions, evidence {formatCount(value)} of{' '}
      {formatCount(needed)} needed{winner === null ? '' : `; ${winner} is better`}
    </Text>
  ));
}

function ExperimentView({ of }: { readonly of: Experiment }): ReactNode {
  const figure = { textAlign: 'right', width: 96 } as const;
  return (
    <Stack gap="xs" data-experiment={of.name}>
      <Group gap="xs">
        <Text fw={600} size="sm">
          {of.name}
        </Text>
        <Badge color={of.stop ? 'teal' : 'gray'}>{of.stop ? 'may be stopped' : 'goes on'}</Badge>
        <Text size="sm">{of.says}</Text>
      </Group>
      <DataTable<Arm>
        records={[...of.arms]}
        idAccessor="model"
        {...tableLook(640)}
        columns={[
          { accessor: 'model', title: 'Arm' },
          { accessor: 'percent', title: 'Share', ...figure, render: ({ percent }) => `${percent} %` },
          { accessor: 'sessions', title: 'Sessions', ...figure, render: (arm) => formatCount(arm.sessions) },
          {
            accessor: 'good_rate',
            title: of.metric.replaceAll('_', ' '),
            ...figure,
            width: 120,
            render: ({ good_rate: rate }) => (rate === null ? '–' : `${(rate * 100).toFixed(1)} %`),
          },
          {
            accessor: 'mean_cost_usd',
            title: 'Mean cost',
            ...figure,
            render: ({ mean_cost_usd: usd }) => <Money usd={usd} />,
          },
          {
            accessor: 'mean_latency_ms',
            title: 'Mean time',
            ...figure,
            render: ({ mean_latency_ms: ms }) => (ms === null ? '–' : formatDuration(ms)),
          },
        ]}
      />
      <Comparisons of={of} />
    </Stack>
  );
}

/** Experiments of a router with their stopping rule. */
export function ExperimentsPanel(props: { readonly name: string; readonly from: () => string }): ReactNode {
  const { name, from } = props;
  const found = useQuery({
    queryKey: [...cached.routers, name, 'experiments'],
    queryFn: () => api.call('listExperiments', { name, from: from() }),
  });
  return (
    <Panel title="Experiments" note="may be looked at at any time without losing their meaning">
      {found.isError && <ErrorPanel error={found.error} onRetry={() => void found.refetch()} />}
      {found.isPending && <RowSkeletons rows={3} />}
      <Stack gap="lg">
        {found.data?.data.map((one) => (
          <ExperimentView key={one.name} of={one} />
        ))}
      </Stack>
    </Panel>
  );
}
