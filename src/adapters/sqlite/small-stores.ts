import { type Kysely, type Selectable, sql } from 'kysely';
import type { PriceOverride, PriceOverrideStore, Setting, SettingStore } from '../../ports/store.ts';
import type { PriceOverrideTable, Schema, SettingTable } from './schema.ts';

const MAX_SETTINGS = 10_000;

/** Price overrides in the database. */
export function createPriceOverrideStore(typed: Kysely<Schema>): PriceOverrideStore {
  return {
    async list() {
      const rows = await typed.selectFrom('price_overrides').selectAll().orderBy('model').execute();
      return rows.map(priceOf);
    },
    async put({ model, price, updatedAt }) {
      const row = { model, price: JSON.stringify(price), updated_at: updatedAt };
      await typed
        .insertInto('price_overrides')
        .values(row)
        .onConflict((conflict) => conflict.column('model').doUpdateSet(row))
        .execute();
    },
    async delete(model) {
      const done = await typed.deleteFrom('price_overrides').where('model', '=', model).executeTakeFirst();
      return done.numDeletedRows > 0n;
    },
  };
}

/** Settings in the database. */
export function createSettingStore(typed: Kysely<Schema>): SettingStore {
  return {
    async get(name) {
      const row = await typed.selectFrom('settings').selectAll().where('name', '=', name).executeTakeFirst();
      return row && settingOf(row);
    },
    async put({ name, value, updatedAt, expiresAt }) {
      const row = { name, value, updated_at: updatedAt, expires_at: expiresAt ?? null };
      await typed
        .insertInto('settings')
        .values(row)
        .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
        .execute();
    },
    async delete(name) {
      const done = await typed.deleteFrom('settings').where('name', '=', name).executeTakeFirst();
      return done.numDeletedRows > 0n;
    },
    async list(prefix, after = '') {
      // A comparison of the beginning, not LIKE: the prefix may hold its wildcards. Its last possible end keeps the index
      // from being read to its own.
      const rows = await typed
        .selectFrom('settings')
        .selectAll()
        .where('name', '>=', prefix)
        .where('name', '<', `${prefix}\u{10ffff}`)
        .where('name', '>', after)
        .where(sql<boolean>`substr(name, 1, length(${prefix})) = ${prefix}`)
        .orderBy('name')
        .limit(MAX_SETTINGS)
        .execute();
      return rows.map(settingOf);
    },
    async deleteExpired(now) {
      const done = await typed.deleteFrom('settings').where('expires_at', '<=', now).executeTakeFirst();
      return Number(done.numDeletedRows);
    },
  };
}

function priceOf(row: Selectable<PriceOverrideTable>): PriceOverride {
  return { model: row.model, price: JSON.parse(row.price), updatedAt: row.updated_at };
}

function settingOf(row: Selectable<SettingTable>): Setting {
  return {
    name: row.name,
    value: row.value,
    updatedAt: row.updated_at,
    expiresAt: row.expires_at ?? undefined,
  };
}
