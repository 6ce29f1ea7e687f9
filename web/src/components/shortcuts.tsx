import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { api, cached } from '../api.ts';
import { percentOf, plural } from '../format.ts';
import { Icon, type IconName } from '../icons.tsx';
import type { Rights } from '../me.ts';

/** Budgets of which this much is spent are worth a look. */
const NEAR_PERCENT = 80;
const MOST = 500;

/** Ways to what the caller manages, each with what there is to do. */
export function Shortcuts({ rights }: { readonly rights: Rights }): ReactNode {
  const waiting = useQuery({
    queryKey: [...cached.approvals, 'waiting'],
    queryFn: () => api.call('listApprovals', { status: 'pending', limit: MOST }),
    enabled: rights.may('listApprovals'),
    refetchInterval: 30_000,
  });
  const budgets = useQuery({
    queryKey: [...cached.budgets, 'near'],
    queryFn: () => api.call('listBudgets', { limit: MOST }),
    enabled: rights.may('listBudgets'),
    refetchInterval: 30_000,
  });
  const near = budgets.data?.data.filter(
    ({ settled_usd, limit_usd }) => percentOf(settled_usd, limit_usd) >= NEAR_PERCENT,
  ).length;
  const pending = waiting.data?.data.length;
  const more = (page: { next_cursor: string | null } | undefined) =>
    page?.next_cursor == null ? '' : ' or more';
  const links: readonly (readonly [
    to: string,
    label: string,
    icon: IconName,
    note: string,
    shown: boolean,
  ])[] = [
    ['/people', 'People & teams', 'people', 'Who may ask, and what for', rights.may('listTeams')],
    [
      '/budgets',
      'Budgets & limits',
      'budgets',
      near === undefined || near === 0
        ? 'What may be spent, and how fast'
        : `${plural(near, 'budget')}${more(budgets.data)} at ${NEAR_PERCENT} % or above`,
      rights.may('listBudgets'),
    ],
    [
      '/approvals',
      'Approvals',
      'approvals',
      pending === undefined || pending === 0
        ? 'Nothing waits for a decision'
        : `${pending}${more(waiting.data)} waiting for a decision`,
      rights.may('listApprovals'),
    ],
    ['/keys', 'Keys', 'keys', 'Create, rotate, block', rights.may('listKeys')],
    ['/audit', 'Audit', 'audit', 'Who changed what', rights.may('listAudit')],
  ];
  const shown = links.filter(([, , , , may]) => may);
  if (shown.length === 0) return null;
  return (
    <nav aria-label="Manage" className="shortcuts">
      {shown.map(([to, label, icon, note]) => (
        <Link key={to} to={to} className="panel shortcut">
          <Icon name={icon} size={18} />
          <div style={{ minWidth: 0 }}>
            <Text size="sm" fw={600}>
              {label}
            </Text>
            <Text size="xs" c="dimmed">
              {note}
            </Text>
          </div>
        </Link>
      ))}
    </nav>
  );
}
