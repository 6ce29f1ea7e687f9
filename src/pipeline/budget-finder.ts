import type { BudgetBook } from '../core/policy/budget.ts';
import type { Budget } from '../core/policy/budget-rule.ts';
import type { Applied, ScopeFacts, ScopeIndex } from '../core/policy/scope-index.ts';
import type { VirtualKey } from '../core/policy/virtual-key.ts';
import type { Granted } from './policy-facts.ts';
import type { ModelRoute } from './runtime.ts';

/** The budgets that pay for a request. */
export interface Payers {
  readonly applied: readonly Applied<Budget>[];
  readonly ids: readonly string[];
  /** Those that only warn. */
  readonly soft: ReadonlySet<string>;
  /** One of them is never to be passed. */
  readonly hard: boolean;
}

const NO_FACTS: ScopeFacts = Object.freeze({ tags: {}, models: [], endUser: undefined, session: undefined });
/** Accounts of members that clients invent; more of one budget share one account. */
const MAX_ACCOUNTS = 200_000;

/** Every name a model goes by: a budget on it is not passed by another spelling. */
export function modelNames(asked: string, route: ModelRoute): readonly string[] {
  const names = new Set([asked, route.name, ...(route.aliases ?? [])]);
  for (const { id, model } of route.deployments) names.add(id).add(model);
  return [...names];
}

/** What a request says about itself, as far as rules of this index ask for it. */
export function scopeFacts(exchange: Granted, index: ScopeIndex<never>): ScopeFacts {
  if (!index.readsRequest) return NO_FACTS;
  const { client, envelope, grant } = exchange;
  return {
    tags: client.tags,
    models: index.hasModels ? modelNames(envelope.model, grant.route) : NO_FACTS.models,
    endUser: client.user,
    session: client.session,
  };
}

function payersOf(applied: readonly Applied<Budget>[]): Payers | undefined {
  if (applied.length === 0) return undefined;
  return {
    applied,
    ids: applied.map(({ account }) => account),
    soft: new Set(applied.filter(({ rule }) => rule.action === 'warn').map(({ account }) => account)),
    hard: applied.some(({ rule }) => rule.hard),
  };
}

/** A key's own `budget` field as a budget of scope key; its account has the key's id. */
export function budgetOfKey(key: VirtualKey): Budget | undefined {
  const { budget } = key;
  if (budget === undefined) return undefined;
  return {
    ...budget,
    id: key.id,
    name: key.name,
    scope: { kind: 'key', id: key.id },
    organizationId: undefined,
    downgradeTo: budget.downgradeTo,
    hard: false,
    source: 'key',
    createdAt: key.createdAt,
  };
}

/** Finds who pays. What follows from the key alone is found once per key and set of budgets. */
export class BudgetFinder {
  readonly #book: BudgetBook;
  #index: ScopeIndex<Budget> | undefined;
  #ofKeys = new WeakMap<VirtualKey, { readonly payers: Payers | undefined }>();

  constructor(book: BudgetBook) {
    this.#book = book;
  }

  find(exchange: Granted, index: ScopeIndex<Budget>, now: number): Payers | undefined {
    const { key, scopes } = exchange.principal;
    if (index !== this.#index) {
      this.#index = index;
      this.#ofKeys = new WeakMap();
    }
    if (index.size === 0 && key?.budget === undefined) return undefined;
    if (key === undefined || index.readsRequest) return this.#collect(exchange, index, now);
    const known = this.#ofKeys.get(key);
    if (known !== undefined) return known.payers;
    const payers = this.#collect(exchange, index, now);
    // Members' accounts come and go.
    if (scopes.length > 0 && !index.countsMembers) this.#ofKeys.set(key, { payers });
    return payers;
  }

  #collect(exchange: Granted, index: ScopeIndex<Budget>, now: number): Payers | undefined {
    const { key, scopes } = exchange.principal;
    const found = index.find(scopes, scopeFacts(exchange, index as ScopeIndex<never>));
    const own = key === undefined ? undefined : budgetOfKey(key);
    const applied = own === undefined ? found : [{ rule: own, account: own.id }, ...found];
    return payersOf(applied.map((entry) => this.opened(entry, now)));
  }

  /** A member's account is opened when it is first met. */
  opened(entry: Applied<Budget>, now: number): Applied<Budget> {
    const { rule, account } = entry;
    if (account === rule.id || this.#book.has(account)) return entry;
    const shared = this.#book.size >= MAX_ACCOUNTS ? `${rule.id}/(other)` : account;
    if (!this.#book.has(shared)) this.#book.define(shared, rule, { now });
    return { rule, account: shared };
  }
}
