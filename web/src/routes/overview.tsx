import { Anchor, Badge, Group, Skeleton, Stack, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import type { Status } from '../api.ts';
import { Banners } from '../components/banners.tsx';
import { Connect } from '../components/connect.tsx';
import { ExchangeTable } from '../components/exchange-table.tsx';
import { Empty, ErrorPanel, RowSkeletons } from '../components/feedback.tsx';
import { PageHead, Panel } from '../components/panel.tsx';
import { useStatus } from '../components/shell.tsx';
import { Shortcuts } from '../components/shortcuts.tsx';
import { SpendPanel } from '../components/spend-panel.tsx';
import { Tiles } from '../components/tiles.tsx';
import { TryIt } from '../components/try-it.tsx';
import { plural } from '../format.ts';
import { type Feed, useLiveExchanges } from '../live.ts';
import { useRights } from '../me.ts';

/** Is it working, what was called, what did it cost, and how to point an SDK at it. */
export function OverviewPage(): ReactNode {
  const status = useStatus();
  const rights = useRights();
  return (
    <>
      <PageHead title="Overview">
        {/* What was heard last says nothing of a gateway that answers no more. */}
        {status.data !== undefined && !status.isError && <Running status={status.data} />}
      </PageHead>
      <Stack gap="sm">
        {status.isError && <ErrorPanel error={status.error} onRetry={() => void status.refetch()} />}
        {status.data !== undefined && <Banners status={status.data} />}
        {rights.may('getUsage') && <Tiles />}
        <Shortcuts rights={rights} />
        <div className="overview-grid">
          {rights.may('listExchanges') && <LatestExchanges />}
          <div className="overview-steps">
            {status.data === undefined ? (
              <Skeleton height={420} radius="md" />
            ) : (
              <FirstSteps status={status.data} />
            )}
          </div>
          <Stack gap="sm">
            {rights.may('getUsage') && <SpendPanel />}
            <Providers status={status.data} />
          </Stack>
        </div>
      </Stack>
    </>
  );
}

function Running({ status }: { readonly status: Status }): ReactNode {
  const access = status.access_mode === 'open' ? 'open on this machine' : 'by virtual key';
  return (
    <Group gap={8} data-status={status.ready ? 'running' : 'not-ready'}>
      <span className="dot" data-tone={status.ready ? 'good' : 'bad'} />
      <Text size="sm" fw={600}>
        {status.ready ? 'Running' : 'Not ready'}
      </Text>
      <Text size="sm" c="dimmed">
        {plural(status.providers.length, 'provider')}, access {access}
      </Text>
    </Group>
  );
}

/** Test request and snippets share one key, which lives only as long as this page. */
function FirstSteps({ status }: { readonly status: Status }): ReactNode {
  const [secret, setSecret] = useState('');
  const [made, setMade] = useState(false);
  return (
    <Stack gap="sm">
      <TryIt
        status={status}
        secret={secret}
        onSecret={(typed) => {
          setSecret(typed);
          setMade(false);
        }}
      />
      <Connect
        status={status}
        secret={secret}
        made={made}
        onMade={(fresh) => {
          setSecret(fresh);
          setMade(true);
        }}
      />
    </Stack>
  );
}

const FEEDS: Record<Feed, { label: string; tone: string | undefined }> = {
  connecting: { label: 'connecting', tone: undefined },
  live: { label: 'live', tone: 'good' },
  polling: { label: 'every 3 s', tone: 'warn' },
};

function LatestExchanges(): ReactNode {
  const { rows, fresh, feed, list } = useLiveExchanges(10);
  const { label, tone } = FEEDS[feed];
  return (
    <Panel
      title="Last exchanges"
      flush
      note={
        <Group gap={6} component="span" data-feed={feed}>
          <span className="dot" data-tone={tone} data-beating={feed === 'live' ? true : undefined} /> {label}
        </Group>
      }
      actions={
        <Anchor component={Link} to="/exchanges" size="sm">
          All exchanges
        </Anchor>
      }
    >
      {list.isError && rows.length === 0 && (
        <ErrorPanel error={list.error} onRetry={() => void list.refetch()} />
      )}
      {list.isPending && rows.length === 0 && <RowSkeletons />}
      {list.data !== undefined && rows.length === 0 && (
        <Empty icon="exchanges" title="Nothing was called yet">
          Send a test request from this page, or copy one of the snippets into a terminal: it appears here the
          moment it ends.
        </Empty>
      )}
      {rows.length > 0 && <ExchangeTable rows={rows} fresh={fresh} />}
    </Panel>
  );
}

function Providers({ status }: { readonly status: Status | undefined }): ReactNode {
  return (
    <Panel
      title="Providers"
      flush
      actions={
        <Anchor component={Link} to="/models" size="sm">
          All models
        </Anchor>
      }
    >
      {status === undefined && <RowSkeletons rows={3} />}
      {status?.providers.length === 0 && (
        <Empty icon="models" title="No provider is configured">
          Put a provider’s key, such as <code>OPENAI_API_KEY</code>, into the environment and start the
          gateway again.
        </Empty>
      )}
      <Stack gap={0}>
        {status?.providers.map((provider) => (
          <Group
            key={provider.name}
            justify="space-between"
            wrap="nowrap"
            px={16}
            py={9}
            style={{ borderTop: '1px solid var(--sluice-line)', marginTop: -1 }}
          >
            <div style={{ minWidth: 0 }}>
              <Text size="sm" fw={560} truncate>
                {provider.name}
                {provider.type !== provider.name && (
                  <Text component="span" size="xs" c="dimmed" ml={6}>
                    {provider.type}
                  </Text>
                )}
              </Text>
              <Text size="xs" c="dimmed" truncate>
                {provider.base_url === '' ? 'built in' : provider.base_url}
              </Text>
            </div>
            <Group gap={6} wrap="nowrap">
              {provider.credentials > 0 && (
                <Badge color="gray">{plural(provider.credentials, 'credential')}</Badge>
              )}
              <Badge>{plural(provider.models, 'model')}</Badge>
            </Group>
          </Group>
        ))}
      </Stack>
    </Panel>
  );
}
