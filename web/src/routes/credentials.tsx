import { Badge, Stack } from '@mantine/core';
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
import type { Field } from '../form-input.ts';
import { formatCount } from '../format.ts';
import { type Rights, useRights } from '../me.ts';
import { changeActs, makeAct, type Noun } from '../noun.ts';

type Credential = Awaited<ReturnType<typeof api.call<'listCredentials'>>>['data'][number];

const TOUCHES = [cached.credentials, cached.audit];

const FIELDS: readonly Field[] = [
  { path: 'name', label: 'Name', note: 'The configuration names it as credential:NAME', required: true },
  { path: 'description', label: 'Description' },
  {
    path: 'value',
    label: 'Secret',
    note: 'Sealed at once and never shown again; left empty it stays what it is',
    kind: 'secret',
  },
  {
    path: 'reference',
    label: 'Or where a secret store keeps it',
    placeholder: 'vault:secret/data/openai#api_key',
  },
];

const NOUN: Noun<Credential> = {
  word: 'credential',
  create: 'createCredential',
  update: 'updateCredential',
  remove: 'deleteCredential',
  fields: FIELDS,
  nameOf: ({ name }) => name,
  at: () => ({}),
  removal: 'Its secret is gone for good. One that the configuration names is not removed.',
};

const STATES = { ok: 'teal', stale: 'yellow', failed: 'red', unused: 'gray' } as const;

/** The master key, and what secret stores were asked for. */
function Secrets({ rights }: { readonly rights: Rights }): ReactNode {
  const secrets = useQuery({
    queryKey: [...cached.credentials, 'secrets'],
    queryFn: () => api.call('getSecrets', {}),
    enabled: rights.may('getSecrets'),
  });
  const { data } = secrets;
  return (
    <Panel title="Master key and secret stores">
      {secrets.isError && <ErrorPanel error={secrets.error} onRetry={() => void secrets.refetch()} />}
      {data !== undefined && (
        <Facts
          rows={[
            ['Master key', `${data.master_key.id}, from the ${data.master_key.source}`],
            ['Earlier master keys', formatCount(data.master_key.previous_keys)],
            ...data.references.map(
              (one) =>
                [
                  one.reference,
                  <span key={one.reference}>
                    <Badge color={STATES[one.state]}>{one.state}</Badge> {one.problem}
                  </span>,
                ] as const,
            ),
          ]}
        />
      )}
    </Panel>
  );
}

/** Credentials for providers, sealed or in a secret store. */
export function CredentialsPage(): ReactNode {
  const rights = useRights();
  const rotate: Act | undefined = rights.may('rotateMasterKey')
    ? {
        label: 'Rotate master key',
        title: 'Rotate the master key',
        text: 'Everything sealed is wrapped anew while the gateway runs on. Keep the new key as safe as the old one.',
        run: async () => {
          const { rewrapped } = await send('rotateMasterKey', {});
          return {
            sentence: `The master key is a new one; ${formatCount(rewrapped)} secrets are wrapped anew.`,
          };
        },
        done: 'The master key was rotated.',
      }
    : undefined;
  return (
    <ControlPage title="Credentials" lead="Provider secrets that the configuration names as credential:NAME">
      <Stack gap="sm">
        <Directory<Credential>
          title="Credentials"
          icon="credentials"
          empty={[
            'No credential is kept here',
            'Provider keys may also stand in the environment or in a secret store.',
          ]}
          queryKey={cached.credentials}
          list={(cursor) =>
            api.call('listCredentials', { limit: 50, ...(cursor === undefined ? {} : { cursor }) })
          }
          nameOf={({ name }) => name}
          width={640}
          columns={[
            { accessor: 'name', title: 'Name', ellipsis: true },
            { accessor: 'description', title: 'Description', ellipsis: true },
            {
              accessor: 'kind',
              title: 'Kept',
              ellipsis: true,
              render: (row) => row.reference ?? (row.hint === '' ? 'sealed' : `sealed, ends in ${row.hint}`),
            },
            {
              accessor: 'updated_at',
              title: 'Changed',
              width: 130,
              render: (row) => <Moment at={row.updated_at} />,
            },
          ]}
          create={makeAct(rights, NOUN)}
          acts={(row) => changeActs(rights, NOUN, row)}
          touches={TOUCHES}
        />
        {rights.may('getSecrets') && <Secrets rights={rights} />}
        {rotate !== undefined && <Rotation act={rotate} />}
      </Stack>
    </ControlPage>
  );
}

/** The one thing that is done to all secrets at once. */
function Rotation({ act }: { readonly act: Act }): ReactNode {
  return (
    <Panel title="Rotation">
      <ActButton act={act} touches={TOUCHES} />
    </Panel>
  );
}
