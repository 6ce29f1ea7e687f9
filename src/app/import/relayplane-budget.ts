import type { Draft } from './draft.ts';
import type { Ledger, Part } from './source.ts';

interface Work {
  readonly draft: Draft;
  readonly ledger: Ledger;
}

const ACTIONS: Readonly<Record<string, string>> = {
  block: 'block',
  warn: 'warn',
  alert: 'warn',
  downgrade: 'downgrade',
};

/** `budget`: what may be spent by hour, day and session. */
export function importBudget(work: Work, part: Part, downgrade: string | undefined): void {
  const enabled = part.flag('enabled') !== false;
  const wanted = ACTIONS[part.text('onBreach') ?? 'warn'] ?? 'block';
  const action = wanted === 'downgrade' && downgrade === undefined ? 'block' : wanted;
  const thresholds = (part.list('alertThresholds') ?? []).filter(
    (value): value is number => typeof value === 'number' && value > 0 && value <= 1000,
  );
  const common = {
    action,
    ...(action === 'downgrade' ? { downgrade_to: downgrade } : {}),
    ...(thresholds.length === 0 ? {} : { thresholds }),
  };
  const kinds = [
    ['dailyUsd', 'daily', 'day'],
    ['dailyLimitUsd', 'daily', 'day'],
    ['dailyCapUSD', 'daily cap', 'day'],
    ['hourlyUsd', 'hourly', 'hour'],
    ['hourlyLimitUsd', 'hourly', 'hour'],
    ['sessionCapUsd', 'session', 'total'],
  ] as const;
  const budgets = kinds.flatMap(([key, name, window]) => {
    const limit = part.number(key);
    if (limit === undefined || limit < 0 || limit > 9e6) return [];
    const session = key === 'sessionCapUsd';
    work.ledger.mapped(part.at(key), `budgets: ${name}`);
    const scope = session
      ? { scope: 'session', scope_id: '*' }
      : { scope: 'organization', scope_id: 'org_default' };
    return [{ name, ...scope, limit_usd: limit, window, ...common }];
  });
  part.rest({
    perRequestUsd: 'a router’s `max_price.request_usd` bounds single requests.',
    perRequestLimitUsd: 'a router’s `max_price.request_usd` bounds single requests.',
    alertWebhook: 'thresholds are told in log and portal; there is no webhook sender.',
    modelLadder: 'a budget has one cheaper model: `downgrade_to`.',
    warningThreshold: 'see `thresholds` of a budget.',
  });
  if (enabled && budgets.length > 0) work.draft.sections['budgets'] = budgets;
}
