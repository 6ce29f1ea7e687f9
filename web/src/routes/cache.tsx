import { Stack } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api, cached, send } from '../api.ts';
import type { Act } from '../components/act.tsx';
import { ActButton } from '../components/act-button.tsx';
import { ControlPage } from '../components/control-page.tsx';
import { Directory } from '../components/directory.tsx';
import { ErrorPanel } from '../components/feedback.tsx';
import { Facts, Panel } from '../components/panel.tsx';
import { Moment } from '../components/values.tsx';
import { formatCount } from '../format.ts';
import { type Rights, useRights } from '../me.ts';
import { type Names, useNames } from '../noun.ts';

type Entry = Awaited<ReturnType<typeof api.call<'listCacheEntries'>>>['data'][number];

const TOUCHES = [cached.cache, cached.audit];

/** Forgets what matches and says how many there were. */
async function forget(filter: Record<string, unknown>) {
  const { removed } = await send('clearCache', filter);
  return {
    sentence: removed === 1 ? 'One answer was forgotten.' : `${formatCount(removed)} answers were forgotten.`,
  };
}

function clearAct(teams: Names, keys: Names): Act {
  return {
    label: 'Forget answers',
    title: 'Forget kept answers',
    text: 'Those that match everything chosen here; without a choice, all of them.',
    danger: true,
    confirm: 'Forget',
    fields: [
      { path: 'model', label: 'Model', placeholder: 'any' },
      { path: 'team_id', label: 'Team', kind: 'select', options: teams.options, placeholder: 'any', span: 3 },
      { path: 'key_id', label: 'Key', kind: 'select', options: keys.options, placeholder: 'any', span: 3 },
    ],
    run: forget,
    done: 'The cache was cleared.',
  };
}

function Stats(): ReactNode {
  const stats = useQuery({
    queryKey: [...cached.cache, 'stats'],
    queryFn: () => api.call('getCacheStats', {}),
    refetchInterval: 10_000,
  });
  const { data } = stats;
  return (
    <Panel title="In this process since its start">
      {stats.isError && <ErrorPanel error={stats.error} onRetry={() => void stats.refetch()} />}
      {data !== undefined && (
        <Facts
          rows={[
            ['State', data.enabled ? 'on' : 'off: set cache.exact.enabled'],
            ['Answers kept', formatCount(data.entries)],
            ['Size', `${formatCount(data.bytes)} of ${formatCount(data.max_bytes)} bytes`],
            ['Kept for', `${formatCount(data.ttl_s)} s`],
            ['Hits', formatCount(data.hits)],
            ['Misses', formatCount(data.misses)],
            ['Hit rate', data.hit_rate === null ? '—' : `${(data.hit_rate * 100).toFixed(1)} %`],
          ]}
        />
      )}
    </Panel>
  );
}

function actsOf(rights: Rights, row: Entry): Act[] {
  if (!rights.may('clearCache')) return [];
  return [
    {
      label: 'Forget',
      title: 'Forget this answer',
      text: 'The next equal request is sent upstream again.',
      danger: true,
      run: () => forget({ id: row.id }),
      done: 'The answer was forgotten.',
    },
  ];
}

/** Answers kept for equal requests: how much they help, and what is kept. */
export function CachePage(): ReactNode {
  const rights = useRights();
  const teams = useNames(rights, 'listTeams');
  const keys = useNames(rights, 'listKeys');
  return (
    <ControlPage title="Cache" lead="Answers kept for equal requests; neither prompts nor answers are shown">
      <Stack gap="sm">
        <Stats />
        <Directory<Entry>
          title="Kept answers"
          icon="cache"
          empty={['No answer is kept', 'Equal requests with temperature 0 share one once cache.exact is on.']}
          queryKey={[...cached.cache, 'entries']}
          list={(cursor) =>
            api.call('listCacheEntries', { limit: 50, ...(cursor === undefined ? {} : { cursor }) })
          }
          nameOf={({ model, stored_at: at }) => `the answer of ${model} kept at ${at}`}
          width={720}
          refetchMs={10_000}
          columns={[
            { accessor: 'model', title: 'Model', ellipsis: true },
            { accessor: 'team_id', title: 'Team', ellipsis: true, render: (row) => teams.of(row.team_id) },
            { accessor: 'key_id', title: 'Key', ellipsis: true, render: (row) => keys.of(row.key_id) },
            {
              accessor: 'bytes',
              title: 'Bytes',
              width: 90,
              textAlign: 'right',
              render: (row) => formatCount(row.bytes),
            },
            {
              accessor: 'hits',
              title: 'Hits',
              width: 70,
              textAlign: 'right',
              render: (row) => formatCount(row.hits),
            },
            {
              accessor: 'stored_at',
              title: 'Kept',
              width: 120,
              render: (row) => <Moment at={row.stored_at} />,
            },
            {
              accessor: 'expires_at',
              title: 'Until',
              width: 120,
              render: (row) => <Moment at={row.expires_at} />,
            },
          ]}
          acts={(row) => actsOf(rights, row)}
          actions={rights.may('clearCache') && <ActButton act={clearAct(teams, keys)} touches={TOUCHES} />}
          touches={TOUCHES}
        />
      </Stack>
    </ControlPage>
  );
}
