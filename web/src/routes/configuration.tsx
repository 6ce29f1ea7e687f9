import { Group, Skeleton, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api, cached, send } from '../api.ts';
import type { Act } from '../components/act.tsx';
import { ActButton } from '../components/act-button.tsx';
import { ControlPage } from '../components/control-page.tsx';
import { CodeBlock } from '../components/copy.tsx';
import { Directory } from '../components/directory.tsx';
import { ErrorPanel } from '../components/feedback.tsx';
import { Panel } from '../components/panel.tsx';
import { Moment } from '../components/values.tsx';
import type { Field } from '../form-input.ts';
import { plural } from '../format.ts';
import { type Rights, useRights } from '../me.ts';

type Version = Awaited<ReturnType<typeof api.call<'listConfigHistory'>>>['data'][number];

const TOUCHES = [cached.config, cached.status, cached.models, cached.audit];

const COMMENT: Field = { path: 'comment', label: 'Why', note: 'Stands in the history' };

const FILES = `sluice export state/
git add state && git commit -m "what the gateway holds"
sluice apply state/ --dry-run
sluice apply state/`;

function editAct(current: Version, hash: string | undefined): Act {
  return {
    label: 'Change overrides',
    title: 'Change the overrides',
    text: 'A part of the configuration as JSON; it wins over the file, and null takes a key away. A masked secret stays what it is.',
    confirm: 'Put in force',
    fields: [
      {
        path: 'config',
        label: 'Overrides',
        kind: 'json',
        placeholder: '{"log":{"retention_days":90}}',
        required: true,
      },
      COMMENT,
    ],
    stored: { config: current.overrides },
    run: async (input) => {
      // Somebody else's change in between is not overwritten unseen.
      const seen = hash === undefined ? {} : { if_hash: hash };
      await send('putConfig', { config: current.overrides, ...seen, ...input });
      return undefined;
    },
    done: 'The overrides are in force.',
  };
}

const CHECK: Act = {
  label: 'Check a file',
  title: 'Check a configuration file',
  text: 'Nothing is changed.',
  confirm: 'Check',
  fields: [{ path: 'yaml', label: 'The text of a sluice.yaml', kind: 'long', required: true }],
  run: async (input) => {
    const { valid, problems } = await send('validateConfig', input);
    if (valid) return { sentence: 'It can be used.' };
    const lines = problems.map(({ path, problem, remedy }) => `${path} ${problem} ${remedy}`);
    return { sentence: `It has ${plural(problems.length, 'problem')}. ${lines.join(' — ')}` };
  },
  done: 'The file was checked.',
};

function rollbackAct(rights: Rights, row: Version): Act[] {
  if (!rights.may('rollbackConfig')) return [];
  return [
    {
      label: 'Put in force again',
      title: `Put version ${row.version} in force again`,
      text: 'It becomes the newest version; nothing of the history is lost.',
      fields: [COMMENT],
      run: async (input) => {
        await send('rollbackConfig', { version: row.version, ...input });
        return undefined;
      },
      done: `Version ${row.version} is in force again.`,
    },
  ];
}

function Overrides({ rights }: { readonly rights: Rights }): ReactNode {
  const overrides = useQuery({
    queryKey: [...cached.config, 'overrides'],
    queryFn: () => api.call('getConfigOverrides', {}),
  });
  const live = useQuery({ queryKey: cached.config, queryFn: () => api.call('getConfig', {}) });
  const { data } = overrides;
  return (
    <Panel
      title="Overrides in force"
      note={data === undefined ? undefined : data.version === 0 ? 'none yet' : `version ${data.version}`}
      actions={
        <Group gap="xs">
          {rights.may('validateConfig') && <ActButton act={CHECK} touches={[]} />}
          {rights.may('putConfig') && data !== undefined && (
            <ActButton act={editAct(data, live.data?.hash)} touches={TOUCHES} />
          )}
        </Group>
      }
    >
      {overrides.isError && <ErrorPanel error={overrides.error} onRetry={() => void overrides.refetch()} />}
      {overrides.isPending && <Skeleton height={80} />}
      {data !== undefined && (
        <CodeBlock label="The overrides as JSON" code={JSON.stringify(data.overrides, null, 2)} />
      )}
    </Panel>
  );
}

/** What administrators set over the file, its history, and the way to keep all of it as files. */
export function ConfigurationPage(): ReactNode {
  const rights = useRights();
  return (
    <ControlPage title="Configuration" lead="What is set over the file, by whom, and how to keep it as files">
      <Stack gap="sm">
        {rights.may('getConfigOverrides') && <Overrides rights={rights} />}
        <Directory<Version>
          title="History"
          icon="configuration"
          empty={[
            'Nothing was ever set over the file',
            'Each change is kept, and any of them can be put in force again.',
          ]}
          queryKey={[...cached.config, 'history']}
          list={(cursor) =>
            api.call('listConfigHistory', { limit: 50, ...(cursor === undefined ? {} : { cursor }) })
          }
          idAccessor="version"
          nameOf={({ version }) => `version ${version}`}
          width={640}
          columns={[
            { accessor: 'version', title: 'Version', width: 80 },
            { accessor: 'at', title: 'When', width: 130, render: (row) => <Moment at={row.at} /> },
            { accessor: 'actor', title: 'Who', width: 160, ellipsis: true },
            { accessor: 'comment', title: 'Why', ellipsis: true, render: (row) => row.comment ?? '—' },
            {
              accessor: 'overrides',
              title: 'Set',
              ellipsis: true,
              render: (row) => Object.keys(row.overrides).join(', ') || 'nothing',
            },
          ]}
          acts={(row) => rollbackAct(rights, row)}
          touches={TOUCHES}
        />
        <Panel title="Everything as files">
          <Stack gap="xs">
            <Text size="sm" c="dimmed">
              Organizations to budgets, prices and these overrides: exported without secrets, compared, and
              applied again.
            </Text>
            <CodeBlock label="Commands" code={FILES} />
          </Stack>
        </Panel>
      </Stack>
    </ControlPage>
  );
}
