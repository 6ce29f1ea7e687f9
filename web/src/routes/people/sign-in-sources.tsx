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
type Invitation = OutputOf<'listInvitations'>['data'][number];
type Provider = OutputOf<'listSignInMethods'>['providers'][number];

const TOUCHES = [cached.places, cached.audit];

/** Where people come from: identity providers as configured, and directories that provision users. */
export function SignInSources({ rights, organization }: TabProps): ReactNode {
  return (
    <Stack gap="sm">
      <Providers rights={rights} />
      {rights.may('listInvitations', {}) && <Invitations rights={rights} organization={organization} />}
      <ScimTokens rights={rights} organization={organization} />
    </Stack>
  );
}

/** What the provider is to be told of this gateway. */
function callbackOf(base: string, { kind, url }: Provider): string {
  return `${base.replace(/\/+$/, '')}${url.replace(/\/start$/, kind === 'oidc' ? '/callback' : '/acs')}`;
}

/** Links for a first password that nobody has used. */
function Invitations(props: {
  readonly rights: Rights;
  readonly organization: string | undefined;
}): ReactNode {
  const { rights, organization } = props;
  return (
    <Directory<Invitation>
      title="Pending invitations"
      note="made on the Users tab; each works once"
      icon="people"
      empty={['No invitation waits', 'A user who is invited chooses a password with a link.']}
      queryKey={[...cached.places, 'invitations', organization ?? '']}
      list={(cursor) =>
        api.call('listInvitations', {
          limit: 100,
          ...(cursor === undefined ? {} : { cursor }),
          ...within(organization),
        })
      }
      columns={[
        { accessor: 'user_name', title: 'User', ellipsis: true },
        { accessor: 'email', title: 'E-mail', ellipsis: true, render: ({ email }) => email ?? '—' },
        {
          accessor: 'expires_at',
          title: 'Until',
          width: 120,
          noWrap: true,
          render: ({ expires_at }) => <Moment at={expires_at} />,
        },
      ]}
      width={480}
      nameOf={({ user_name }) => user_name}
      acts={(row) =>
        rights.may('revokeInvitation', {})
          ? [
              {
                label: 'Withdraw',
                title: `Withdraw the invitation of “${row.user_name}”`,
                text: 'Its link opens nothing any more. The user stays, and can be invited again.',
                danger: true,
                run: async () => {
                  await api.call('revokeInvitation', { id: row.id });
                  return undefined;
                },
                done: 'The invitation is taken back.',
              },
            ]
          : []
      }
      touches={TOUCHES}
    />
  );
}

/** Where a provider is changed: the configuration alone says who may vouch for people, so that nobody slips one in. */
function HowToChange({ rights }: { readonly rights: Rights }): ReactNode {
  const status = useStatus();
  return (
    <Text size="sm" c="dimmed">
      Identity providers are part of the configuration, like secrets and listeners, and are not made here:
      whoever may add one lets anybody in. Change them under <Code>sign_in</Code> in{' '}
      <Code>{status.data?.config.path ?? 'sluice.yaml'}</Code>
      {rights.may('putConfig') ? ', or as an override on the Configuration page' : ''}; either is in force at
      once.
    </Text>
  );
}

function Providers({ rights }: { readonly rights: Rights }): ReactNode {
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
          <HowToChange rights={rights} />
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
