import { type Kysely, sql } from 'kysely';
import type { ExchangeFilter, Page, PageRequest } from '../../ports/store.ts';
import { indexedTags, ROW_OVERHEAD_BYTES } from './exchange-writer.ts';
import { limitOf, pageOf, placeOf } from './paging.ts';
import type { Schema } from './schema.ts';

/** The log in the worker: records leave it as the JSON text they are stored as and are parsed where they are used. */
export interface ExchangeTexts {
  list(filter: ExchangeFilter, page: PageRequest): Promise<Page<string>>;
  get(id: string): Promise<string | undefined>;
  prune(limits: { readonly before?: number; readonly maxBytes?: number }): Promise<number>;
}

/** Rows deleted per transaction, so that ingest never waits long. */
const PRUNE_ROWS = 500;
const VACUUM_PAGES = 512;

/** The log in the database. */
export function createExchangeTexts(typed: Kysely<Schema>): ExchangeTexts {
  return {
    async list(filter, page) {
      const limit = limitOf(page);
      const rows = await select(typed, filter, placeOf(page))
        .limit(limit + 1)
        .execute();
      return pageOf(rows, limit, {
        place: (row) => ({ at: row.started_at, id: String(row.seq) }),
        item: (row) => row.record,
      });
    },
    async get(id) {
      const row = await typed
        .selectFrom('exchanges')
        .select('record')
        .where('id', '=', id)
        .executeTakeFirst();
      return row?.record;
    },
    async prune(limits) {
      let deleted = 0;
      for (;;) {
        const batch = await pruneBatch(typed, limits);
        deleted += batch;
        if (batch < PRUNE_ROWS) {
          break;
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (deleted > 0) {
        await sql`PRAGMA incremental_vacuum(${sql.lit(VACUUM_PAGES)})`.execute(typed);
      }
      return deleted;
    },
  };
}

type Place = ReturnType<typeof placeOf>;

/** A tag with a value is looked up first, in an index that has the order; every other filter starts from the log. */
function select(typed: Kysely<Schema>, filter: ExchangeFilter, place: Place) {
  const { tag } = filter;
  if (tag?.value !== undefined) {
    const { name, value } = tag;
    const query = typed
      .selectFrom('exchange_tags as place')
      .innerJoin('exchanges', 'exchanges.seq', 'place.seq')
      .select(['place.started_at', 'place.seq', 'record'])
      .where('place.name', '=', name)
      .where('place.value', '=', value)
      .$if(filter.from !== undefined, (rest) => rest.where('place.started_at', '>=', filter.from ?? 0))
      .$if(filter.to !== undefined, (rest) => rest.where('place.started_at', '<', filter.to ?? 0))
      .$if(place !== undefined, (rest) =>
        rest.where(sql<boolean>`(place.started_at, place.seq) < ${row(place)}`),
      )
      .orderBy('place.started_at', 'desc')
      .orderBy('place.seq', 'desc');
    return query.where((eb) => eb.and(columnFilters(filter)));
  }
  return typed
    .selectFrom('exchanges')
    .select(['started_at', 'seq', 'record'])
    .$if(filter.from !== undefined, (rest) => rest.where('started_at', '>=', filter.from ?? 0))
    .$if(filter.to !== undefined, (rest) => rest.where('started_at', '<', filter.to ?? 0))
    .$if(place !== undefined, (rest) => rest.where(sql<boolean>`(started_at, seq) < ${row(place)}`))
    .$if(tag !== undefined, (rest) => rest.where(hasTag(tag?.name ?? '')))
    .where((eb) => eb.and(columnFilters(filter)))
    .orderBy('started_at', 'desc')
    .orderBy('seq', 'desc');
}

function row(place: Place) {
  return sql`(${place?.at}, ${Number(place?.id)})`;
}

function hasTag(name: string) {
  return sql<boolean>`EXISTS (SELECT 1 FROM json_each(record, '$.tags') AS tag WHERE tag.key = ${name})`;
}

function columnFilters(filter: ExchangeFilter) {
  const wanted = {
    key_id: filter.keyId,
    model: filter.model,
    provider: filter.provider,
    client_request_id: filter.clientRequestId,
  };
  const conditions = Object.entries(wanted)
    .filter(([, value]) => value !== undefined)
    .map(([column, value]) => sql<boolean>`${sql.ref(column)} = ${value}`);
  if (filter.status !== undefined) {
    conditions.push(sql<boolean>`status = ${filter.status}`);
    if (filter.status >= 300) {
      // Lets SQLite use the partial index.
      conditions.push(sql<boolean>`status >= 300`);
    }
  }
  return conditions;
}

/** Deletes up to PRUNE_ROWS of the oldest rows that are too old, or too many. */
async function pruneBatch(typed: Kysely<Schema>, limits: { before?: number; maxBytes?: number }) {
  return typed.transaction().execute(async (transaction) => {
    const state = await transaction.selectFrom('ingest_state').select('raw_bytes').executeTakeFirst();
    let excess = (state?.raw_bytes ?? 0) - (limits.maxBytes ?? Number.POSITIVE_INFINITY);
    const oldest = await transaction
      .selectFrom('exchanges')
      .select(['seq', 'started_at', 'record'])
      .orderBy('started_at')
      .limit(PRUNE_ROWS)
      .execute();
    let bytes = 0;
    let deleted = 0;
    for (const found of oldest) {
      if (excess <= 0 && !(limits.before !== undefined && found.started_at < limits.before)) {
        break;
      }
      for (const [name, value] of indexedTags(JSON.parse(found.record))) {
        await transaction
          .deleteFrom('exchange_tags')
          .where('name', '=', name)
          .where('value', '=', value)
          .where('started_at', '=', found.started_at)
          .where('seq', '=', found.seq)
          .execute();
      }
      await transaction.deleteFrom('exchanges').where('seq', '=', found.seq).execute();
      excess -= found.record.length + ROW_OVERHEAD_BYTES;
      bytes += found.record.length + ROW_OVERHEAD_BYTES;
      deleted += 1;
    }
    await transaction
      .updateTable('ingest_state')
      .set((eb) => ({ raw_bytes: eb('raw_bytes', '-', bytes) }))
      .execute();
    return deleted;
  });
}
