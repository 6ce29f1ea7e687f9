import { Badge, Group, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { DataTable } from 'mantine-datatable';
import type { ReactNode } from 'react';
import { api, cached, type Status } from '../api.ts';
import { Empty, ErrorPanel, RowSkeletons } from '../components/feedback.tsx';
import { PageHead, Panel } from '../components/panel.tsx';
import { tableLook } from '../components/table-look.ts';
import { Moment } from '../components/values.tsx';
import { formatCount, formatDuration, plural } from '../format.ts';

type Deployment = Status['deployments'][number];
type Credential = Deployment['credentials'][number];

/** Often enough to watch a circuit close. */
const REFRESH_MS = 2000;

interface Condition {
  readonly word: string;
  readonly color: string;
  readonly means: ReactNode;
}

/** What a deployment is like right now, in a word, a colour and a sentence. */
function conditionOf(one: Deployment): Condition {
  if (one.state === 'open') {
    return {
      word: 'open',
      color: 'red',
      means: (
        <>
          {plural(one.failures, 'failure')} in a row; next try <Moment at={one.probes_at} />
        </>
      ),
    };
  }
  if (one.state === 'half_open') {
    return { word: 'half open', color: 'orange', means: 'One request tries whether it works again' };
  }
  if (one.ejected !== null) {
    const why = one.ejected.reason === 'errors' ? 'fails much more' : 'is much slower';
    return {
      word: 'ejected',
      color: 'orange',
      means: (
        <>
          It {why} than the others of {one.ejected.model}; until <Moment at={one.ejected.until} />
        </>
      ),
    };
  }
  if (one.rests_until !== null) {
    return {
      word: 'resting',
      color: 'yellow',
      means: (
        <>
          The provider asked for it, until <Moment at={one.rests_until} />
        </>
      ),
    };
  }
  if (one.share_percent < 100) {
    return { word: 'recovering', color: 'yellow', means: `It gets ${one.share_percent} % of its traffic` };
  }
  return { word: 'healthy', color: 'teal', means: '' };
}

const CREDENTIALS: Readonly<Record<Credential['state'], { color: string; means: string }>> = {
  ready: { color: 'teal', means: 'It may be used.' },
  limited: { color: 'yellow', means: 'Its limits are used up for the moment.' },
  resting: { color: 'yellow', means: 'The provider asked for a rest here (429 or 403).' },
  refused: { color: 'red', means: 'The provider refused it (401 or 402), at every deployment.' },
};

/** One key of a pool by its number and last characters. */
function CredentialLine({ one }: { readonly one: Credential }): ReactNode {
  const { color, means } = CREDENTIALS[one.state];
  const facts = [
    ...(one.in_flight > 0 ? [`${one.in_flight} running`] : []),
    ...(one.headroom_percent === null ? [] : [`${one.headroom_percent} % of its limits left`]),
  ];
  return (
    <Group gap="0 6px" data-credential={one.state}>
      <Text size="sm" component="span" style={{ whiteSpace: 'nowrap' }}>
        {one.index + 1}
        {one.hint !== '' && <span title="Its last characters">{` …${one.hint}`}</span>}
      </Text>
      <Badge color={color} title={means} style={{ flexShrink: 0 }}>
        {one.state}
      </Badge>
      {one.until !== null && (
        <Text size="xs" c="dimmed" component="span" style={{ whiteSpace: 'nowrap' }}>
          until <Moment at={one.until} />
        </Text>
      )}
      {facts.length > 0 && (
        <Text size="xs" c="dimmed" component="span">
          {facts.join(', ')}
        </Text>
      )}
    </Group>
  );
}

function DeploymentTable({ rows }: { readonly rows: readonly Deployment[] }): ReactNode {
  const figure = { textAlign: 'right', noWrap: true, width: 84 } as const;
  return (
    <DataTable<Deployment>
      records={[...rows]}
      {...tableLook(960)}
      columns={[
        {
          accessor: 'id',
          title: 'Deployment',
          width: 206,
          render: ({ id, region, priority, weight }) => (
            <>
              <Text size="sm">{id}</Text>
              <Text size="xs" c="dimmed">
                {[...(region === null ? [] : [region]), `priority ${priority}`, `weight ${weight}`].join(
                  ', ',
                )}
              </Text>
            </>
          ),
        },
        {
          accessor: 'state',
          title: 'State',
          width: 205,
          render: (one) => {
            const { word, color, means } = conditionOf(one);
            return (
              <div data-deployment={one.id} data-state={word}>
                <Badge color={color}>{word}</Badge>
                {means !== '' && (
                  <Text size="xs" c="dimmed">
                    {means}
                  </Text>
                )}
              </div>
            );
          },
        },
        { accessor: 'in_flight', title: 'Running', ...figure, render: (one) => formatCount(one.in_flight) },
        { accessor: 'waiting', title: 'Waiting', ...figure, render: (one) => formatCount(one.waiting) },
        {
          accessor: 'first_byte_ms',
          title: 'First byte',
          ...figure,
          width: 96,
          render: ({ first_byte_ms: ms }) => (ms === null ? '—' : formatDuration(ms)),
        },
        {
          accessor: 'failed_percent',
          title: 'Failed',
          ...figure,
          render: ({ failed_percent: failed, requests_last_minute: all }) =>
            failed === null ? '—' : <span title={`of ${all} in the last minute`}>{failed} %</span>,
        },
        {
          accessor: 'credentials',
          title: 'Credentials',
          render: ({ credentials }) =>
            credentials.length === 0 ? (
              '—'
            ) : (
              <Stack gap={2}>
                {credentials.map((one) => (
                  <CredentialLine key={one.index} one={one} />
                ))}
              </Stack>
            ),
        },
      ]}
    />
  );
}

function summary(rows: readonly Deployment[]): string {
  const troubled = rows.filter((one) => conditionOf(one).word !== 'healthy').length;
  return troubled === 0 ? `${plural(rows.length, 'deployment')}` : `${troubled} of ${rows.length} in trouble`;
}

/** The health of every place a model is served, as the gateway sees it now. */
export function DeploymentsPage(): ReactNode {
  const status = useQuery({
    queryKey: [...cached.status, 'deployments'],
    queryFn: () => api.call('getStatus', {}),
    refetchInterval: REFRESH_MS,
  });
  const rows = status.data?.deployments;
  return (
    <>
      <PageHead
        title="Deployments"
        lead="Circuits, queues and credentials of every place a model is served, every two seconds"
      />
      <Panel title="Health" flush note={rows === undefined ? undefined : summary(rows)}>
        {status.isError && <ErrorPanel error={status.error} onRetry={() => void status.refetch()} />}
        {status.isPending && <RowSkeletons rows={6} />}
        {rows !== undefined && rows.length === 0 && (
          <Empty icon="deployments" title="No deployment was called yet">
            Models of the configuration are listed here, and every other as soon as it is called.
          </Empty>
        )}
        {rows !== undefined && rows.length > 0 && <DeploymentTable rows={rows} />}
      </Panel>
    </>
  );
}
