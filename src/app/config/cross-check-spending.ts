import { isTimeZone } from '../../core/policy/budget-window.ts';
import type { Report } from './paths.ts';
import type { Config } from './schema.ts';

const LIMITS = ['rpm', 'rph', 'rpd', 'tpm', 'tph', 'tpd', 'concurrency'] as const;

/** Budgets and rate limits of any scope. */
export function checkSpending(config: Config, report: Report): void {
  for (const [index, budget] of config.budgets.entries()) {
    const path = ['budgets', index];
    if (budget.time_zone !== undefined && !isTimeZone(budget.time_zone)) {
      report.problem({
        path: [...path, 'time_zone'],
        problem: 'is no time zone.',
        remedy: 'Write an IANA name such as Europe/Berlin.',
      });
    }
    if (budget.rolling && budget.window === 'total') {
      report.problem({
        path: [...path, 'rolling'],
        problem: 'is set, but a total budget has no window that could roll.',
        remedy: 'Leave it out, or choose another window.',
      });
    }
    if (budget.hard && budget.action === 'warn') {
      report.problem({
        path: [...path, 'hard'],
        problem: 'is set on a budget that only warns.',
        remedy: 'Leave it out, or choose another action.',
      });
    }
    checkTag(budget, [...path, 'scope_id'], report);
  }
  const names = new Set<string>();
  for (const [index, limit] of config.rate_limits.entries()) {
    const path = ['rate_limits', index];
    if (LIMITS.every((name) => limit[name] === undefined)) {
      report.problem({ path, problem: 'limits nothing.', remedy: `Set one of ${LIMITS.join(', ')}.` });
    }
    if (names.has(limit.name)) {
      report.problem({
        path: [...path, 'name'],
        problem: 'is the same as that of another limit.',
        remedy: 'Give each its own.',
      });
    }
    names.add(limit.name);
    checkTag(limit, [...path, 'scope_id'], report);
  }
}

function checkTag(
  rule: { readonly scope: string; readonly scope_id: string },
  path: readonly (string | number)[],
  report: Report,
): void {
  if (rule.scope !== 'tag' || /^[A-Za-z0-9_.-]{1,64}=.+$/.test(rule.scope_id)) return;
  report.problem({ path, problem: 'is no tag.', remedy: 'Write name=value, or name=* for every value.' });
}
