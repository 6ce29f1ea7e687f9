import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ExchangeRecord } from '../../core/cost/exchange.ts';
import { completionTokens } from '../../core/model/index.ts';

/** A row's bytes besides its record: columns and index entries, roughly. */
export const ROW_OVERHEAD_BYTES = 300;

/** Names come from clients; a longer one is cut where it is indexed (the record keeps all of it). */
const MAX_NAME_LENGTH = 256;
const MAX_TAGS = 16;
const HOUR_MS = 3_600_000;

/** An exchange and the journal's text of it, which is stored as it is. */
export interface SettledExchange {
  readonly record: ExchangeRecord;
  readonly json: string;
}

/** Keys of a rollup row, in the order of the primary key. */
type RollupKey = readonly [
  tag: string,
  hour: number,
  key: string,
  model: string,
  provider: string,
  user: string,
  value: string,
];

interface Rollup {
  readonly key: RollupKey;
  /** requests, errors, cost, input, cache read, cache write, output, latency */
  readonly sums: [number, number, number, number, number, number, number, number];
}

/** The hot path into the database: prepared once, rollups added up per batch before they are written. */
export class ExchangeWriter {
  readonly #exchange: StatementSync;
  readonly #tag: StatementSync;
  readonly #rollup: StatementSync;

  constructor(raw: DatabaseSync) {
    this.#exchange = raw.prepare(
      `INSERT OR IGNORE INTO exchanges
         (id, started_at, key_id, model, provider, status, client_request_id, record)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#tag = raw.prepare(
      'INSERT OR IGNORE INTO exchange_tags (name, value, started_at, seq) VALUES (?, ?, ?, ?)',
    );
    this.#rollup = raw.prepare(
      `INSERT INTO rollups (tag_name, hour, key_id, model, provider, user_name, tag_value, requests, errors,
         cost_nano, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, latency_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET
         requests = requests + excluded.requests, errors = errors + excluded.errors,
         cost_nano = cost_nano + excluded.cost_nano, input_tokens = input_tokens + excluded.input_tokens,
         cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
         cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
         output_tokens = output_tokens + excluded.output_tokens, latency_ms = latency_ms + excluded.latency_ms`,
    );
  }

  /** Inserts within the caller's transaction; an id that is there already changes nothing. Returns bytes added. */
  insert(rows: readonly SettledExchange[]): number {
    const rollups = new Map<string, Rollup>();
    let bytes = 0;
    for (const { record, json } of rows) {
      const added = this.#exchange.run(
        record.id,
        record.startedAt,
        record.keyId ?? null,
        cut(record.model),
        record.provider ?? null,
        record.status,
        record.clientRequestId === undefined ? null : cut(record.clientRequestId),
        json,
      );
      if (added.changes === 0) {
        continue;
      }
      bytes += json.length + ROW_OVERHEAD_BYTES;
      const tags = indexedTags(record);
      for (const [name, value] of tags) {
        this.#tag.run(name, value, record.startedAt, added.lastInsertRowid);
      }
      addUp(rollups, record, tags);
    }
    for (const { key, sums } of rollups.values()) {
      this.#rollup.run(...key, ...sums);
    }
    return bytes;
  }
}

/** The tags a record is found by. */
export function indexedTags(record: Pick<ExchangeRecord, 'tags'>): [string, string][] {
  return Object.entries(record.tags)
    .filter(([name]) => name !== '')
    .slice(0, MAX_TAGS)
    .map(([name, value]) => [cut(name), cut(value)]);
}

function addUp(rollups: Map<string, Rollup>, record: ExchangeRecord, tags: readonly [string, string][]) {
  const hour = Math.floor(record.startedAt / HOUR_MS) * HOUR_MS;
  // A name nobody serves is the client's invention; a row for each would let anyone fill the table.
  const model = record.error === 'model_not_found' ? '' : cut(record.model);
  for (const [tag, value] of [['', ''] as const, ...tags]) {
    const key: RollupKey = [
      tag,
      hour,
      record.keyId ?? '',
      model,
      record.provider ?? '',
      cut(record.user ?? ''),
      value,
    ];
    const name = JSON.stringify(key);
    let rollup = rollups.get(name);
    if (rollup === undefined) {
      rollup = { key, sums: [0, 0, 0, 0, 0, 0, 0, 0] };
      rollups.set(name, rollup);
    }
    const { usage } = record;
    rollup.sums[0] += 1;
    rollup.sums[1] += record.outcome === 'answered' ? 0 : 1;
    rollup.sums[2] += whole(record.cost?.total ?? 0);
    rollup.sums[3] += whole(usage.input + usage.audioInput);
    rollup.sums[4] += whole(usage.cacheRead);
    rollup.sums[5] += whole(usage.cacheWrite5m + usage.cacheWrite1h);
    rollup.sums[6] += whole(completionTokens(usage));
    rollup.sums[7] += whole(record.latencyMs);
  }
}

/** STRICT integer columns refuse fractions, and one odd figure must not stop the journal. */
function whole(count: number): number {
  return Number.isFinite(count) ? Math.min(Math.max(0, Math.round(count)), Number.MAX_SAFE_INTEGER) : 0;
}

function cut(name: string): string {
  return name.length > MAX_NAME_LENGTH ? name.slice(0, MAX_NAME_LENGTH) : name;
}
