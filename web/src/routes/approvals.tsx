import { Badge, SegmentedControl } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { type Approval, api, cached, send } from '../api.ts';
import type { Act } from '../components/act.tsx';
import { ControlPage } from '../components/control-page.tsx';
import { Directory } from '../components/directory.tsx';
import { Moment } from '../components/values.tsx';
import { limitFields } from '../fields.ts';
import type { Field } from '../form-input.ts';
import { formatFullMoment } from '../format.ts';
import { type Rights, useRights } from '../me.ts';
import { type Names, useModelNames, useNames } from '../noun.ts';

const route = getRouteApi('/approvals');
const TOUCHES = [cached.approvals, cached.budgets, cached.keys, cached.audit];
const STATUSES = ['pending', 'approved', 'used', 'rejected', 'expired'] as const;
type Status = (typeof STATUSES)[number];

const COLORS: Record<Status, string> = {
  pending: 'yellow',
  approved: 'teal',
  used: 'gray',
  rejected: 'red',
  expired: 'gray',
};

const REASON: Field = { path: 'reason', label: 'Reason', note: 'Stands in the audit log' };

/** The facts to decide by, as one line of text. */
function factsOf({ details }: Approval): string {
  const said = Object.entries(details).filter(([, value]) => value !== null && value !== '');
  return said
    .map(
      ([name, value]) =>
        `${name.replaceAll('_', ' ')}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
    )
    .join('; ');
}

/** Deciding; nobody decides what he asked for himself. */
function actsOf(rights: Rights, approval: Approval): Act[] {
  const { id, subject, status, requested_by } = approval;
  const own = rights.userId !== null && requested_by === `user:${rights.userId}`;
  if (status !== 'pending' || own) return [];
  const decide = (name: 'approve' | 'reject', label: string, done: string): Act => ({
    label,
    title: `${label}: ${id}`,
    text: `${subject} ${factsOf(approval)}`,
    fields: [REASON],
    danger: name === 'reject',
    run: async (input) => {
      await send(name, { id, ...input });
      return undefined;
    },
    done,
  });
  const link: Act = {
    label: 'Link',
    title: `Link to decide ${id}`,
    text: `Whoever holds it can decide this one, once, without signing in, until ${formatFullMoment(approval.expires_at)}.`,
    confirm: 'Make a link',
    run: async () => ({ link: (await api.call('createApprovalLink', { id })).url }),
    done: 'The link is made.',
  };
  return [
    ...(rights.may('approve') ? [decide('approve', 'Approve', 'Approved.')] : []),
    ...(rights.may('reject') ? [decide('reject', 'Refuse', 'Refused.')] : []),
    ...(rights.may('createApprovalLink') ? [link] : []),
  ];
}

function askAct(keys: Names, models: Field['options']): Act {
  const wanted = (kind: string) => (values: Readonly<Record<string, unknown>>) => values['kind'] === kind;
  return {
    label: 'Ask for more',
    title: 'Ask for more rights of a key',
    text: 'Somebody who may give them decides; a yes changes the key at once.',
    confirm: 'Ask',
    fields: [
      {
        path: 'kind',
        label: 'For',
        kind: 'select',
        options: [
          { value: 'model_access', label: 'more models' },
          { value: 'key_scope', label: 'other limits or a longer life' },
        ],
        initial: 'model_access',
        span: 3,
      },
      { path: 'key_id', label: 'Key', kind: 'select', options: keys.options, required: true, span: 3 },
      { path: 'models', label: 'Models', kind: 'list', options: models ?? [], when: wanted('model_access') },
      ...limitFields('limits')
        .slice(0, 3)
        .map((field) => ({ ...field, when: wanted('key_scope') })),
      { path: 'expires_at', label: 'Valid until', kind: 'date', when: wanted('key_scope') },
      { path: 'reason', label: 'Reason' },
    ],
    run: async (input) => ({
      sentence: `${(await send('requestApproval', input)).id} waits for somebody’s yes.`,
    }),
    done: 'The question is asked.',
  };
}

/** What waits for somebody's yes: calls, budget raises, models and other rights of keys. */
export function ApprovalsPage(): ReactNode {
  const rights = useRights();
  const { status: asked } = route.useSearch();
  const navigate = route.useNavigate();
  const status = STATUSES.find((known) => known === asked) ?? 'pending';
  const users = useNames(rights, 'listUsers');
  const keys = useNames(rights, 'listKeys');
  const models = useModelNames();
  const may = rights.may('listApprovals');
  const who = (actor: string) => (actor.startsWith('user:') ? users.of(actor.slice(5)) : keys.of(actor));
  return (
    <ControlPage title="Approvals" lead="Calls, raises and rights that need somebody’s yes">
      {rights.known && (
        <Directory<Approval>
          title={status === 'pending' ? 'Waiting for a decision' : `Approvals: ${status}`}
          icon="approvals"
          empty={
            may
              ? [
                  `Nothing is ${status}`,
                  'Budgets with the action “ask for approval”, and people who want more, ask here.',
                ]
              : ['You may ask here', 'What was asked is seen and decided by those who may give it.']
          }
          queryKey={[...cached.approvals, status, String(may)]}
          list={async (cursor) =>
            may
              ? api.call('listApprovals', { limit: 50, status, ...(cursor === undefined ? {} : { cursor }) })
              : { data: [], next_cursor: null }
          }
          columns={[
            {
              accessor: 'subject',
              title: 'What',
              render: (row) => <span title={factsOf(row)}>{row.subject}</span>,
            },
            { accessor: 'kind', title: 'Kind', width: 116, render: ({ kind }) => kind.replaceAll('_', ' ') },
            {
              accessor: 'requested_by',
              title: 'Asked by',
              width: 150,
              ellipsis: true,
              render: (row) => who(row.requested_by),
            },
            {
              accessor: 'created_at',
              title: 'Asked',
              width: 116,
              noWrap: true,
              render: (row) => <Moment at={row.created_at} />,
            },
            {
              accessor: 'expires_at',
              title: 'Expires',
              width: 116,
              noWrap: true,
              render: (row) => <Moment at={row.expires_at} />,
            },
            {
              accessor: 'status',
              title: 'Status',
              width: 170,
              render: (row) => (
                <span title={row.reason ?? ''}>
                  <Badge color={COLORS[row.status]}>{row.status}</Badge>
                  {row.decided_by === null ? '' : ` by ${who(row.decided_by)}`}
                </span>
              ),
            },
          ]}
          width={860}
          nameOf={({ id }) => id}
          create={rights.may('requestApproval') ? askAct(keys, models) : undefined}
          acts={(row) => actsOf(rights, row)}
          touches={TOUCHES}
          refetchMs={10_000}
          actions={
            may && (
              <SegmentedControl
                aria-label="Status"
                value={status}
                data={[...STATUSES]}
                onChange={(next) =>
                  void navigate({ to: '.', search: next === 'pending' ? {} : { status: next } })
                }
              />
            )
          }
        />
      )}
    </ControlPage>
  );
}
