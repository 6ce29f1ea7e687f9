import { usdToNano } from '../core/cost/money.ts';
import { badRequest, SluiceError } from '../core/errors/error.ts';
import { type Approval, statusAt } from '../core/policy/approval.ts';
import type { PlaceLimits, VirtualKey } from '../core/policy/virtual-key.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { KeyChange, Store } from '../ports/store.ts';
import type { ApprovalBook } from './approval-book.ts';
import type { BudgetDirectory } from './budget-directory.ts';
import { raised } from './budgets.ts';
import { type Caller, type Handlers, notFound, operator, toTime } from './caller.ts';
import type { OutputOf } from './contract.ts';
import { present } from './policies.ts';
import { demand, isOf, type Location } from './rights.ts';
import { demandHold, type ScopePorts } from './scope-rights.ts';

export interface ApprovalPorts extends ScopePorts {
  readonly store: Store;
  readonly approvals: ApprovalBook;
  readonly budgets: BudgetDirectory;
  readonly clock: Clock;
  readonly random: Random;
  readonly url: () => string;
}

type View = OutputOf<'getApproval'>;

function detailsOf(approval: Approval): Record<string, unknown> {
  return JSON.parse(approval.details) as Record<string, unknown>;
}

function viewOf(approval: Approval, now: number): View {
  const time = (at: number | undefined): string | null => (at === undefined ? null : toTime(at));
  return {
    id: approval.id,
    kind: approval.kind,
    status: statusAt(approval, now),
    organization_id: approval.organizationId ?? null,
    requested_by: approval.requestedBy,
    key_id: approval.keyId ?? null,
    subject: approval.subject,
    details: detailsOf(approval),
    created_at: toTime(approval.createdAt),
    expires_at: toTime(approval.expiresAt),
    decided_at: time(approval.decidedAt),
    decided_by: approval.decidedBy ?? null,
    reason: approval.reason ?? null,
    used_at: time(approval.usedAt),
  };
}

/** What to change on a key, and where it is. */
interface KeyWish {
  readonly key: VirtualKey;
  readonly change: KeyChange;
}

/** Reading and deciding. Each decision needs the right to do by oneself what is asked for. */
class Decisions {
  readonly #ports: ApprovalPorts;

  constructor(ports: ApprovalPorts) {
    this.#ports = ports;
  }

  async find(id: string, caller: Caller): Promise<Approval> {
    const approval = await this.#ports.store.approvals.get(id);
    const mine =
      approval?.organizationId === undefined
        ? caller.tenant === 'every'
        : isOf(caller, approval.organizationId);
    if (approval === undefined || !mine) throw notFound('approval');
    return approval;
  }

  /** Throws unless the caller may decide; returns what a yes does. */
  effectFor(approval: Approval, caller: Caller): (() => Promise<void>) | undefined {
    if (caller.userId !== undefined && approval.requestedBy === caller.actor) {
      throw new SluiceError('forbidden', 'Somebody else has to decide what you asked for.');
    }
    demand(caller, 'approvals:write', { ...this.#locate(approval, caller), what: 'approval' });
    switch (approval.kind) {
      case 'call':
        return undefined;
      case 'budget_raise':
        return this.#raise(approval, caller);
      default:
        return this.#changeKey(approval, caller);
    }
  }

  #locate({ organizationId, keyId }: Approval, caller: Caller): Location {
    const key = keyId === undefined ? undefined : this.#ports.directory.get(keyId);
    if (key !== undefined) return { organizationId: key.organizationId, teamId: key.teamId };
    const own = caller.tenant === 'every' ? '' : caller.tenant.organizationId;
    return { organizationId: organizationId ?? own };
  }

  #raise(approval: Approval, caller: Caller): () => Promise<void> {
    const { budgets, clock, random } = this.#ports;
    const { budget_id, amount_usd, expires_at, reason } = detailsOf(approval);
    const budget = budgets.budget(String(budget_id));
    if (budget === undefined) throw notFound('budget');
    demandHold(this.#ports, caller, { permission: 'budgets:write', rule: budget, what: 'budget' });
    return async () => {
      const now = budgets.budget(budget.id) ?? budget;
      const raise = {
        id: random.id('raise_'),
        amountNano: usdToNano(String(amount_usd), 'amount_usd'),
        expiresAt: Date.parse(String(expires_at)),
        reason: typeof reason === 'string' ? reason : undefined,
      };
      await budgets.putBudget(raised(now, raise, clock.now()));
    };
  }

  #changeKey(approval: Approval, caller: Caller): () => Promise<void> {
    const { store, directory } = this.#ports;
    const { key, change } = this.#keyWish(approval);
    demand(caller, 'keys:write', { organizationId: key.organizationId, teamId: key.teamId, what: 'key' });
    return async () => {
      await directory.put(await store.keys.update(key.id, change));
    };
  }

  #keyWish(approval: Approval): KeyWish {
    const key = this.#ports.directory.get(approval.keyId ?? '');
    if (key === undefined) throw notFound('key');
    const { models, limits, expires_at } = detailsOf(approval);
    const change: { -readonly [K in keyof KeyChange]: KeyChange[K] } = {};
    // A key without a list may use every model already.
    if (Array.isArray(models) && key.models !== undefined)
      change.models = [...new Set([...key.models, ...models.map(String)])];
    if (typeof limits === 'object' && limits !== null)
      change.limits = { ...key.limits, ...(limits as PlaceLimits) };
    if (typeof expires_at === 'string') change.expiresAt = Date.parse(expires_at);
    return { key, change };
  }
}

type ApprovalHandlers = Pick<
  Handlers,
  | 'listApprovals'
  | 'getApproval'
  | 'requestApproval'
  | 'approve'
  | 'reject'
  | 'createApprovalLink'
  | 'decideByLink'
>;

/** Approvals: list, ask, decide, and hand the decision to somebody by a signed link. */
export function createApprovalHandlers(ports: ApprovalPorts): ApprovalHandlers {
  const { store, approvals, clock, directory } = ports;
  const decisions = new Decisions(ports);

  async function decide(
    approve: boolean,
    { id, reason }: { readonly id: string; readonly reason?: string | undefined },
    caller: Caller,
  ): Promise<View> {
    const approval = await decisions.find(id, caller);
    const effect = decisions.effectFor(approval, caller);
    const decided = await approvals.decide(approval, { approve, by: caller.actor, reason }, effect);
    return viewOf(decided, clock.now());
  }

  return {
    async listApprovals(input, caller) {
      const { tenant } = caller;
      const now = clock.now();
      const open = input.status === 'pending' || input.status === 'approved';
      const status = input.status === 'expired' ? undefined : input.status;
      const filter = { tenant, status, kind: input.kind, openAt: open ? now : undefined };
      const page = await store.approvals.list(input, filter);
      const data = page.data
        .map((approval) => viewOf(approval, now))
        .filter(({ status: shown }) => input.status !== 'expired' || shown === 'expired');
      return { data, next_cursor: page.nextCursor ?? null };
    },
    async getApproval({ id }, caller) {
      return viewOf(await decisions.find(id, caller), clock.now());
    },
    async requestApproval(input, caller) {
      const { kind, key_id, reason, ...wish } = input;
      const key = directory.get(key_id);
      if (key === undefined || !isOf(caller, key.organizationId)) throw notFound('key');
      const asked = kind === 'model_access' ? wish.models : (wish.limits ?? wish.expires_at);
      if (asked === undefined) {
        const field = kind === 'model_access' ? 'models' : 'limits';
        throw badRequest(field, `\`${field}\`: say what is asked for.`);
      }
      const approval = await approvals.ask(caller, {
        kind,
        organizationId: key.organizationId,
        keyId: key.id,
        subject: `${kind === 'model_access' ? 'More models' : 'More rights'} for the key \`${key.name}\`.`,
        details: { ...present(wish), reason: reason ?? null },
      });
      return viewOf(approval, clock.now());
    },
    approve: (input, caller) => decide(true, input, caller),
    reject: (input, caller) => decide(false, input, caller),
    async createApprovalLink({ id }, caller) {
      const approval = await decisions.find(id, caller);
      decisions.effectFor(approval, caller);
      const token = approvals.token(approval, caller.actor);
      return {
        url: `${ports.url()}/approve#${encodeURIComponent(token)}`,
        token,
        expires_at: toTime(approval.expiresAt),
      };
    },
    async decideByLink({ token, decision, reason }, caller) {
      const { approval, by } = await approvals.byToken(token);
      // Who made the link was allowed to decide, and answers for it.
      const holder = operator(`link of ${by}`, caller.address);
      const effect = decisions.effectFor(approval, holder);
      const told = { approve: decision === 'approve', by: holder.actor, reason };
      const decided = await approvals.decide(approval, told, effect);
      return { id: decided.id, status: statusAt(decided, clock.now()), subject: decided.subject };
    },
  };
}
