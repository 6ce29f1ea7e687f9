import { Alert, Badge, Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, useState } from 'react';
import { type AuditRow, api, cached } from '../api.ts';
import { ControlPage } from '../components/control-page.tsx';
import { CopyButton } from '../components/copy.tsx';
import { Directory } from '../components/directory.tsx';
import { ErrorPanel } from '../components/feedback.tsx';
import { type FilterField, Filters } from '../components/filters.tsx';
import { Moment } from '../components/values.tsx';
import { plural } from '../format.ts';
import { Icon } from '../icons.tsx';
import { useRights } from '../me.ts';
import { useNames } from '../noun.ts';
import type { AuditFilter } from '../search.ts';

const route = getRouteApi('/audit');

const FIELDS: readonly FilterField[] = [
  { name: 'actor', label: 'Who', placeholder: 'admin-key, user:…' },
  { name: 'action', label: 'What', placeholder: 'keys.create, keys.*' },
  { name: 'target', label: 'On' },
  { name: 'from', label: 'From', kind: 'time' },
  { name: 'to', label: 'To', kind: 'time' },
];

/** Who changed what: filters, the check of the chain, and a copy to keep. */
export function AuditPage(): ReactNode {
  const rights = useRights();
  const navigate = route.useNavigate();
  const { exchange: _, ...filter } = route.useSearch();
  const users = useNames(rights, 'listUsers');
  const who = (actor: string) => (actor.startsWith('user:') ? users.of(actor.slice(5)) : actor);
  return (
    <ControlPage
      title="Audit"
      lead="Who changed what; each entry is chained to the one before"
      head={
        <Button
          component="a"
          href={api.url('exportAudit', filter)}
          download
          variant="default"
          leftSection={<Icon name="download" size={14} />}
        >
          JSON lines
        </Button>
      }
    >
      <Stack gap="sm">
        <Chain />
        <Filters
          fields={FIELDS}
          filter={filter}
          onFilter={(search) => void navigate({ to: '.', search: search as AuditFilter })}
        />
        <Directory<AuditRow>
          title="Audit log"
          icon="audit"
          empty={
            Object.keys(filter).length > 0
              ? [
                  'Nothing matches these filters',
                  'Take one away, or widen the time. Names are compared exactly.',
                ]
              : [
                  'Nothing was changed yet',
                  'Every change through portal, command line or API is written down here.',
                ]
          }
          queryKey={[...cached.audit, JSON.stringify(filter)]}
          list={(cursor) =>
            api.call('listAudit', { limit: 50, ...filter, ...(cursor === undefined ? {} : { cursor }) })
          }
          columns={[
            { accessor: 'sequence', title: '#', width: 60 },
            {
              accessor: 'at',
              title: 'When',
              width: 140,
              noWrap: true,
              render: ({ at }) => <Moment at={at} />,
            },
            {
              accessor: 'actor',
              title: 'Who',
              width: 160,
              ellipsis: true,
              render: ({ actor }) => <span title={actor}>{who(actor)}</span>,
            },
            {
              accessor: 'action',
              title: 'What',
              width: 180,
              render: ({ action }) => (
                <Badge color={action.endsWith('.refused') ? 'red' : 'gray'}>{action}</Badge>
              ),
            },
            {
              accessor: 'target',
              title: 'On',
              width: 190,
              ellipsis: true,
              render: ({ target }) => target || '—',
            },
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
          width={860}
          idAccessor="sequence"
          nameOf={({ sequence }) => String(sequence)}
          touches={[]}
        />
      </Stack>
    </ControlPage>
  );
}

const PROBLEMS = {
  altered: 'this entry or what came before was changed',
  missing: 'an entry is missing there',
  cut_off: 'the end of the log was cut off',
  head_forged: 'the entry kept elsewhere is another one',
  head_missing: 'the entry kept elsewhere is not in the log',
} as const;

/** Recomputes the chain; with an entry somebody kept, it also shows that nothing was cut off since. */
function Chain(): ReactNode {
  const [head, setHead] = useState('');
  const verify = useMutation({
    mutationFn: () => api.call('verifyAudit', head.trim() === '' ? {} : { head: head.trim() }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    verify.mutate();
  };
  const { data } = verify;
  const last = data?.head == null ? undefined : `${data.head.sequence}:${data.head.hash}`;
  return (
    <form onSubmit={submit} aria-label="Verify">
      <Group align="flex-end" gap="xs">
        <TextInput
          label="Entry you kept"
          placeholder="SEQUENCE:HASH, optional"
          w={{ base: '100%', xs: 320 }}
          value={head}
          onChange={(event) => setHead(event.currentTarget.value)}
        />
        <Button
          type="submit"
          variant="default"
          leftSection={<Icon name="check" size={14} />}
          loading={verify.isPending}
        >
          Verify the chain
        </Button>
      </Group>
      {verify.isError && <ErrorPanel error={verify.error} />}
      {data !== undefined && (
        <Alert mt="sm" color={data.valid ? 'teal' : 'red'} variant="light" role="status">
          {data.valid
            ? `The chain is whole: ${plural(data.entries, 'entry').replace('entrys', 'entries')} checked.`
            : `The chain is broken at entry ${data.first_bad_sequence ?? data.entries + 1}: ${PROBLEMS[data.problem ?? 'altered']}.`}
          {data.valid && last !== undefined && (
            <Group gap={4} wrap="nowrap">
              <Text size="xs" ff="monospace" style={{ overflowWrap: 'anywhere' }}>
                {last}
              </Text>
              <CopyButton text={last} label="Copy the last entry, to keep it elsewhere" />
            </Group>
          )}
        </Alert>
      )}
    </form>
  );
}
