import { usdToNano } from '../core/cost/money.ts';
import type { Budget } from '../core/policy/budget-rule.ts';
import type { RateRule } from '../core/policy/rate-rule.ts';
import type { Scope } from '../core/policy/scope.ts';
import type { VirtualKey } from '../core/policy/virtual-key.ts';
import type { Config } from './config/index.ts';

type Entry = Config['budgets'][number] | Config['rate_limits'][number];

function idOf(kind: 'budget' | 'limit', name: string): string {
  return `${kind}_file_${name.replaceAll(/[^A-Za-z0-9_-]/g, '_')}`;
}

/** A key may be named by its name: its id is not known when the file is written. */
function scopeOf({ scope, scope_id }: Entry, keys: ReadonlyMap<string, VirtualKey>): Scope {
  return { kind: scope, id: scope === 'key' ? (keys.get(scope_id)?.id ?? scope_id) : scope_id };
}

/** What the configuration file says about budgets and rate limits. */
export function fileRules(
  config: Config,
  allKeys: Iterable<VirtualKey>,
  now: number,
): { readonly budgets: readonly Budget[]; readonly rules: readonly RateRule[] } {
  const keys = new Map<string, VirtualKey>();
  for (const key of allKeys) keys.set(key.name, key);
  const shared = { organizationId: undefined, source: 'file', createdAt: now } as const;
  const budgets = config.budgets.map((entry): Budget => {
    const { name, window, rolling, action, hard } = entry;
    return {
      ...shared,
      id: idOf('budget', name),
      name,
      scope: scopeOf(entry, keys),
      limitNano: usdToNano(entry.limit_usd, 'limit_usd'),
      window,
      rolling,
      timeZone: entry.time_zone === 'UTC' ? undefined : entry.time_zone,
      thresholds: [...entry.thresholds].sort((a, b) => a - b),
      action,
      downgradeTo: entry.downgrade_to,
      hard,
    };
  });
  const rules = config.rate_limits.map((entry): RateRule => {
    const { name, on_limit, max_wait_ms, max_waiting, scope: _, scope_id: __, ...limits } = entry;
    const set = Object.entries(limits).filter(([, value]) => value !== undefined);
    return {
      ...shared,
      id: idOf('limit', name),
      name,
      scope: scopeOf(entry, keys),
      limits: Object.fromEntries(set),
      maxWaitMs: on_limit === 'queue' ? max_wait_ms : 0,
      maxWaiting: max_waiting,
    };
  });
  return { budgets, rules };
}
