import type { DatabaseSync } from 'node:sqlite';
import { SluiceError } from '../../core/errors/error.ts';
import type { Budget } from '../../core/policy/budget-rule.ts';
import type { RateRule } from '../../core/policy/rate-rule.ts';
import type { Scoped } from '../../core/policy/scope-index.ts';
import type { BudgetSpend, BudgetStore, OwnedSpend, RuleStore } from '../../ports/budget-store.ts';
import { isUniqueViolation } from './failure.ts';

type Rule = Scoped & { readonly createdAt: number };

/** Budgets and their spend in the database. */
export function createBudgetStore(raw: DatabaseSync, slot: number): BudgetStore {
  const since = raw.prepare(`${OWNED} WHERE bucket >= ?2 OR bucket = 0 GROUP BY 1, 2, 3`);
  const prune = raw.prepare('DELETE FROM budget_spend WHERE bucket < ? AND bucket > 0');
  const pruneClaims = raw.prepare('DELETE FROM budget_claims WHERE bucket < ? AND bucket > 0');
  return {
    ...ruleStore<Budget>(raw, 'budgets'),
    async spendSince(bucket) {
      return since.all(slot, bucket).map(ownedOf);
    },
    begin: async (spend, cleared) => begin(raw, spend, { slot, cleared }),
    async pruneSpend(bucket) {
      pruneClaims.run(bucket);
      return Number(prune.run(bucket).changes);
    },
  };
}

const OWNED = `SELECT account, bucket, slot = ?1 AS own, sum(settled_nano) AS nano FROM budget_spend`;

function ownedOf(row: Readonly<Record<string, unknown>>): OwnedSpend {
  return {
    account: String(row['account']),
    bucket: Number(row['bucket']),
    nano: Number(row['nano']),
    own: row['own'] === 1,
  };
}

/** Drops what is known of a budget and of its members: `budget/ann` lies between `budget/` and `budget0`. */
function clear(raw: DatabaseSync, id: string): void {
  for (const table of ['budget_spend', 'budget_claims']) {
    raw
      .prepare(`DELETE FROM ${table} WHERE account = ? OR (account >= ? AND account < ?)`)
      .run(id, `${id}/`, `${id}0`);
  }
}

/** Nobody's share (slot 0) is what the charges of processes do not explain. */
function begin(
  raw: DatabaseSync,
  spend: readonly BudgetSpend[],
  { slot, cleared }: { readonly slot: number; readonly cleared: string | undefined },
): OwnedSpend[] {
  const charged = raw.prepare(
    'SELECT sum(settled_nano) AS nano FROM budget_spend WHERE account = ? AND bucket = ? AND slot <> 0',
  );
  const put = raw.prepare(
    'INSERT OR REPLACE INTO budget_spend (account, bucket, slot, settled_nano) VALUES (?, ?, 0, ?)',
  );
  const drop = raw.prepare('DELETE FROM budget_spend WHERE account = ? AND bucket = ? AND slot = 0');
  const read = raw.prepare(`${OWNED} WHERE account = ?2 GROUP BY 1, 2, 3`);
  raw.exec('BEGIN IMMEDIATE');
  try {
    if (cleared !== undefined) clear(raw, cleared);
    for (const { account, bucket, nano } of spend) {
      const rest = nano - Number(charged.get(account, bucket)?.['nano'] ?? 0);
      if (rest > 0) put.run(account, bucket, rest);
      else drop.run(account, bucket);
    }
    raw.exec('COMMIT');
  } catch (error) {
    if (raw.isTransaction) raw.exec('ROLLBACK');
    throw error;
  }
  const accounts = [...new Set(spend.map(({ account }) => account))];
  return accounts.flatMap((account) => read.all(slot, account).map(ownedOf));
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
