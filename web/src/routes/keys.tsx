import { Badge } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { api, cached, type Key, send } from '../api.ts';
import type { Act } from '../components/act.tsx';
import { BudgetBar } from '../components/budget-bar.tsx';
import { ControlPage } from '../components/control-page.tsx';
import { Directory } from '../components/directory.tsx';
import { Moment } from '../components/values.tsx';
import {
  ACTIONS,
  accessFields,
  limitFields,
  METADATA,
  NAME,
  policyFields,
  WINDOWS,
  waitFields,
} from '../fields.ts';
import type { Field } from '../form-input.ts';
import { formatCount, formatFullMoment } from '../format.ts';
import { type Rights, useRights } from '../me.ts';
import { type Names, useModelNames, useNames } from '../noun.ts';

const TOUCHES = [cached.keys, cached.status, cached.budgets, cached.audit, cached.places];

interface KeyNames {
  readonly teams: Names;
  readonly projects: Names;
  readonly users: Names;
  readonly accounts: Names;
}

/** Where a key belongs; who makes keys only of his own says at most for which team. */
function placeFields(rights: Rights, names: KeyNames): Field[] {
  const place = (path: string, label: string, of: Names): Field => ({
    path,
    label,
    kind: 'select',
    options: of.options,
    placeholder: 'none',
    blank: 'null',
    span: 3,
  });
  const team: Field = { ...place('team_id', 'Team', names.teams), clears: 'project_id' };
  const project = place('project_id', 'Project', names.projects);
  if (!rights.may('unblockKey')) return [team, project];
  return [
    team,
    project,
    place('user_id', 'User', names.users),
    place('service_account_id', 'Service account', names.accounts),
  ];
}

const BUDGET: readonly Field[] = [
  {
    path: 'budget.limit_usd',
    label: 'Budget in US dollars',
    placeholder: 'none',
    anchor: true,
    span: 2,
  },
  { path: 'budget.window', label: 'Per', kind: 'select', options: WINDOWS, initial: 'month', span: 2 },
  {
    path: 'budget.action',
    label: 'When it is used up',
    kind: 'select',
    options: ACTIONS,
    initial: 'block',
    span: 2,
  },
  {
    path: 'budget.downgrade_to',
    label: 'Cheaper model',
    required: true,
    when: (values) => values['budget.action'] === 'downgrade' && values['budget.limit_usd'] !== '',
  },
];

const LIFE: readonly Field[] = [
  {
    path: 'expires_at',
    label: 'Valid until',
    note: 'The end of that day; empty means for good',
    kind: 'date',
    blank: 'null',
  },
];

const MORE: readonly Field[] = [
  {
    path: 'rotate_every_s',
    label: 'New secret every',
    note: 'Its owner claims it',
    placeholder: 'never; 30d',
    kind: 'span',
    blank: 'null',
    span: 3,
    group: 'Rotation',
  },
  {
    path: 'rotate_overlap_s',
    label: 'The old one works for',
    note: 'Then it is refused',
    placeholder: '1d',
    kind: 'span',
    span: 3,
    group: 'Rotation',
  },
];

/** What the owner of a key may change of it himself. */
const OWN: readonly Field[] = [
  {
    path: 'on_client_abort',
    label: 'When a client hangs up',
    kind: 'select',
    options: [
      { value: 'abort', label: 'hang up on the provider, bill an estimate' },
      { value: 'drain', label: 'read on to the exact usage' },
    ],
  },
  METADATA,
];

/** A key as its form starts: what is asked for under other names, and without what only the gateway writes. */
function storedOf(key: Key): Readonly<Record<string, unknown>> {
  const { budget, rotation } = key;
  return {
    ...key,
    budget: budget && { limit_usd: budget.limit_usd, window: budget.window, action: budget.action },
    rotate_every_s: rotation?.every_s ?? null,
    rotate_overlap_s: rotation?.overlap_s ?? null,
  };
}

const OVERLAPS = [
  { value: '0', label: 'Stop at once' },
  { value: '3600', label: '1 hour' },
  { value: '86400', label: '1 day' },
  { value: '604800', label: '7 days' },
];

/** What may be done to a key: an owner can stop and rotate his own, and cannot undo what was decided above him. */
function actsOf(rights: Rights, key: Key, fields: readonly Field[]): Act[] {
  const { id, name, team_id, user_id, status, rotation } = key;
  if (status === 'revoked' || !rights.may('updateKey', { teamId: team_id, ownerId: user_id })) return [];
  const strong = rights.may('unblockKey', { teamId: team_id });
  const quietly = (work: Promise<unknown>) => work.then(() => undefined);
  const edit: Act = {
    label: 'Edit',
    title: `Edit “${name}”`,
    confirm: 'Save',
    fields: strong ? fields : [NAME, ...OWN],
    stored: storedOf(key),
    run: async (input) => {
      if (Object.keys(input).length > 0) await send('updateKey', { id, ...input });
      return undefined;
    },
    done: `“${name}” is saved.`,
  };
  const rotate: Act = {
    label: 'Rotate',
    title: `Rotate “${name}”`,
    text: 'A new secret is made. The old one goes on working for the time you choose, so that applications can be changed over.',
    fields: [
      {
        path: 'overlap_s',
        label: 'The old secret works for',
        kind: 'select',
        options: OVERLAPS,
        initial: '3600',
      },
    ],
    run: async ({ overlap_s }) => ({
      secret: (await api.call('rotateKey', { id, overlap_s: Number(overlap_s) })).key,
    }),
    done: `“${name}” has a new secret.`,
  };
  const claim: Act = {
    label: 'Claim the new secret',
    title: `Claim the new secret of “${name}”`,
    text: 'A scheduled rotation made it. It is given out once.',
    confirm: 'Claim',
    run: async () => ({ secret: (await api.call('claimKey', { id })).key }),
    done: `The new secret of “${name}” is claimed.`,
  };
  const block: Act = {
    label: 'Block',
    title: `Block “${name}”`,
    text: strong
      ? 'Requests with this key are refused until you unblock it.'
      : 'Requests with this key are refused until somebody who manages keys unblocks it.',
    danger: true,
    run: () => quietly(api.call('blockKey', { id })),
    done: `“${name}” is blocked.`,
  };
  const unblock: Act = {
    label: 'Unblock',
    title: `Unblock “${name}”`,
    text: 'Requests with this key are accepted again.',
    run: () => quietly(api.call('unblockKey', { id })),
    done: `“${name}” is accepted again.`,
  };
  const revoke: Act = {
    label: 'Revoke',
    title: `Revoke “${name}”`,
    text: 'The key is refused for good and leaves this list. What it spent stays in the log.',
    confirm: 'Revoke for good',
    danger: true,
    run: () => quietly(api.call('revokeKey', { id })),
    done: `“${name}” is revoked.`,
  };
  return [
    edit,
    rotate,
    ...(rotation?.unclaimed === true ? [claim] : []),
    ...(status === 'blocked' ? (strong ? [unblock] : []) : [block]),
    revoke,
  ];
}

/** Virtual keys: create, claim, rotate, block, revoke; budgets at a glance. */
export function KeysPage(): ReactNode {
  const rights = useRights();
  const names = {
    teams: useNames(rights, 'listTeams'),
    projects: useNames(rights, 'listProjects'),
    users: useNames(rights, 'listUsers'),
    accounts: useNames(rights, 'listServiceAccounts'),
  };
  const organizations = useNames(rights, 'listOrganizations');
  const models = useModelNames();
  const organization: Field = {
    path: 'organization_id',
    label: 'Organization',
    kind: 'select',
    options: organizations.options,
    once: true,
  };
  const fields = [
    { ...NAME, note: 'Who or what will use it', placeholder: 'support-bot' },
    ...(rights.everywhere && organizations.options.length > 1 ? [organization] : []),
    ...placeFields(rights, names),
    ...accessFields('', models),
    ...BUDGET,
    ...limitFields('limits'),
    ...waitFields('limits'),
    ...LIFE,
    ...MORE,
    ...policyFields(models, true),
    ...OWN.map((field) => ({ ...field, group: 'More' })),
  ];
  const create: Act = {
    label: 'New key',
    title: 'New key',
    confirm: 'Create key',
    fields,
    run: async (input) => ({ secret: (await send('createKey', input)).key }),
    done: 'The key is ready.',
  };
  return (
    <ControlPage title="Keys" lead="Virtual keys stand in for providers’ keys in your applications">
      <Directory<Key>
        title="Virtual keys"
        icon="keys"
        empty={[
          'There is no key yet',
          <>
            A key tells you who spent what, and can carry a budget and limits. From the first key on, calls
            without one are refused, unless <code>access.mode: open</code> is configured.
          </>,
        ]}
        queryKey={[...cached.keys, 'list']}
        list={(cursor) => api.call('listKeys', { limit: 100, ...(cursor === undefined ? {} : { cursor }) })}
        columns={columnsOf(names)}
        width={1040}
        nameOf={({ name }) => name}
        create={rights.may('createKey') ? create : undefined}
        acts={(key) => actsOf(rights, key, fields)}
        touches={TOUCHES}
        refetchMs={15_000}
      />
    </ControlPage>
  );
}

const STATUS_COLORS = { active: 'teal', blocked: 'red', expired: 'gray', revoked: 'gray' } as const;

function columnsOf(names: KeyNames) {
  return [
    {
      accessor: 'name',
      title: 'Name',
      render: (key: Key) => (
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
    { accessor: 'hint', title: 'Ends in', width: 80, render: ({ hint }: Key) => <code>…{hint}</code> },
    {
      accessor: 'status',
      title: 'Status',
      width: 92,
      render: (key: Key) => (
        <>
          <Badge color={STATUS_COLORS[key.status]}>{key.status}</Badge>
          {key.rotation?.unclaimed === true && <Badge color="yellow">new secret</Badge>}
        </>
      ),
    },
    {
      accessor: 'team_id',
      title: 'Of',
      width: 140,
      ellipsis: true,
      render: (key: Key) => holderOf(key, names),
    },
    {
      accessor: 'models',
      title: 'Models',
      ellipsis: true,
      render: ({ models }: Key) => (models === null ? 'all' : models.join(', ') || 'none at all'),
    },
    { accessor: 'limits', title: 'Limits', width: 150, render: (key: Key) => limitsText(key) },
    {
      accessor: 'budget',
      title: 'Budget',
      width: 200,
      render: (key: Key) => (key.budget === null ? 'none' : <BudgetBar of={key.budget} name={key.name} />),
    },
    {
      accessor: 'created_at',
      title: 'Created',
      width: 120,
      noWrap: true,
      render: (key: Key) => <Moment at={key.created_at} />,
    },
  ];
}

/** Whose a key is and which place it belongs to, narrowest first. */
function holderOf(key: Key, { teams, projects, users, accounts }: KeyNames): string {
  const places = [
    key.user_id !== null && users.of(key.user_id),
    key.service_account_id !== null && accounts.of(key.service_account_id),
    key.project_id !== null && projects.of(key.project_id),
    key.team_id !== null && teams.of(key.team_id),
  ].filter((place) => place !== false);
  return places.join(', ') || '—';
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
