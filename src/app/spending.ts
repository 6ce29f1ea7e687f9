import { ApprovalBook } from '../control/approval-book.ts';
import { createApprovalHandlers } from '../control/approvals.ts';
import type { AuditLog } from '../control/audit.ts';
import { BudgetDirectory } from '../control/budget-directory.ts';
import { createBudgetHandlers } from '../control/budgets.ts';
import { operator } from '../control/caller.ts';
import { createLimitHandlers } from '../control/limits.ts';
import { Processes } from '../control/processes.ts';
import { restoreRates } from '../control/rate-restore.ts';
import { SharedBudgets } from '../control/shared-budgets.ts';
import { SharedRates } from '../control/shared-rates.ts';
import { nanoToUsd } from '../core/cost/money.ts';
import type { BudgetBook, ThresholdReached } from '../core/policy/budget.ts';
import type { Budget } from '../core/policy/budget-rule.ts';
import type { Policy } from '../core/policy/policy.ts';
import type { RateLimiter } from '../core/policy/rate.ts';
import type { RateRule } from '../core/policy/rate-rule.ts';
import type { Scope } from '../core/policy/scope.ts';
import type { ScopeIndex } from '../core/policy/scope-index.ts';
import type { PlaceLimits } from '../core/policy/virtual-key.ts';
import type { ApprovalDesk } from '../ports/approval-desk.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Random } from '../ports/random.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { RateShares } from '../ports/shared-counts.ts';
import type { BudgetClaims } from '../ports/shared-spend.ts';
import type { Store } from '../ports/store.ts';
import type { Config } from './config/index.ts';
import { downgradeFault, type Live } from './downgrade-fault.ts';
import { fileRules } from './file-budgets.ts';
import type { Identity } from './identity.ts';
import { pastNames } from './past-names.ts';

export interface SpendingPorts {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly secrets: SecretBox;
  readonly book: BudgetBook;
  readonly limiter: RateLimiter;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly audit: AuditLog;
}

/** What the data plane asks about budgets, limits, approvals and policies. */
export interface SpendingSources {
  readonly budgets: () => ScopeIndex<Budget>;
  readonly rateRules: () => ScopeIndex<RateRule>;
  readonly approvals: ApprovalDesk;
  readonly claims?: BudgetClaims;
  readonly shares?: RateShares;
  readonly places: () => { limitsOf(scope: string): PlaceLimits | undefined };
  readonly policyOf: (scope: Scope) => Policy | undefined;
}

/** Who may spend how much, how fast, and with whose yes. */
export interface Spending {
  readonly directory: BudgetDirectory;
  readonly approvals: ApprovalBook;
  readonly sources: SpendingSources;
  /** Those that share the database, budgets and limits. */
  readonly processes: Processes;
  readonly rates: SharedRates;
  /** Takes over what a configuration declares. */
  adopt(config: Config): Promise<void>;
  /** Now and then. */
  sweep(): void;
}

/** Tells of a threshold: in log, metrics and the audit log. */
function tellThreshold(
  ports: SpendingPorts,
  nameOf: (id: string) => { readonly name: string; readonly scope: string },
  reached: ThresholdReached,
): void {
  const { id, percent, limitNano, settledNano, windowStart } = reached;
  const { name, scope } = nameOf(id);
  const details = {
    name,
    percent,
    limit_usd: nanoToUsd(limitNano),
    settled_usd: nanoToUsd(settledNano),
    window_start: new Date(windowStart).toISOString(),
  };
  ports.log.warn('budget.threshold', { budget: id, ...details });
  ports.metrics.count('sluice_budget_thresholds_total', { scope, percent: String(percent) });
  const entry = { action: 'budgets.threshold', target: id, details };
  ports.audit.append(operator('system', ''), entry).catch((error: unknown) => {
    ports.log.error('budget.threshold_not_audited', { budget: id, error: String(error) });
  });
}

function policyOf({ directory, places }: Identity, { kind, id }: Scope): Policy | undefined {
  switch (kind) {
    case 'organization':
      return places.organizations.get(id)?.policy;
    case 'team':
      return places.teams.get(id)?.policy;
    case 'project':
      return places.projects.get(id)?.policy;
    case 'user':
      return (places.users.get(id) ?? places.serviceAccounts.get(id))?.policy;
    case 'key':
      return directory.get(id)?.policy;
    default:
      return undefined;
  }
}

/** Reads budgets and rate limits with what they have spent, and takes over what the file declares. */
export async function openSpending(
  config: Config,
  ports: SpendingPorts,
  identity: Identity,
): Promise<Spending> {
  const { directory: keys } = identity;
  let modelNames = pastNames(config);
  const directory = new BudgetDirectory({
    ...ports,
    keys: () => keys.keys(),
    modelNames: (asked, deployment) => modelNames(asked, deployment),
  });
  const approvals = new ApprovalBook(ports);
  const nameOf = (id: string) => {
    const budget = directory.budget(id.split('/', 1)[0] ?? id);
    return { name: budget?.name ?? id, scope: budget?.scope.kind ?? 'key' };
  };
  await directory.load();
  const adopt = async (given: Config): Promise<void> => {
    modelNames = pastNames(given);
    const { budgets, rules } = fileRules(given, keys.keys(), ports.clock.now());
    await directory.syncFile(budgets, rules);
  };
  await adopt(config);
  const processes = await Processes.join(ports);
  if (processes.eldest) await ports.store.counts.clear();
  // Others that run know what was let through; where there are none, the log does.
  const restored = { ...ports, keys, rules: directory.rateRules(), modelNames };
  if (processes.first) await restoreRates(restored, directory.allRules());
  const shared = new SharedBudgets(ports);
  const rates = new SharedRates(ports);
  await processes.keepInStep([shared, rates]);
  ports.book.onThreshold((reached) => {
    void shared.isTeller(reached).then((mine) => {
      if (mine) tellThreshold(ports, nameOf, reached);
    });
  });
  identity.watch.on('budgets', () => directory.refresh());
  return {
    directory,
    processes,
    rates,
    approvals,
    adopt,
    sources: {
      budgets: () => directory.budgets(),
      rateRules: () => directory.rateRules(),
      approvals,
      claims: shared,
      shares: rates,
      places: () => keys.snapshot(),
      policyOf: (scope) => policyOf(identity, scope),
    },
    sweep() {
      directory.sweep();
      approvals.sweep().catch((error: unknown) => {
        ports.log.warn('approvals.sweep_failed', { error: String(error) });
      });
    },
  };
}

/** The handlers of budgets, limits and approvals. */
export function createSpendingHandlers(
  spending: Spending,
  ports: SpendingPorts,
  around: { readonly identity: Identity; readonly url: () => string; readonly live: Live },
) {
  const { identity, url, live } = around;
  const { directory: budgets, approvals, rates } = spending;
  const { places, directory } = identity;
  const elsewhere = (ids: readonly string[]) => rates.elsewhere(ids);
  const downgrades = (name: string) => downgradeFault(live, name);
  const parts = {
    ...{ ...ports, places, directory, budgets, approvals, url, elsewhere },
    downgradeFault: downgrades,
  };
  return {
    ...createBudgetHandlers(parts),
    ...createLimitHandlers(parts),
    ...createApprovalHandlers(parts),
  };
}
