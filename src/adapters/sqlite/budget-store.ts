import type { DatabaseSync } from 'node:sqlite';
import { SluiceError } from '../../core/errors/error.ts';
import type { Budget } from '../../core/policy/budget-rule.ts';
import type { RateRule } from '../../core/policy/rate-rule.ts';
import type { Scoped } from '../../core/policy/scope-index.ts';
import type { BudgetStore, RuleStore } from '../../ports/budget-store.ts';
import { isUniqueViolation } from './failure.ts';

type Rule = Scoped & { readonly createdAt: number };

/** Budgets and their spend in the database. */
export function createBudgetStore(raw: DatabaseSync): BudgetStore {
  const since = raw.prepare(
    'SELECT account, bucket, settled_nano AS nano FROM budget_spend WHERE bucket >= ? OR bucket = 0',
  );
  const set = raw.prepare(
    `INSERT INTO budget_spend (account, bucket, settled_nano) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET settled_nano = excluded.settled_nano`,
  );
  const prune = raw.prepare('DELETE FROM budget_spend WHERE bucket < ? AND bucket > 0');
  return {
    ...ruleStore<Budget>(raw, 'budgets'),
    async spendSince(bucket) {
      return since.all(bucket).map((row) => ({
        account: String(row['account']),
        bucket: Number(row['bucket']),
        nano: Number(row['nano']),
      }));
    },
    async setSpend({ account, bucket, nano }) {
      set.run(account, bucket, nano);
    },
    async pruneSpend(bucket) {
      return Number(prune.run(bucket).changes);
    },
  };
}

/** Rate limits of any scope in the database. */
export function createRateRuleStore(raw: DatabaseSync): RuleStore<RateRule> {
  return ruleStore<RateRule>(raw, 'rate_rules');
}

/** What is looked for stands in columns, the rest is JSON text. */
function ruleStore<Kept extends Rule>(raw: DatabaseSync, table: 'budgets' | 'rate_rules'): RuleStore<Kept> {
  const columns = '(id, scope_kind, scope_id, organization_id, definition, created_at)';
  const insert = raw.prepare(`INSERT INTO ${table} ${columns} VALUES (?, ?, ?, ?, ?, ?)`);
  const update = raw.prepare(`UPDATE ${table} SET definition = ? WHERE id = ?`);
  const remove = raw.prepare(`DELETE FROM ${table} WHERE id = ?`);
  const all = raw.prepare(`SELECT * FROM ${table} ORDER BY created_at, id`);
  const textOf = ({ id: _, scope: __, organizationId: ___, createdAt: ____, ...rest }: Kept) =>
    JSON.stringify(rest);
  return {
    async insert(rule) {
      const { id, scope, organizationId, createdAt } = rule;
      try {
        insert.run(id, scope.kind, scope.id, organizationId ?? null, textOf(rule), createdAt);
      } catch (error) {
        if (!isUniqueViolation(error)) throw error;
        throw new SluiceError('conflict', 'There is one with this id already.');
      }
    },
    async update(rule) {
      if (Number(update.run(textOf(rule), rule.id).changes) === 0) {
        throw new SluiceError('not_found', 'There is none with this id.');
      }
    },
    async remove(id) {
      return Number(remove.run(id).changes) > 0;
    },
    async all() {
      return all.all().map(
        (row) =>
          ({
            ...JSON.parse(String(row['definition'])),
            id: String(row['id']),
            scope: { kind: String(row['scope_kind']), id: String(row['scope_id']) },
            organizationId: row['organization_id'] === null ? undefined : String(row['organization_id']),
            createdAt: Number(row['created_at']),
          }) as Kept,
      );
    },
  };
}
