import type { Approval, ApprovalKind } from '../core/policy/approval.ts';
import type { Budget } from '../core/policy/budget-rule.ts';
import type { Tenant } from './place-store.ts';
import type { Page, PageRequest } from './store.ts';

/** Spend of a budget in one window or part of it. */
export interface BudgetSpend {
  readonly account: string;
  readonly bucket: number;
  readonly nano: number;
}

/** The same by whether this process (or an earlier one with its number) spent it. */
export interface OwnedSpend extends BudgetSpend {
  readonly own: boolean;
}

/** Rules kept by scope. */
export interface RuleStore<Rule> {
  /** Throws `conflict` when the id exists. */
  insert(rule: Rule): Promise<void>;
  /** The rule with this id is replaced. Throws `not_found`. */
  update(rule: Rule): Promise<void>;
  /** False when there was none. */
  remove(id: string): Promise<boolean>;
  /** All of them, oldest first. */
  all(): Promise<readonly Rule[]>;
}

/** Budgets, and what they have spent as far as the ledger is ingested. */
export interface BudgetStore extends RuleStore<Budget> {
  /** Spend since `bucket`, and that of windows without an end. */
  spendSince(bucket: number): Promise<readonly OwnedSpend[]>;
  /**
   * What accounts begin with: all that was spent in a bucket, as far as it was not charged to them, is kept as nobody's.
   * Resolves to all there is of these accounts. `cleared`: a budget whose charges, and those of its members, are dropped
   * before, because it counts over other windows now.
   */
  begin(spend: readonly BudgetSpend[], cleared?: string): Promise<readonly OwnedSpend[]>;
  /** Deletes windows that began before `bucket`, except those without an end. */
  pruneSpend(bucket: number): Promise<number>;
}

/** Which approvals a list shows; all given facts must hold. */
export interface ApprovalFilter {
  readonly tenant: Tenant;
  /** As stored; those that expired still count as pending or approved. */
  readonly status?: Approval['status'] | undefined;
  readonly kind?: ApprovalKind | undefined;
  /** Only those that have not expired by then. */
  readonly openAt?: number | undefined;
}

/** A yes or no. */
export interface Decision {
  readonly status: 'approved' | 'rejected';
  readonly at: number;
  readonly by: string;
  readonly reason: string | undefined;
}

/** Approvals. Every change happens once, also with several processes. */
export interface ApprovalStore {
  insert(approval: Approval): Promise<void>;
  get(id: string): Promise<Approval | undefined>;
  /** Newest first. */
  list(page: PageRequest, filter: ApprovalFilter): Promise<Page<Approval>>;
  /** The newest for this request that waits or is approved, not expired and not used. */
  findOpen(requestHash: string, now: number): Promise<Approval | undefined>;
  /** How many of a key wait. */
  countPending(keyId: string, now: number): Promise<number>;
  /** The approval after the decision; undefined when it was not pending any more. */
  decide(id: string, decision: Decision): Promise<Approval | undefined>;
  /** True for exactly one caller, and only for an approved one that has not expired, for the very request. */
  use(id: string, requestHash: string, now: number): Promise<boolean>;
  /** Deletes what was created before `before`. */
  prune(before: number): Promise<number>;
}
