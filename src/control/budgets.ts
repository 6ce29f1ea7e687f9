import type { z } from 'zod';
import { nanoToUsd, usdToNano } from '../core/cost/money.ts';
import { DAY_MS } from '../core/durations.ts';
import { badRequest, SluiceError } from '../core/errors/error.ts';
import type { BudgetBook } from '../core/policy/budget.ts';
import type { BudgetRaise } from '../core/policy/budget-account.ts';
import { type Budget, DEFAULT_THRESHOLDS } from '../core/policy/budget-rule.ts';
import { isTimeZone } from '../core/policy/budget-window.ts';
import type { VirtualKey } from '../core/policy/virtual-key.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { ApprovalBook } from './approval-book.ts';
import type { BudgetDirectory } from './budget-directory.ts';
import { type Caller, type Handlers, notFound, toTime } from './caller.ts';
import type { ParsedInputOf } from './contract.ts';
import type { budgetView } from './contracts/budgets.ts';
import { demandHold, demandSight, runsGateway, type ScopePorts, scopeFor, sees } from './scope-rights.ts';

export interface BudgetPorts extends ScopePorts {
  readonly budgets: BudgetDirectory;
  readonly approvals: ApprovalBook;
  readonly book: BudgetBook;
  readonly clock: Clock;
  readonly random: Random;
  /** Why a budget cannot downgrade to this model, as the end of a sentence; `undefined` when it can. */
  readonly downgradeFault: (name: string) => string | undefined;
}

type View = z.output<typeof budgetView>;

const MAX_RAISE_MS = 366 * DAY_MS;
const MAX_RAISES = 20;

/** A raise as it is kept: with what tells it from others. */
interface KeptRaise extends BudgetRaise {
  readonly id?: string;
  readonly reason?: string | undefined;
}

/** What keeps a budget from acting as it says. */
export function problemOf(
  { action, downgradeTo }: Pick<Budget, 'action' | 'downgradeTo'>,
  { downgradeFault }: Pick<BudgetPorts, 'downgradeFault'>,
): string | undefined {
  if (action !== 'downgrade' || downgradeTo === undefined) return undefined;
  const fault = downgradeFault(downgradeTo);
  if (fault === undefined) return undefined;
  return `Its cheaper model is not there, so it blocks when it is used up: \`${downgradeTo}\` ${fault}`;
}

function viewOf(budget: Budget, ports: BudgetPorts): View {
  const now = ports.clock.now();
  const view = ports.book.view(budget.id, now);
  const raises = (budget.raises ?? []).filter(({ expiresAt }) => expiresAt > now) as readonly KeptRaise[];
  return {
    id: budget.id,
    name: budget.name,
    scope: budget.scope.kind,
    scope_id: budget.scope.id,
    organization_id: budget.organizationId ?? null,
    limit_usd: nanoToUsd(view?.limitNano ?? budget.limitNano),
    base_limit_usd: nanoToUsd(budget.limitNano),
    settled_usd: nanoToUsd(view?.settledNano ?? 0),
    held_usd: nanoToUsd(view?.heldNano ?? 0),
    remaining_usd: nanoToUsd(view?.remainingNano ?? budget.limitNano),
    window: budget.window,
    rolling: budget.rolling ?? false,
    time_zone: budget.timeZone ?? 'UTC',
    window_start: toTime(view?.windowStart ?? now),
    window_end: view?.windowEnd === undefined ? null : toTime(view.windowEnd),
    action: budget.action,
    downgrade_to: budget.downgradeTo ?? null,
    problem: problemOf(budget, ports) ?? null,
    hard: budget.hard,
    thresholds: [...(budget.thresholds ?? [])],
    raises: raises.map((raise) => ({
      id: raise.id ?? '',
      amount_usd: nanoToUsd(raise.amountNano),
      expires_at: toTime(raise.expiresAt),
      reason: raise.reason ?? null,
    })),
    source: budget.source,
    created_at: toTime(budget.createdAt),
  };
}

/** A key's `budget` field as a budget of scope key. */
function ofKey(key: VirtualKey): Budget | undefined {
  const { budget } = key;
  if (budget === undefined) return undefined;
  return {
    ...budget,
    id: key.id,
    name: key.name,
    scope: { kind: 'key', id: key.id },
    organizationId: key.organizationId,
    downgradeTo: budget.downgradeTo,
    hard: false,
    source: 'key',
    createdAt: key.createdAt,
  };
}

function timeZoneOf(name: string | null | undefined): string | undefined {
  if (name === undefined || name === null || name === 'UTC') return undefined;
  if (!isTimeZone(name)) {
    throw badRequest('time_zone', '`time_zone`: write an IANA name such as Europe/Berlin.');
  }
  return name;
}

/** Throws `bad_request` naming the field for a cheaper model that is not there. Without ports nothing is looked up. */
export function demandDowngrade(
  field: string,
  name: string,
  ports: Pick<BudgetPorts, 'downgradeFault'> | undefined,
): void {
  const fault = ports?.downgradeFault(name);
  if (fault !== undefined) throw badRequest(field, `\`${field}\` ${fault}`);
}

/** Throws `bad_request` for what does not fit together. */
function checked(budget: Budget, ports?: BudgetPorts): Budget {
  if (budget.action === 'downgrade' && budget.downgradeTo === undefined) {
    throw badRequest('downgrade_to', '`downgrade_to`: name the cheaper model.');
  }
  if (budget.downgradeTo !== undefined) demandDowngrade('downgrade_to', budget.downgradeTo, ports);
  if (budget.rolling === true && budget.window === 'total') {
    throw badRequest('rolling', '`rolling`: a total budget has no window that could roll.');
  }
  if (budget.hard && budget.action === 'warn') {
    throw badRequest('hard', '`hard`: a budget that only warns cannot be hard.');
  }
  return budget;
}

function sorted(thresholds: readonly number[]): readonly number[] {
  return [...new Set(thresholds)].sort((a, b) => a - b);
}

type Change = Omit<ParsedInputOf<'updateBudget'>, 'id'>;

function changed(budget: Budget, input: Change, ports: BudgetPorts): Budget {
  const after: Budget = {
    ...budget,
    ...(input.name === undefined ? {} : { name: input.name }),
    ...(input.limit_usd === undefined ? {} : { limitNano: usdToNano(input.limit_usd, 'limit_usd') }),
    ...(input.window === undefined ? {} : { window: input.window }),
    ...(input.rolling === undefined ? {} : { rolling: input.rolling }),
    ...(input.time_zone === undefined ? {} : { timeZone: timeZoneOf(input.time_zone) }),
    ...(input.thresholds === undefined ? {} : { thresholds: sorted(input.thresholds) }),
    ...(input.action === undefined ? {} : { action: input.action }),
    ...(input.downgrade_to === undefined ? {} : { downgradeTo: input.downgrade_to ?? undefined }),
    ...(input.hard === undefined ? {} : { hard: input.hard }),
  };
  // What is not touched stays as it is, also when its model has gone meanwhile.
  const touched = input.action !== undefined || input.downgrade_to !== undefined;
  return checked(after, touched ? ports : undefined);
}

function created(ports: BudgetPorts, input: ParsedInputOf<'createBudget'>, caller: Caller): Budget {
  const { scope, organizationId } = scopeFor(ports, caller, input);
  const budget: Budget = {
    id: ports.random.id('budget_'),
    name: input.name ?? `${scope.kind} ${scope.id}`.slice(0, 128),
    scope,
    organizationId,
    limitNano: usdToNano(input.limit_usd, 'limit_usd'),
    window: input.window,
    rolling: input.rolling,
    timeZone: timeZoneOf(input.time_zone),
    thresholds: sorted(input.thresholds ?? DEFAULT_THRESHOLDS),
    action: input.action,
    downgradeTo: input.downgrade_to ?? undefined,
    hard: input.hard,
    source: 'api',
    createdAt: ports.clock.now(),
    ...(scope.kind === 'organization' && runsGateway(caller) ? { locked: true } : {}),
  };
  return checked(budget, ports);
}

/** Gives a budget more until the raise expires. Throws `bad_request` for an amount or a time that makes no sense. */
export function raised(
  budget: Budget,
  raise: {
    readonly id: string;
    readonly amountNano: number;
    readonly expiresAt: number;
    readonly reason?: string | undefined;
  },
  now: number,
): Budget {
  if (budget.source === 'key') {
    throw badRequest(
      'id',
      'The budget of a key is changed with the key; make a budget of scope `key` to raise it for a while.',
    );
  }
  if (raise.amountNano <= 0) throw badRequest('amount_usd', '`amount_usd` must be above 0.');
  if (raise.expiresAt <= now || raise.expiresAt > now + MAX_RAISE_MS) {
    throw badRequest('expires_at', '`expires_at` must lie within the next 366 days.');
  }
  const open = (budget.raises ?? []).filter(({ expiresAt }) => expiresAt > now);
  if (open.length >= MAX_RAISES)
    throw new SluiceError('conflict', 'This budget has too many raises; let some expire.');
  return { ...budget, raises: [...open, raise] };
}

type BudgetHandlers = Pick<
  Handlers,
  'createBudget' | 'listBudgets' | 'getBudget' | 'updateBudget' | 'deleteBudget' | 'raiseBudget'
>;

/** Budgets of any scope. Those of keys (`budget` field) are shown too, and changed with their key. */
export function createBudgetHandlers(ports: BudgetPorts): BudgetHandlers {
  const { budgets, directory, clock, random } = ports;

  function find(id: string, caller: Caller): Budget {
    const key = directory.get(id);
    const budget = budgets.budget(id) ?? (key === undefined ? undefined : ofKey(key));
    if (budget === undefined) throw notFound('budget');
    demandSight(ports, caller, { permission: 'budgets:read', rule: budget, what: 'budget' });
    return budget;
  }

  function own(id: string, caller: Caller): Budget {
    const budget = find(id, caller);
    demandHold(ports, caller, { permission: 'budgets:write', rule: budget, what: 'budget' });
    if (budget.source === 'api') return budget;
    const where = budget.source === 'file' ? 'in the configuration file' : 'with its key';
    throw new SluiceError('conflict', `This budget is declared ${where}, and changed there.`);
  }

  function* visible(input: ParsedInputOf<'listBudgets'>, caller: Caller): Generator<Budget> {
    const wanted = (budget: Budget): boolean =>
      (input.scope === undefined || budget.scope.kind === input.scope) &&
      (input.scope_id === undefined || budget.scope.id === input.scope_id) &&
      sees(ports, caller, { permission: 'budgets:read', rule: budget, what: 'budget' });
    for (const budget of budgets.allBudgets()) if (wanted(budget)) yield budget;
    for (const key of directory.keys()) {
      const budget = ofKey(key);
      if (budget !== undefined && wanted(budget)) yield budget;
    }
  }

  return {
    async createBudget(input, caller) {
      const budget = created(ports, input, caller);
      demandHold(ports, caller, {
        permission: 'budgets:write',
        rule: { ...budget, locked: false },
        what: 'budget',
      });
      await budgets.putBudget(budget);
      return viewOf(budget, ports);
    },
    async listBudgets(input, caller) {
      const page = pageOfRules([...visible(input, caller)], input);
      return { data: page.data.map((budget) => viewOf(budget, ports)), next_cursor: page.next_cursor };
    },
    async getBudget({ id }, caller) {
      return viewOf(find(id, caller), ports);
    },
    async updateBudget({ id, ...input }, caller) {
      const budget = changed(own(id, caller), input, ports);
      await budgets.putBudget(budget);
      return viewOf(budget, ports);
    },
    async deleteBudget({ id }, caller) {
      await budgets.removeBudget(own(id, caller));
      return { ok: true };
    },
    async raiseBudget({ id, amount_usd, expires_at, reason, request }, caller) {
      const budget = find(id, caller);
      const amountNano = usdToNano(amount_usd, 'amount_usd');
      const raise = { id: random.id('raise_'), amountNano, expiresAt: Date.parse(expires_at), reason };
      const after = raised(budget, raise, clock.now());
      if (!request && mayHold(ports, caller, budget)) {
        await budgets.putBudget(after);
        return { budget: viewOf(after, ports), approval_id: null };
      }
      const approval = await ports.approvals.ask(caller, {
        kind: 'budget_raise',
        organizationId: budget.organizationId,
        subject: `$${nanoToUsd(amountNano)} more for the budget \`${budget.name}\` until ${expires_at}.`,
        details: { budget_id: id, amount_usd: nanoToUsd(amountNano), expires_at, reason: reason ?? null },
      });
      return { budget: viewOf(budget, ports), approval_id: approval.id };
    },
  };
}

function mayHold(ports: BudgetPorts, caller: Caller, budget: Budget): boolean {
  try {
    demandHold(ports, caller, { permission: 'budgets:write', rule: budget, what: 'budget' });
    return true;
  } catch {
    return false;
  }
}

/** A page of rules that are in memory, newest first. Throws `bad_request` for a cursor that is not ours. */
export function pageOfRules<Rule extends { readonly id: string; readonly createdAt: number }>(
  rules: readonly Rule[],
  page: { readonly limit: number; readonly cursor?: string | undefined },
): { data: readonly Rule[]; next_cursor: string | null } {
  const order = [...rules].sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
  let from = 0;
  if (page.cursor !== undefined) {
    const match = /^(\d{1,15})~(.{1,160})$/.exec(page.cursor);
    if (match === null) throw badRequest('cursor', 'cursor must be a next_cursor of an earlier answer.');
    const [at, id] = [Number(match[1]), match[2] ?? ''];
    from = order.findIndex((rule) => rule.createdAt < at || (rule.createdAt === at && rule.id < id));
    if (from < 0) from = order.length;
  }
  const data = order.slice(from, from + page.limit);
  const last = data.at(-1);
  const more = last !== undefined && from + page.limit < order.length;
  return { data, next_cursor: more ? `${last.createdAt}~${last.id}` : null };
}
