import { Button, Grid, Group, Skeleton, Stack, Text } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api } from '../api.ts';
import { Banners } from '../components/banners.tsx';
import { CodeBlock } from '../components/copy.tsx';
import { ErrorPanel } from '../components/feedback.tsx';
import { Facts, PageHead, Panel } from '../components/panel.tsx';
import { useStatus } from '../components/shell.tsx';
import { formatCount, formatFullMoment, formatUptime } from '../format.ts';
import { useRights } from '../me.ts';

/** What runs, and with which configuration. */
export function SettingsPage(): ReactNode {
  const status = useStatus();
  const rights = useRights();
  return (
    <>
      <PageHead title="Settings" lead="What runs, and with which configuration" />
      <Stack gap="sm">
        {status.data !== undefined && <Banners status={status.data} />}
        <Grid gap="sm">
          <Grid.Col span={{ base: 12, md: 5 }}>
            <Stack gap="sm">
              <Gateway />
              <SignInLink />
            </Stack>
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 7 }}>{rights.may('getConfig') && <Configuration />}</Grid.Col>
        </Grid>
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
