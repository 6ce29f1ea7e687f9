import { SluiceError } from '../core/errors/error.ts';
import type { RateLimiter } from '../core/policy/rate.ts';
import type { RateRule } from '../core/policy/rate-rule.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { BudgetDirectory } from './budget-directory.ts';
import { pageOfRules } from './budgets.ts';
import { type Caller, type Handlers, notFound, toTime } from './caller.ts';
import type { OutputOf, ParsedInputOf } from './contract.ts';
import { present } from './policies.ts';
import { demandHold, demandSight, runsGateway, type ScopePorts, scopeFor, sees } from './scope-rights.ts';

export interface LimitPorts extends ScopePorts {
  readonly budgets: BudgetDirectory;
  readonly limiter: RateLimiter;
  /** Requests that run in other processes, limit by limit. */
  readonly elsewhere: (ids: readonly string[]) => Promise<readonly number[]>;
  readonly clock: Clock;
  readonly random: Random;
}

function viewOf(rule: RateRule, ports: LimitPorts, elsewhere: number): OutputOf<'getLimit'> {
  return {
    id: rule.id,
    name: rule.name,
    scope: rule.scope.kind,
    scope_id: rule.scope.id,
    organization_id: rule.organizationId ?? null,
    limits: { ...rule.limits },
    on_limit: rule.maxWaitMs > 0 ? 'queue' : 'refuse',
    max_wait_ms: rule.maxWaitMs,
    max_waiting: rule.maxWaiting,
    in_flight: ports.limiter.inFlight(rule.id) + elsewhere,
    source: rule.source,
    created_at: toTime(rule.createdAt),
  };
}

function changed(rule: RateRule, input: Omit<ParsedInputOf<'updateLimit'>, 'id'>): RateRule {
  const { name, limits, on_limit, max_wait_ms, max_waiting } = input;
  const waits = on_limit === undefined ? rule.maxWaitMs > 0 : on_limit === 'queue';
  return {
    ...rule,
    ...(name === undefined ? {} : { name }),
    ...(limits === undefined ? {} : { limits: present(limits) }),
    ...(max_waiting === undefined ? {} : { maxWaiting: max_waiting }),
    maxWaitMs: waits ? (max_wait_ms ?? (rule.maxWaitMs || 10_000)) : 0,
  };
}

type LimitHandlers = Pick<
  Handlers,
  'createLimit' | 'listLimits' | 'getLimit' | 'updateLimit' | 'deleteLimit'
>;

/** Rate limits of any scope. */
export function createLimitHandlers(ports: LimitPorts): LimitHandlers {
  const { budgets, clock, random } = ports;

  async function viewsOf(rules: readonly RateRule[]): Promise<OutputOf<'getLimit'>[]> {
    const elsewhere = await ports.elsewhere(rules.map(({ id }) => id));
    return rules.map((rule, at) => viewOf(rule, ports, elsewhere[at] ?? 0));
  }

  async function view(rule: RateRule): Promise<OutputOf<'getLimit'>> {
    return viewOf(rule, ports, (await ports.elsewhere([rule.id]))[0] ?? 0);
  }

  function find(id: string, caller: Caller): RateRule {
    const rule = budgets.rule(id);
    if (rule === undefined) throw notFound('limit');
    demandSight(ports, caller, { permission: 'limits:read', rule, what: 'limit' });
    return rule;
  }

  function own(id: string, caller: Caller): RateRule {
    const rule = find(id, caller);
    demandHold(ports, caller, { permission: 'limits:write', rule, what: 'limit' });
    if (rule.source === 'api') return rule;
    throw new SluiceError('conflict', 'This limit is declared in the configuration file, and changed there.');
  }

  return {
    async createLimit(input, caller) {
      const { scope, organizationId } = scopeFor(ports, caller, input);
      const rule: RateRule = {
        id: random.id('limit_'),
        name: input.name ?? `${scope.kind} ${scope.id}`.slice(0, 128),
        scope,
        organizationId,
        limits: present(input.limits),
        maxWaitMs: input.on_limit === 'queue' ? input.max_wait_ms : 0,
        maxWaiting: input.max_waiting,
        source: 'api',
        createdAt: clock.now(),
        ...(scope.kind === 'organization' && runsGateway(caller) ? { locked: true } : {}),
      };
      demandHold(ports, caller, {
        permission: 'limits:write',
        rule: { ...rule, locked: false },
        what: 'limit',
      });
      await budgets.putRule(rule);
      return view(rule);
    },
    async listLimits(input, caller) {
      const wanted = [...budgets.allRules()].filter(
        (rule) =>
          (input.scope === undefined || rule.scope.kind === input.scope) &&
          (input.scope_id === undefined || rule.scope.id === input.scope_id) &&
          sees(ports, caller, { permission: 'limits:read', rule, what: 'limit' }),
      );
      const page = pageOfRules(wanted, input);
      return { data: await viewsOf(page.data), next_cursor: page.next_cursor };
    },
    async getLimit({ id }, caller) {
      return view(find(id, caller));
    },
    async updateLimit({ id, ...input }, caller) {
      const rule = changed(own(id, caller), input);
      await budgets.putRule(rule);
      return view(rule);
    },
    async deleteLimit({ id }, caller) {
      await budgets.removeRule(own(id, caller));
      return { ok: true };
    },
  };
}
