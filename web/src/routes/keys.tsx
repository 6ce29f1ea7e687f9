import {
  ActionIcon,
  Badge,
  Button,
  Group,
  Menu,
  Modal,
  Progress,
  Select,
  Stack,
  Text,
  VisuallyHidden,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import '@mantine/notifications/styles.css';
import { Notifications, notifications } from '@mantine/notifications';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { DataTable } from 'mantine-datatable';
import { type ReactNode, useState } from 'react';
import { api, cached, type Key } from '../api.ts';
import { Empty, ErrorPanel, RowSkeletons } from '../components/feedback.tsx';
import { SecretOnce } from '../components/key-secret.tsx';
import { NewKeyDialog } from '../components/new-key.tsx';
import { PageHead, Panel } from '../components/panel.tsx';
import { tableLook } from '../components/table-look.ts';
import { Moment } from '../components/values.tsx';
import { formatCount, formatFullMoment, formatUsd, percentOf } from '../format.ts';
import { Icon } from '../icons.tsx';

/** What may be done to a key, and is asked about first. */
type Act = 'rotate' | 'block' | 'unblock' | 'revoke';

interface Pending {
  readonly act: Act;
  readonly key: Key;
}

/** Virtual keys: create, rotate, block, revoke; budgets at a glance. */
export function KeysPage(): ReactNode {
  const [making, { open, close }] = useDisclosure(false);
  const [pending, setPending] = useState<Pending>();
  const keys = useInfiniteQuery({
    queryKey: [...cached.keys, 'list'],
    queryFn: ({ pageParam }) =>
      api.call('listKeys', { limit: 100, ...(pageParam === undefined ? {} : { cursor: pageParam }) }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: 15_000,
  });
  const rows = keys.data?.pages.flatMap(({ data }) => data) ?? [];
  const create = (
    <Button leftSection={<Icon name="plus" size={14} />} onClick={open}>
      New key
    </Button>
  );
  return (
    <>
      <PageHead title="Keys" lead="Virtual keys stand in for providers’ keys in your applications">
        {create}
      </PageHead>
      <Panel
        title="Virtual keys"
        flush
        note={rows.length === 0 ? undefined : `${formatCount(rows.length)} shown`}
      >
        {keys.isError && <ErrorPanel error={keys.error} onRetry={() => void keys.refetch()} />}
        {keys.isPending && <RowSkeletons />}
        {keys.data !== undefined && rows.length === 0 && (
          <Empty icon="keys" title="There is no key yet">
            <Stack gap="sm" align="center">
              A key tells you who spent what, and can carry a budget and limits. From the first key on, calls
              without one are refused, unless <code>access.mode: open</code> is configured.
              {create}
            </Stack>
          </Empty>
        )}
        {rows.length > 0 && <KeyTable rows={rows} onAct={setPending} />}
        {keys.hasNextPage && (
          <Group justify="center" p="sm">
            <Button
              variant="default"
              loading={keys.isFetchingNextPage}
              onClick={() => void keys.fetchNextPage()}
            >
              Show older ones
            </Button>
          </Group>
        )}
      </Panel>
      <Notifications position="bottom-right" />
      <NewKeyDialog opened={making} onClose={close} />
      <ActDialog pending={pending} onClose={() => setPending(undefined)} />
    </>
  );
}

const STATUS_COLORS = { active: 'teal', blocked: 'red', expired: 'gray', revoked: 'gray' } as const;

function KeyTable(props: { readonly rows: Key[]; readonly onAct: (pending: Pending) => void }): ReactNode {
  return (
    <DataTable
      records={props.rows}
      {...tableLook(900)}
      columns={[
        {
          accessor: 'name',
          title: 'Name',
          render: (key) => (
            <Link
              to="/exchanges"
              search={{ key_id: key.id }}
              className="row-button"
              title="Exchanges of this key"
            >
              {key.name}
            </Link>
          ),
        },
        { accessor: 'hint', title: 'Ends in', width: 80, render: ({ hint }) => <code>…{hint}</code> },
        {
          accessor: 'status',
          title: 'Status',
          width: 92,
          render: ({ status }) => <Badge color={STATUS_COLORS[status]}>{status}</Badge>,
        },
        {
          accessor: 'models',
          title: 'Models',
          ellipsis: true,
          render: ({ models }) => models?.join(', ') ?? 'all',
        },
        { accessor: 'limits', title: 'Limits', width: 170, render: (key) => limitsText(key) },
        { accessor: 'budget', title: 'Budget', width: 220, render: (key) => <BudgetBar of={key} /> },
        {
          accessor: 'created_at',
          title: 'Created',
          width: 120,
          noWrap: true,
          render: (key) => <Moment at={key.created_at} />,
        },
        {
          accessor: 'id',
          title: <VisuallyHidden>Actions</VisuallyHidden>,
          width: 48,
          render: (key) => <Actions of={key} onAct={(act) => props.onAct({ act, key })} />,
        },
      ]}
    />
  );
}

function limitsText({ limits, expires_at }: Key): string {
  const parts = [
    limits.rpm === undefined ? '' : `${formatCount(limits.rpm)} req/min`,
    limits.tpm === undefined ? '' : `${formatCount(limits.tpm)} tok/min`,
    limits.concurrency === undefined ? '' : `${formatCount(limits.concurrency)} at once`,
    expires_at === null ? '' : `until ${formatFullMoment(expires_at)}`,
  ].filter((part) => part !== '');
  return parts.join(', ') || 'none';
}

function BudgetBar({ of }: { readonly of: Key }): ReactNode {
  const { budget } = of;
  if (budget === null) return 'none';
  const settled = percentOf(budget.settled_usd, budget.limit_usd);
  const held = Math.min(100 - settled, percentOf(budget.held_usd, budget.limit_usd));
  const exact = `settled $${budget.settled_usd}, held $${budget.held_usd}, remaining $${budget.remaining_usd}`;
  return (
    <div title={exact}>
      <Group justify="space-between" gap={6} wrap="nowrap">
        <Text size="xs">
          {formatUsd(budget.settled_usd)} of {formatUsd(budget.limit_usd)}
        </Text>
        <Text size="xs" c="dimmed">
          {budget.window === 'total' ? 'in total' : `per ${budget.window}`}
        </Text>
      </Group>
      <Progress.Root size={6} mt={3}>
        <Progress.Section
          value={settled}
          color={settled >= 100 ? 'red' : settled >= 80 ? 'orange' : 'water'}
          aria-label={`Budget of ${of.name}: ${exact}`}
        />
        {held > 0 && (
          <Progress.Section
            value={held}
            color="gray"
            aria-label={`Held for running requests of ${of.name}`}
          />
        )}
      </Progress.Root>
    </div>
  );
}

function Actions(props: { readonly of: Key; readonly onAct: (act: Act) => void }): ReactNode {
  const { of, onAct } = props;
  return (
    <Menu position="bottom-end" shadow="md" width={150}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" c="dimmed" aria-label={`Actions for ${of.name}`}>
          <Icon name="more" />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => onAct('rotate')}>Rotate…</Menu.Item>
        {of.status === 'blocked' ? (
          <Menu.Item onClick={() => onAct('unblock')}>Unblock…</Menu.Item>
        ) : (
          <Menu.Item onClick={() => onAct('block')}>Block…</Menu.Item>
        )}
        <Menu.Item c="var(--mantine-color-error)" onClick={() => onAct('revoke')}>
          Revoke…
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

const ACTS: Record<Act, { title: string; text: string; confirm: string; color?: string }> = {
  rotate: {
    title: 'Rotate',
    text: 'A new secret is made. The old one goes on working for the time you choose, so that applications can be changed over.',
    confirm: 'Rotate',
  },
  block: {
    title: 'Block',
    text: 'Requests with this key are refused until you unblock it.',
    confirm: 'Block',
    color: 'red.9',
  },
  unblock: { title: 'Unblock', text: 'Requests with this key are accepted again.', confirm: 'Unblock' },
  revoke: {
    title: 'Revoke',
    text: 'The key is refused for good and leaves this list. What it spent stays in the log.',
    confirm: 'Revoke for good',
    color: 'red.9',
  },
};

const DONE: Record<Act, string> = {
  rotate: 'has a new secret',
  block: 'is blocked',
  unblock: 'is accepted again',
  revoke: 'is revoked',
};

const OVERLAPS = [
  { value: '0', label: 'Stop at once' },
  { value: '3600', label: '1 hour' },
  { value: '86400', label: '1 day' },
  { value: '604800', label: '7 days' },
];

function ActDialog(props: {
  readonly pending: Pending | undefined;
  readonly onClose: () => void;
}): ReactNode {
  const { pending, onClose } = props;
  const queries = useQueryClient();
  const [overlap, setOverlap] = useState('3600');
  const run = useMutation({
    mutationFn: async ({ act, key: { id } }: Pending): Promise<string | undefined> => {
      if (act === 'rotate') return (await api.call('rotateKey', { id, overlap_s: Number(overlap) })).key;
      if (act === 'revoke') await api.call('revokeKey', { id });
      else await api.call(act === 'block' ? 'blockKey' : 'unblockKey', { id });
      return undefined;
    },
    onSuccess: async (secret, { act, key }) => {
      notifications.show({
        message: `“${key.name}” ${DONE[act]}.`,
        color: 'teal',
        autoClose: 4000,
        closeButtonProps: { 'aria-label': 'Close this message' },
      });
      await queries.invalidateQueries({ queryKey: cached.keys });
      void queries.invalidateQueries({ queryKey: cached.status });
      if (secret === undefined) finish();
    },
  });
  const finish = () => {
    run.reset();
    onClose();
  };
  const asked = pending === undefined ? undefined : ACTS[pending.act];
  return (
    <Modal
      opened={pending !== undefined}
      onClose={finish}
      title={<Text fw={640}>{`${asked?.title ?? ''} “${pending?.key.name ?? ''}”`}</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {typeof run.data === 'string' ? (
        <Stack gap="md">
          <SecretOnce secret={run.data} />
          <Group justify="flex-end">
            <Button onClick={finish}>I have copied it</Button>
          </Group>
        </Stack>
      ) : (
        <Stack gap="md">
          <Text size="sm">{asked?.text}</Text>
          {pending?.act === 'rotate' && (
            <Select
              label="The old secret works for"
              data={OVERLAPS}
              value={overlap}
              allowDeselect={false}
              onChange={(value) => setOverlap(value ?? '0')}
            />
          )}
          {run.isError && <ErrorPanel error={run.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={finish}>
              Cancel
            </Button>
            <Button
              {...(asked?.color === undefined ? {} : { color: asked.color })}
              loading={run.isPending}
              onClick={() => pending !== undefined && run.mutate(pending)}
            >
              {asked?.confirm}
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}
