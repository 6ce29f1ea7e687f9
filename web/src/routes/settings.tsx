import { Alert, Badge, Button, Grid, Group, Skeleton, Stack, Text } from '@mantine/core';
import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query';
import { DataTable } from 'mantine-datatable';
import type { ReactNode } from 'react';
import { type AuditRow, api, cached } from '../api.ts';
import { Banners } from '../components/banners.tsx';
import { CodeBlock } from '../components/copy.tsx';
import { Empty, ErrorPanel, RowSkeletons } from '../components/feedback.tsx';
import { Facts, PageHead, Panel } from '../components/panel.tsx';
import { useStatus } from '../components/shell.tsx';
import { tableLook } from '../components/table-look.ts';
import { Moment } from '../components/values.tsx';
import { formatCount, formatFullMoment, formatUptime, plural } from '../format.ts';
import { Icon } from '../icons.tsx';

/** What runs, with which configuration, and who changed what. */
export function SettingsPage(): ReactNode {
  const status = useStatus();
  return (
    <>
      <PageHead title="Settings" lead="What runs, with which configuration, and who changed what" />
      <Stack gap="sm">
        {status.data !== undefined && <Banners status={status.data} />}
        <Grid gap="sm">
          <Grid.Col span={{ base: 12, md: 5 }}>
            <Stack gap="sm">
              <Gateway />
              <SignInLink />
            </Stack>
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 7 }}>
            <Configuration />
          </Grid.Col>
        </Grid>
        <Audit />
      </Stack>
    </>
  );
}

function Gateway(): ReactNode {
  const status = useStatus();
  const { data } = status;
  return (
    <Panel title="Gateway">
      {status.isError && <ErrorPanel error={status.error} onRetry={() => void status.refetch()} />}
      {status.isPending && <Skeleton height={170} />}
      {data !== undefined && (
        <Facts
          rows={[
            ['Version', data.version],
            ['Address', data.base_url],
            ['State', data.ready ? 'running' : 'not ready'],
            ['Up', `${formatUptime(data.uptime_s)}, since ${formatFullMoment(data.started_at)}`],
            [
              'Access',
              data.access_mode === 'open' ? 'open: calls need no virtual key' : 'keys: calls need one',
            ],
            ['Keys', formatCount(data.keys)],
            ['Providers', data.providers.map(({ name }) => name).join(', ') || 'none'],
            ['Configuration', data.config.path ?? 'none; from the environment'],
            ['In use since', formatFullMoment(data.config.loaded_at)],
            ['Hash', data.config.hash],
          ]}
        />
      )}
    </Panel>
  );
}

function SignInLink(): ReactNode {
  const link = useMutation({ mutationFn: () => api.call('createSignInLink', {}) });
  return (
    <Panel title="Sign in elsewhere">
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          A link signs one more browser in. It works once and for ten minutes: pass it on as carefully as a
          password.
        </Text>
        {link.isError && <ErrorPanel error={link.error} />}
        {link.data !== undefined && <CodeBlock code={link.data.url} label="Sign-in link" />}
        <Group>
          <Button variant="default" loading={link.isPending} onClick={() => link.mutate()}>
            Make a link
          </Button>
        </Group>
      </Stack>
    </Panel>
  );
}

function Configuration(): ReactNode {
  const config = useQuery({ queryKey: ['config'], queryFn: () => api.call('getConfig', {}) });
  return (
    <Panel title="Configuration in use" note="secrets masked">
      {config.isError && <ErrorPanel error={config.error} onRetry={() => void config.refetch()} />}
      {config.isPending && <Skeleton height={300} />}
      {config.data !== undefined && (
        <CodeBlock label="The configuration as JSON" code={JSON.stringify(config.data.config, null, 2)} />
      )}
    </Panel>
  );
}

function Audit(): ReactNode {
  const log = useInfiniteQuery({
    queryKey: cached.audit,
    queryFn: ({ pageParam }) =>
      api.call('listAudit', { limit: 50, ...(pageParam === undefined ? {} : { cursor: pageParam }) }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const verify = useMutation({ mutationFn: () => api.call('verifyAudit', {}) });
  const rows = log.data?.pages.flatMap(({ data }) => data) ?? [];
  return (
    <Panel
      title="Audit log"
      flush
      note="each entry is chained to the one before"
      actions={
        <Button
          variant="default"
          leftSection={<Icon name="check" size={14} />}
          loading={verify.isPending}
          onClick={() => verify.mutate()}
        >
          Verify the chain
        </Button>
      }
    >
      {verify.isError && <ErrorPanel error={verify.error} />}
      {verify.data !== undefined && <Verdict of={verify.data} />}
      {log.isError && <ErrorPanel error={log.error} onRetry={() => void log.refetch()} />}
      {log.isPending && <RowSkeletons />}
      {log.data !== undefined && rows.length === 0 && (
        <Empty icon="settings" title="Nothing was changed yet">
          Every change through portal, command line or API is written down here.
        </Empty>
      )}
      {rows.length > 0 && <AuditTable rows={rows} />}
      {log.hasNextPage && (
        <Group justify="center" p="sm">
          <Button variant="default" loading={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>
            Show older ones
          </Button>
        </Group>
      )}
    </Panel>
  );
}

function Verdict(props: {
  readonly of: { valid: boolean; entries: number; first_bad_sequence: number | null };
}): ReactNode {
  const { valid, entries, first_bad_sequence } = props.of;
  return (
    <Alert m="sm" color={valid ? 'teal' : 'red'} variant="light" role="status">
      {valid
        ? `The chain is whole: ${plural(entries, 'entry').replace('entrys', 'entries')} checked.`
        : `The chain is broken at entry ${first_bad_sequence ?? entries + 1}: it or what came before was changed.`}
    </Alert>
  );
}

function AuditTable({ rows }: { readonly rows: readonly AuditRow[] }): ReactNode {
  return (
    <DataTable<AuditRow>
      records={[...rows]}
      idAccessor="sequence"
      {...tableLook(760)}
      columns={[
        { accessor: 'sequence', title: '#', width: 60 },
        { accessor: 'at', title: 'When', width: 140, noWrap: true, render: ({ at }) => <Moment at={at} /> },
        { accessor: 'actor', title: 'Who', width: 160 },
        {
          accessor: 'action',
          title: 'What',
          width: 160,
          render: ({ action }) => <Badge color="gray">{action}</Badge>,
        },
        { accessor: 'target', title: 'On', width: 190, render: ({ target }) => target || '—' },
        {
          accessor: 'details',
          title: 'Details',
          ellipsis: true,
          render: ({ details }) => {
            const text = JSON.stringify(details);
            return <span title={text}>{text}</span>;
          },
        },
      ]}
    />
  );
}
