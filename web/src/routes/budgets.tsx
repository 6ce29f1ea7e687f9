import { Badge, Group, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { api, cached, send } from '../api.ts';
import type { Act } from '../components/act.tsx';
import { BudgetBar } from '../components/budget-bar.tsx';
import { ControlPage } from '../components/control-page.tsx';
import { Directory } from '../components/directory.tsx';
import { Moment, Money } from '../components/values.tsx';
import { ACTIONS, choices, limitFields, NAME, WINDOWS } from '../fields.ts';
import type { Field } from '../form-input.ts';
import { formatCount, plural } from '../format.ts';
import { type Place, type Rights, useRights } from '../me.ts';
import { changeActs, makeAct, type Names, type Noun, useNames } from '../noun.ts';

type Budget = Awaited<ReturnType<typeof api.call<'listBudgets'>>>['data'][number];
type Limit = Awaited<ReturnType<typeof api.call<'listLimits'>>>['data'][number];
type Scoped = Pick<Budget, 'scope' | 'scope_id'>;

const TOUCHES = [cached.budgets, cached.approvals, cached.audit];

/** Names of what scopes can be. */
type Places = Readonly<Partial<Record<Budget['scope'], Names>>>;

/** What the id of a scope is that a request itself says. */
const FROM_REQUEST: Readonly<Partial<Record<Budget['scope'], string>>> = {
  tag: 'name=value; name=* counts each value for itself',
  model: 'The name asked for; * counts each model for itself',
  end_user: 'As x-sluice-user says; * counts each for itself',
  session: 'As x-sluice-session says; * counts each for itself',
};

const EACH = { value: '*', label: 'each one for itself' };

/** What a new rule applies to: the kind, and then which one. */
function scopeFields(places: Places, organizations: Names | undefined): Field[] {
  const named = Object.entries(places).map(
    ([kind, names]): Field => ({
      path: 'scope_id',
      label: `Which ${kind}`,
      kind: 'select',
      options: [EACH, ...names.options],
      required: true,
      once: true,
      span: 3,
      when: (values) => values['scope'] === kind,
    }),
  );
  const said = Object.entries(FROM_REQUEST).map(
    ([kind, note]): Field => ({
      path: 'scope_id',
      label: `Which ${kind.replace('_', ' ')}`,
      note,
      required: true,
      once: true,
      span: 3,
      when: (values) => values['scope'] === kind,
    }),
  );
  return [
    {
      path: 'scope',
      label: 'Of a',
      kind: 'select',
      options: choices([...Object.keys(places), ...Object.keys(FROM_REQUEST)]),
      initial: 'team',
      clears: 'scope_id',
      once: true,
      span: 3,
    },
    ...named,
    ...said,
    ...(organizations === undefined
      ? []
      : [
          {
            path: 'organization_id',
            label: 'In the organization',
            kind: 'select',
            options: organizations.options,
            placeholder: 'the whole gateway',
            once: true,
            when: (values) => values['scope_id'] === '*' || String(values['scope']) in FROM_REQUEST,
          } satisfies Field,
        ]),
  ];
}

const OPTIONAL_NAME: Field = { ...NAME, required: false, placeholder: 'made from what it is of' };

function budgetFields(scope: readonly Field[]): Field[] {
  return [
    ...scope,
    OPTIONAL_NAME,
    { path: 'limit_usd', label: 'Limit in US dollars', required: true, span: 2 },
    { path: 'window', label: 'Per', kind: 'select', options: WINDOWS, initial: 'month', span: 2 },
    {
      path: 'action',
      label: 'When it is used up',
      kind: 'select',
      options: ACTIONS,
      initial: 'block',
      span: 2,
    },
    {
      path: 'downgrade_to',
      label: 'Cheaper model',
      required: true,
      when: (values) => values['action'] === 'downgrade',
    },
    {
      path: 'thresholds',
      label: 'Tell at these percentages',
      kind: 'numbers',
      placeholder: '80, 100',
      blank: 'empty',
      span: 3,
    },
    { path: 'time_zone', label: 'Time zone', placeholder: 'UTC', blank: 'null', span: 3 },
    { path: 'rolling', label: 'Rolling: the last so many hours instead of the calendar’s', kind: 'check' },
    { path: 'hard', label: 'Hard: streams are cut at what was set aside', kind: 'check' },
  ];
}

const LIMIT_FIELDS: readonly Field[] = [
  OPTIONAL_NAME,
  ...limitFields('limits'),
  {
    path: 'on_limit',
    label: 'Over the limit',
    kind: 'select',
    options: [
      { value: 'refuse', label: 'refuse' },
      { value: 'queue', label: 'wait in turn' },
    ],
    initial: 'refuse',
    span: 2,
  },
  {
    path: 'max_wait_ms',
    label: 'Longest wait, ms',
    kind: 'count',
    placeholder: '10000',
    span: 2,
    when: (values) => values['on_limit'] === 'queue',
  },
  {
    path: 'max_waiting',
    label: 'Most that wait',
    kind: 'count',
    placeholder: '100',
    span: 2,
    when: (values) => values['on_limit'] === 'queue',
  },
];

/** What binds a team or a user is changed from above it; who manages keys and projects of a team, the gateway knows. */
function placeOf({ scope }: Scoped): Place | undefined {
  return scope === 'key' || scope === 'project' ? undefined : {};
}

function raiseAct(rights: Rights, budget: Budget): Act | undefined {
  if (budget.source === 'key' || !rights.may('raiseBudget')) return undefined;
  const asks = !rights.may('updateBudget', placeOf(budget));
  const label = asks ? 'Ask for more' : 'Raise';
  return {
    label,
    title: `${label}: “${budget.name}”`,
    text: asks
      ? 'Somebody who may give it decides.'
      : 'More money until a day. The limit itself stays, and holds again afterwards.',
    fields: [
      { path: 'amount_usd', label: 'By, in US dollars', required: true, span: 3 },
      { path: 'expires_at', label: 'Until the end of', kind: 'date', required: true, span: 3 },
      { path: 'reason', label: 'Reason' },
      ...(asks
        ? []
        : [{ path: 'request', label: 'Ask somebody else for a yes first', kind: 'check' } as const]),
    ],
    run: async (input) => {
      const { approval_id } = await send('raiseBudget', { id: budget.id, ...input });
      if (approval_id === null) return undefined;
      return { sentence: `${approval_id} waits for somebody’s yes.` };
    },
    done: asks ? 'The question is asked.' : `“${budget.name}” has more.`,
  };
}

/** Budgets and rate limits of every scope. */
export function BudgetsPage(): ReactNode {
  const rights = useRights();
  const organizations = useNames(rights, 'listOrganizations');
  const places: Places = {
    team: useNames(rights, 'listTeams'),
    project: useNames(rights, 'listProjects'),
    user: useNames(rights, 'listUsers'),
    key: useNames(rights, 'listKeys'),
    organization: organizations,
  };
  const scope = scopeFields(
    places,
    rights.everywhere && organizations.options.length > 1 ? organizations : undefined,
  );
  const budgets: Noun<Budget> = {
    word: 'budget',
    create: 'createBudget',
    update: 'updateBudget',
    remove: 'deleteBudget',
    fields: budgetFields(scope),
    nameOf: ({ name }) => name,
    at: () => ({}),
    stored: (row) => ({ ...row, limit_usd: row.base_limit_usd }),
    removal: 'Nothing is limited by it any more. What it has spent stays in the log.',
  };
  const limits: Noun<Limit> = {
    word: 'limit',
    create: 'createLimit',
    update: 'updateLimit',
    remove: 'deleteLimit',
    fields: [...scope, ...LIMIT_FIELDS],
    nameOf: ({ name }) => name,
    at: () => ({}),
    removal: 'Nothing is limited by it any more.',
  };
  return (
    <ControlPage
      title="Budgets & limits"
      lead="What may be spent and how fast, for every scope; all that apply must let a request through"
    >
      <Stack gap="sm">
        {rights.may('listBudgets') && (
          <Directory<Budget>
            title="Budgets"
            icon="budgets"
            empty={[
              'There is no budget yet',
              'A budget sets the worst case aside before each call, and is charged what it really cost.',
            ]}
            queryKey={[...cached.budgets, 'budgets']}
            list={(cursor) =>
              api.call('listBudgets', { limit: 100, ...(cursor === undefined ? {} : { cursor }) })
            }
            columns={budgetColumns(places)}
            width={1000}
            nameOf={budgets.nameOf}
            create={makeAct(rights, budgets)}
            acts={(row) => {
              const raise = raiseAct(rights, row);
              const changes = row.source === 'api' ? changesAt(rights, budgets, row) : [];
              return [...(raise === undefined ? [] : [raise]), ...changes];
            }}
            touches={TOUCHES}
            refetchMs={10_000}
          />
        )}
        {rights.may('listLimits') && (
          <Directory<Limit>
            title="Rate limits"
            icon="budgets"
            empty={[
              'There is no rate limit of a scope',
              'Keys and places have limits of their own; here they are set for any scope.',
            ]}
            queryKey={[...cached.budgets, 'limits']}
            list={(cursor) =>
              api.call('listLimits', { limit: 100, ...(cursor === undefined ? {} : { cursor }) })
            }
            columns={limitColumns(places)}
            width={760}
            nameOf={limits.nameOf}
            create={makeAct(rights, limits)}
            acts={(row) => (row.source === 'api' ? changesAt(rights, limits, row) : [])}
            touches={TOUCHES}
            refetchMs={10_000}
          />
        )}
      </Stack>
    </ControlPage>
  );
}

/** Changing a rule; the place asked at is that of its scope. */
function changesAt<Row extends Scoped & { readonly id: string }>(
  rights: Rights,
  noun: Noun<Row>,
  row: Row,
): Act[] {
  const at = placeOf(row);
  if (at !== undefined) return changeActs(rights, noun, row);
  return changeActs({ ...rights, may: (name) => rights.may(name) }, noun, row);
}

function ScopeCell({ of, places }: { readonly of: Scoped; readonly places: Places }): ReactNode {
  const kind = of.scope.replace('_', ' ');
  const which = of.scope_id === '*' ? 'each' : (places[of.scope]?.of(of.scope_id) ?? of.scope_id);
  return (
    <>
      <Text span size="xs" c="dimmed">
        {kind}
      </Text>{' '}
      <span title={of.scope_id}>{which}</span>
    </>
  );
}

const SOURCES = { api: 'here', file: 'in the file', key: 'on its key' } as const;

function budgetColumns(places: Places) {
  return [
    { accessor: 'name', title: 'Name', ellipsis: true },
    {
      accessor: 'scope',
      title: 'Of',
      ellipsis: true,
      render: (row: Budget) => <ScopeCell of={row} places={places} />,
    },
    {
      accessor: 'limit_usd',
      title: 'Settled and held',
      width: 200,
      render: (row: Budget) => <BudgetBar of={row} name={row.name} />,
    },
    {
      accessor: 'remaining_usd',
      title: 'Remaining',
      width: 100,
      render: (row: Budget) => <Money usd={row.remaining_usd} />,
    },
    {
      accessor: 'window_end',
      title: 'Frees',
      width: 118,
      noWrap: true,
      render: (row: Budget) => (row.rolling ? 'rolling' : <Moment at={row.window_end} />),
    },
    {
      accessor: 'thresholds',
      title: 'Tells at',
      width: 90,
      render: (row: Budget) => (row.thresholds.length === 0 ? '—' : `${row.thresholds.join(', ')} %`),
    },
    {
      accessor: 'action',
      title: 'Then',
      width: 150,
      render: (row: Budget) => (
        <Group gap={4}>
          <Badge color="gray">{ACTIONS.find(({ value }) => value === row.action)?.label}</Badge>
          {row.problem !== null && (
            <Badge color="red" title={row.problem}>
              model gone
            </Badge>
          )}
          {row.hard && <Badge color="red">hard</Badge>}
          {row.raises.length > 0 && (
            <Badge
              color="water"
              title={row.raises.map((raise) => `$${raise.amount_usd} until ${raise.expires_at}`).join(', ')}
            >
              {plural(row.raises.length, 'raise')}
            </Badge>
          )}
        </Group>
      ),
    },
    { accessor: 'source', title: 'Set', width: 86, render: (row: Budget) => SOURCES[row.source] },
  ];
}

function limitColumns(places: Places) {
  return [
    { accessor: 'name', title: 'Name', ellipsis: true },
    {
      accessor: 'scope',
      title: 'Of',
      ellipsis: true,
      render: (row: Limit) => <ScopeCell of={row} places={places} />,
    },
    {
      accessor: 'limits',
      title: 'Limits',
      render: (row: Limit) =>
        Object.entries(row.limits)
          .map(([name, most]) => `${formatCount(most ?? 0)} ${name}`)
          .join(', '),
    },
    {
      accessor: 'in_flight',
      title: 'Running',
      width: 80,
      render: (row: Limit) => formatCount(row.in_flight),
    },
    {
      accessor: 'on_limit',
      title: 'Over it',
      width: 100,
      render: (row: Limit) => <Badge color="gray">{row.on_limit}</Badge>,
    },
    { accessor: 'source', title: 'Set', width: 86, render: (row: Limit) => SOURCES[row.source] },
  ];
}
