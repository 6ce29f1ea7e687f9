import { Badge, Code, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { OutputOf } from '../../../../src/control/contract.ts';
import { api, cached } from '../../api.ts';
import { Directory } from '../../components/directory.tsx';
import { Empty, ErrorPanel, RowSkeletons } from '../../components/feedback.tsx';
import { Panel } from '../../components/panel.tsx';
import { useStatus } from '../../components/shell.tsx';
import { Moment } from '../../components/values.tsx';
import { NAME } from '../../fields.ts';
import type { Rights } from '../../me.ts';
import { type TabProps, within } from './places.tsx';

type Token = OutputOf<'listScimTokens'>['data'][number];
type Provider = OutputOf<'listSignInMethods'>['providers'][number];

const TOUCHES = [cached.places, cached.audit];

/** Where people come from: identity providers as configured, and directories that provision users. */
export function SignInSources({ rights, organization }: TabProps): ReactNode {
  return (
    <Stack gap="sm">
      <Providers />
      <ScimTokens rights={rights} organization={organization} />
    </Stack>
  );
}

/** What the provider is to be told of this gateway. */
function callbackOf(base: string, { kind, url }: Provider): string {
  return `${base.replace(/\/+$/, '')}${url.replace(/\/start$/, kind === 'oidc' ? '/callback' : '/acs')}`;
}

function Providers(): ReactNode {
  const status = useStatus();
  const methods = useQuery({
    queryKey: ['sign-in-methods'],
    queryFn: () => api.call('listSignInMethods', {}),
  });
  const { data } = methods;
  return (
    <Panel title="Identity providers" note="as configured under sign_in">
      {methods.isError && <ErrorPanel error={methods.error} onRetry={() => void methods.refetch()} />}
      {methods.isPending && <RowSkeletons rows={2} />}
      {data !== undefined && (
        <Stack gap="xs">
          <Text size="sm">
            Passwords are <strong>{data.local ? 'on' : 'off'}</strong>: users that were invited
            {data.local ? ' sign in with one.' : ' need a provider.'}
          </Text>
          {data.providers.length === 0 && (
            <Empty icon="people" title="No identity provider is configured">
              OpenID Connect and SAML providers stand in <Code>sluice.yaml</Code>, under <Code>sign_in</Code>.
            </Empty>
          )}
          {data.providers.map((provider) => (
            <Text key={provider.name} size="sm" component="div" style={{ overflowWrap: 'anywhere' }}>
              <strong>{provider.title}</strong> <Badge color="gray">{provider.kind}</Badge> answers to{' '}
              <Code>{callbackOf(status.data?.base_url ?? '', provider)}</Code>
            </Text>
          ))}
        </Stack>
      )}
    </Panel>
  );
}

function ScimTokens(props: {
  readonly rights: Rights;
  readonly organization: string | undefined;
}): ReactNode {
  const { rights, organization } = props;
  const status = useStatus();
  return (
    <Directory<Token>
      title="SCIM tokens"
      note={
        <>
          directories provision users at <Code>{`${status.data?.base_url ?? ''}/scim/v2`}</Code>
        </>
      }
      icon="keys"
      empty={[
        'No directory provisions users',
        'A token lets one make, change and deactivate users and groups.',
      ]}
      queryKey={[...cached.places, 'scim-tokens', organization ?? '']}
      list={() => api.call('listScimTokens', within(organization))}
      columns={[
        { accessor: 'name', title: 'Name', ellipsis: true },
        { accessor: 'id', title: 'Id', ellipsis: true },
        {
          accessor: 'created_at',
          title: 'Created',
          width: 120,
          noWrap: true,
          render: ({ created_at }) => <Moment at={created_at} />,
        },
      ]}
      width={480}
      nameOf={({ name }) => name}
      create={
        rights.may('createScimToken', {})
          ? {
              label: 'New SCIM token',
              title: 'New SCIM token',
              text: 'Whoever has it makes, changes and deactivates users of this organization.',
              confirm: 'Create token',
              fields: [NAME],
              run: async ({ name }) => {
                const input = { name: String(name), ...within(organization) };
                return { secret: (await api.call('createScimToken', input)).token };
              },
              done: 'The token was made.',
            }
          : undefined
      }
      acts={(row) =>
        rights.may('revokeScimToken', {})
          ? [
              {
                label: 'Revoke',
                title: `Revoke “${row.name}”`,
                text: 'The directory is refused from its next call on. Its users stay as they are.',
                danger: true,
                run: async () => {
                  await api.call('revokeScimToken', { id: row.id });
                  return undefined;
                },
                done: `“${row.name}” is revoked.`,
              },
            ]
          : []
      }
      touches={TOUCHES}
    />
  );
}
