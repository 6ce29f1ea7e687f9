import { Badge, Group } from '@mantine/core';
import type { ReactNode } from 'react';
import { api, cached } from '../../api.ts';
import type { Act } from '../../components/act.tsx';
import { Directory } from '../../components/directory.tsx';
import { Moment } from '../../components/values.tsx';
import { METADATA, NAME, policyFields } from '../../fields.ts';
import type { Field } from '../../form-input.ts';
import type { Rights } from '../../me.ts';
import { changeActs, makeAct, type Names, type Noun, useNames } from '../../noun.ts';
import { pageAt, placeColumns, StateBadge, type TabProps, TOUCHES, within } from './places.tsx';

type User = Awaited<ReturnType<typeof api.call<'listUsers'>>>['data'][number];
type Account = Awaited<ReturnType<typeof api.call<'listServiceAccounts'>>>['data'][number];
type Membership = Awaited<ReturnType<typeof api.call<'listMemberships'>>>['data'][number];
type Role = Awaited<ReturnType<typeof api.call<'listRoles'>>>['data'][number];

const DISABLED: Field = { path: 'disabled', label: 'Disabled: neither sign-in nor keys work', kind: 'check' };

function teamField(teams: Names, note?: string): Field {
  return {
    path: 'team_id',
    label: 'Team',
    kind: 'select',
    options: teams.options,
    placeholder: 'the whole organization',
    once: true,
    ...(note === undefined ? {} : { note }),
  };
}

/** One-time links for a user, each as far as the caller may. */
function accessActs(rights: Rights, { id, name }: User): Act[] {
  const acts: Act[] = [];
  if (rights.may('updateUser', {})) {
    acts.push({
      label: 'Sign-in link',
      title: `Sign-in link for “${name}”`,
      text: 'It signs one browser in as this user, once and within ten minutes. Pass it on as carefully as a password.',
      confirm: 'Make a link',
      run: async () => ({ link: (await api.call('createSignInLink', { user_id: id })).url }),
      done: `A link for “${name}” is made.`,
    });
  }
  if (rights.may('createInvitation', {})) {
    acts.push({
      label: 'Invitation',
      title: `Invitation for “${name}”`,
      text: 'With this link the user chooses a password. It works once and within seven days.',
      confirm: 'Make an invitation',
      run: async () => ({ link: (await api.call('createInvitation', { user_id: id })).url }),
      done: `An invitation for “${name}” is made.`,
    });
  }
  if (rights.may('closeUserSessions', {})) {
    acts.push({
      label: 'End sessions',
      title: `End the sessions of “${name}”`,
      text: 'He is signed out everywhere; his keys go on working.',
      confirm: 'End sessions',
      danger: true,
      run: async () => {
        const { closed } = await api.call('closeUserSessions', { id });
        return { sentence: closed === 1 ? 'One session was ended.' : `${closed} sessions were ended.` };
      },
      done: `“${name}” is signed out.`,
    });
  }
  if (rights.may('resetSecondFactor', {})) {
    acts.push({
      label: 'Reset second factor',
      title: `Reset the second factor of “${name}”`,
      text: 'For somebody who lost his phone. His sessions end.',
      confirm: 'Reset',
      danger: true,
      run: async () => {
        await api.call('resetSecondFactor', { id });
        return undefined;
      },
      done: `“${name}” has no second factor any more.`,
    });
  }
  return acts;
}

export function Users({ rights, organization, models }: TabProps): ReactNode {
  const teams = useNames(rights, 'listTeams', organization);
  const roles = useNames(rights, 'listRoles', organization);
  const noun: Noun<User> = {
    word: 'user',
    create: 'createUser',
    update: 'updateUser',
    remove: 'deleteUser',
    fields: [
      NAME,
      { path: 'email', label: 'E-mail', blank: 'null', span: 3 },
      { path: 'external_id', label: 'Id in your directory', blank: 'null', span: 3 },
      { path: 'role', label: 'First role', kind: 'select', options: roles.options, once: true, span: 3 },
      { ...teamField(teams), label: 'Held in', span: 3 },
      METADATA,
      DISABLED,
      ...policyFields(models),
    ],
    nameOf: ({ name }) => name,
    with: within(organization),
    newAt: {},
    at: () => ({}),
    removal: 'The user’s keys, sessions and roles end. What he did stays in the log.',
  };
  return (
    <Directory<User>
      title="Users"
      icon="people"
      empty={['There is no user yet', 'A user signs in to this portal and has keys of his own.']}
      queryKey={[...cached.places, 'users', organization ?? '']}
      list={(cursor) => api.call('listUsers', { ...pageAt(cursor), ...within(organization) })}
      columns={[
        { accessor: 'name', title: 'Name', ellipsis: true },
        { accessor: 'email', title: 'E-mail', ellipsis: true, render: ({ email }) => email ?? '—' },
        {
          accessor: 'memberships',
          title: 'Roles',
          render: ({ memberships }) =>
            memberships.length === 0 ? (
              'none'
            ) : (
              <Group gap={4}>
                {memberships.map(({ id, role, team_id }) => (
                  <Badge key={id} color="gray">
                    {roles.of(role)}
                    {team_id === null ? '' : ` in ${teams.of(team_id)}`}
                  </Badge>
                ))}
              </Group>
            ),
        },
        {
          accessor: 'disabled',
          title: 'Status',
          width: 92,
          render: ({ disabled }) => <StateBadge off={disabled} word="disabled" />,
        },
        ...placeColumns<User>(),
      ]}
      width={860}
      nameOf={noun.nameOf}
      create={makeAct(rights, noun)}
      acts={(row) => [...accessActs(rights, row), ...changeActs(rights, noun, row)]}
      touches={TOUCHES}
    />
  );
}

export function ServiceAccounts({ rights, organization, models }: TabProps): ReactNode {
  const teams = useNames(rights, 'listTeams', organization);
  const projects = useNames(rights, 'listProjects', organization);
  const noun: Noun<Account> = {
    word: 'service account',
    create: 'createServiceAccount',
    update: 'updateServiceAccount',
    remove: 'deleteServiceAccount',
    fields: [
      NAME,
      { ...teamField(teams), span: 3 },
      {
        path: 'project_id',
        label: 'Project',
        kind: 'select',
        options: projects.options,
        once: true,
        span: 3,
      },
      METADATA,
      { ...DISABLED, label: 'Disabled: its keys do not work' },
      ...policyFields(models),
    ],
    nameOf: ({ name }) => name,
    with: within(organization),
    at: ({ team_id }) => ({ teamId: team_id }),
    removal: 'A service account can be removed when it has no keys any more.',
  };
  return (
    <Directory<Account>
      title="Service accounts"
      icon="people"
      empty={['There is no service account yet', 'A service account is a program that has keys.']}
      queryKey={[...cached.places, 'accounts', organization ?? '']}
      list={(cursor) => api.call('listServiceAccounts', { ...pageAt(cursor), ...within(organization) })}
      columns={[
        { accessor: 'name', title: 'Name', ellipsis: true },
        { accessor: 'team_id', title: 'Team', ellipsis: true, render: ({ team_id }) => teams.of(team_id) },
        {
          accessor: 'project_id',
          title: 'Project',
          ellipsis: true,
          render: ({ project_id }) => projects.of(project_id),
        },
        {
          accessor: 'disabled',
          title: 'Status',
          width: 92,
          render: ({ disabled }) => <StateBadge off={disabled} word="disabled" />,
        },
        ...placeColumns<Account>(),
      ]}
      width={780}
      nameOf={noun.nameOf}
      create={makeAct(rights, noun)}
      acts={(row) => changeActs(rights, noun, row)}
      touches={TOUCHES}
    />
  );
}

export function Memberships({ rights, organization }: TabProps): ReactNode {
  const teams = useNames(rights, 'listTeams', organization);
  const users = useNames(rights, 'listUsers', organization);
  const roles = useNames(rights, 'listRoles', organization);
  const noun: Noun<Membership> = {
    word: 'membership',
    create: 'createMembership',
    update: 'updateMembership',
    remove: 'deleteMembership',
    fields: [
      { path: 'user_id', label: 'User', kind: 'select', options: users.options, required: true, once: true },
      { path: 'role', label: 'Role', kind: 'select', options: roles.options, required: true },
      teamField(teams, 'Where the role is held'),
    ],
    nameOf: ({ user_id, role }) => `${users.of(user_id)}: ${roles.of(role)}`,
    at: ({ team_id }) => ({ teamId: team_id }),
    removal: 'The user does not hold this role any more, from his next click on.',
  };
  return (
    <Directory<Membership>
      title="Memberships"
      icon="people"
      empty={[
        'Nobody holds a role yet',
        'A membership gives a user a role over a team or the whole organization.',
      ]}
      queryKey={[...cached.places, 'memberships', organization ?? '']}
      list={(cursor) => api.call('listMemberships', { ...pageAt(cursor), ...within(organization) })}
      columns={[
        { accessor: 'user_id', title: 'User', ellipsis: true, render: ({ user_id }) => users.of(user_id) },
        {
          accessor: 'role',
          title: 'Role',
          render: ({ role }) => <Badge color="gray">{roles.of(role)}</Badge>,
        },
        {
          accessor: 'team_id',
          title: 'Held in',
          ellipsis: true,
          render: ({ team_id }) => (team_id === null ? 'the whole organization' : teams.of(team_id)),
        },
        { accessor: 'source', title: 'From', width: 90 },
        {
          accessor: 'created_at',
          title: 'Since',
          width: 120,
          noWrap: true,
          render: ({ created_at }) => <Moment at={created_at} />,
        },
      ]}
      width={700}
      nameOf={noun.nameOf}
      create={makeAct(rights, noun)}
      acts={(row) => changeActs(rights, noun, row)}
      touches={TOUCHES}
    />
  );
}

export function Roles({
  rights,
  organization,
  grantable,
}: TabProps & { readonly grantable: readonly string[] }): ReactNode {
  const noun: Noun<Role> = {
    word: 'role',
    create: 'createRole',
    update: 'updateRole',
    remove: 'deleteRole',
    fields: [
      NAME,
      {
        path: 'permissions',
        label: 'Permissions',
        note: 'Nobody gives what he does not hold himself',
        kind: 'list',
        options: grantable.map((value) => ({ value, label: value })),
        blank: 'empty',
      },
    ],
    nameOf: ({ name }) => name,
    with: { ...within(organization), permissions: [] },
    newAt: {},
    at: () => ({}),
    removal: 'A role can be removed when nobody holds it any more.',
  };
  return (
    <Directory<Role>
      title="Roles"
      icon="people"
      empty={['There is no role', 'The built-in roles are always there.']}
      queryKey={[...cached.places, 'roles', organization ?? '']}
      list={(cursor) => api.call('listRoles', { ...pageAt(cursor), ...within(organization) })}
      columns={[
        {
          accessor: 'name',
          title: 'Name',
          width: 190,
          render: ({ name, built_in }) => (
            <>
              {name} {built_in && <Badge color="gray">built in</Badge>}
            </>
          ),
        },
        {
          accessor: 'permissions',
          title: 'Permissions',
          render: ({ permissions }) => permissions.join(', ') || 'none',
        },
      ]}
      width={560}
      nameOf={noun.nameOf}
      create={makeAct(rights, noun)}
      acts={(row) => (row.built_in ? [] : changeActs(rights, noun, row))}
      touches={TOUCHES}
    />
  );
}
