import { Badge, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import type { OutputOf } from '../../../src/control/contract.ts';
import { api, cached } from '../api.ts';
import type { Act } from '../components/act.tsx';
import { ControlPage } from '../components/control-page.tsx';
import { Directory } from '../components/directory.tsx';
import { ErrorPanel, RowSkeletons } from '../components/feedback.tsx';
import { Facts, Panel } from '../components/panel.tsx';
import { Moment } from '../components/values.tsx';
import { PasswordPanel, SecondFactorPanel } from './account/credentials.tsx';

type Account = OutputOf<'getAccount'>;
type Session = OutputOf<'listOwnSessions'>['data'][number];

const TOUCHES = [cached.account, cached.sessions];

/** One's own account: who one is, password, second factor, sessions, and the providers one signs in with. */
export function AccountPage(): ReactNode {
  const account = useQuery({ queryKey: cached.account, queryFn: () => api.call('getAccount', {}) });
  const { data } = account;
  return (
    <ControlPage title="Account" lead="How you sign in, and where you are signed in">
      <Stack gap="sm">
        {account.isError && <ErrorPanel error={account.error} onRetry={() => void account.refetch()} />}
        {account.isPending && <RowSkeletons />}
        {data !== undefined && <You account={data} />}
        {data?.has_password === true && <PasswordPanel />}
        {data?.has_password === true && (
          <SecondFactorPanel on={data.second_factor} left={data.recovery_codes_left} />
        )}
        <Sessions />
        {data !== undefined && data.identities.length > 0 && <Identities account={data} />}
      </Stack>
    </ControlPage>
  );
}

function You({ account }: { readonly account: Account }): ReactNode {
  const { name, email, user_id: id, organization_id: organization } = account;
  return (
    <Panel title="You">
      <Facts
        rows={[
          ['Name', name],
          ['E-mail', email],
          ['User', id ?? 'none: you came with the admin key'],
          ['Organization', organization ?? 'all of them'],
          ['Password', account.has_password ? 'yes' : id === null ? 'none: the admin key has its own' : 'no'],
        ]}
      />
    </Panel>
  );
}

/** The part of a browser's own words that tells it from others. */
function browserName(agent: string | null): string {
  if (agent === null || agent === '') return 'unknown';
  const known = /(Edg|OPR|Firefox|Chrome|Safari|curl)[\w]*\/(\d+)/.exec(agent);
  const system = /Windows|Mac OS X|Android|iPhone|iPad|Linux/.exec(agent)?.[0];
  if (known === null) return agent.slice(0, 40);
  const name = { Edg: 'Edge', OPR: 'Opera' }[known[1] ?? ''] ?? known[1];
  return `${name} ${known[2]}${system === undefined ? '' : ` on ${system}`}`;
}

function endAct({ id, current, browser }: Session): Act {
  return {
    label: 'End session',
    title: `End the session of ${browserName(browser)}`,
    text: current
      ? 'This is the session you are using: you will have to sign in again.'
      : 'Whoever uses it is signed out with his next click.',
    danger: true,
    run: async () => {
      await api.call('closeOwnSession', { id });
      return undefined;
    },
    done: 'The session is ended.',
  };
}

const END_OTHERS: Act = {
  label: 'End all others',
  title: 'End all other sessions',
  text: 'Every browser and program but this one is signed out.',
  danger: true,
  run: async () => {
    const { closed } = await api.call('closeOtherSessions', {});
    return { sentence: closed === 1 ? 'One session was ended.' : `${closed} sessions were ended.` };
  },
  done: 'All other sessions are ended.',
};

function Sessions(): ReactNode {
  return (
    <Directory<Session>
      title="Sessions"
      icon="people"
      empty={['There is no session', 'You came with a key, not with a session.']}
      queryKey={cached.sessions}
      list={() => api.call('listOwnSessions', {})}
      columns={[
        {
          accessor: 'browser',
          title: 'Browser',
          ellipsis: true,
          render: ({ browser, current }) => (
            <span title={browser ?? ''}>
              {browserName(browser)} {current && <Badge color="teal">this one</Badge>}
            </span>
          ),
        },
        { accessor: 'address', title: 'Address', width: 150, render: ({ address }) => address ?? '—' },
        {
          accessor: 'opened_at',
          title: 'Signed in',
          width: 130,
          noWrap: true,
          render: ({ opened_at }) => <Moment at={opened_at} />,
        },
        {
          accessor: 'last_used_at',
          title: 'Last used',
          width: 130,
          noWrap: true,
          render: ({ last_used_at }) => <Moment at={last_used_at} />,
        },
        {
          accessor: 'expires_at',
          title: 'Ends',
          width: 130,
          noWrap: true,
          render: ({ expires_at }) => <Moment at={expires_at} />,
        },
      ]}
      width={700}
      nameOf={({ browser, id }) => `${browserName(browser)}, ${id.slice(0, 4)}`}
      create={END_OTHERS}
      acts={(row) => [endAct(row)]}
      touches={TOUCHES}
    />
  );
}

function Identities({ account }: { readonly account: Account }): ReactNode {
  return (
    <Panel title="Ways you sign in">
      <Stack gap="xs">
        {account.identities.map(({ issuer, subject, last_used_at }) => (
          <Text key={`${issuer} ${subject}`} size="sm" style={{ overflowWrap: 'anywhere' }}>
            {issuer === 'local' ? 'Password, as ' : `${issuer}, as `}
            <strong>{subject}</strong>, last used <Moment at={last_used_at} />
          </Text>
        ))}
      </Stack>
    </Panel>
  );
}
