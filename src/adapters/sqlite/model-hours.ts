import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { DEFAULT_ORGANIZATION_ID } from '../../core/policy/place.ts';
import type { ModelUse, ModelUseQuery } from '../../ports/store.ts';
import { decodeWho, type ExchangeHead, upstreamModelOf } from '../journal/exchange-text.ts';
import { hourOf, OVERFLOW, ROLLUP_LIMITS } from './rollups.ts';
import { cut } from './sums.ts';

/** Hours whose rows are counted; exchanges that started earlier cost a look into the table. */
const REMEMBERED_HOURS = 4;

interface Added {
  readonly hour: number;
  readonly upstream: string;
  readonly model: string;
  readonly deployment: string;
  readonly organization: string;
  requests: number;
  tokens: number;
  nano: number;
}

/** Adds up what was asked for under which name and who answered it, in the transaction that stores the exchanges. */
export class ModelHourWriter {
  readonly #add: StatementSync;
  readonly #count: StatementSync;
  readonly #hours = new Map<number, Set<string>>();
  /** By who asked: a few hours and models each. */
  #sums = new Map<string, Added[]>();

  constructor(raw: DatabaseSync) {
    this.#add = raw.prepare(
      `INSERT INTO model_hours VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
         requests = requests + excluded.requests, tokens = tokens + excluded.tokens,
         cost_nano = cost_nano + excluded.cost_nano`,
    );
    this.#count = raw.prepare('SELECT DISTINCT model FROM model_hours WHERE hour = ?');
  }

  /** `text` is the exchange's, `who` its part of it. What was refused counts nothing, unless limits had let it through to the budgets. */
  add(head: ExchangeHead, who: string, text: string): void {
    const nano = head[5] ?? 0;
    if (head[2] === 'refused' && head[3] !== 'budget_exceeded') return;
    const upstream = upstreamModelOf(text) ?? '';
    const hour = hourOf(head[0]);
    const sum = this.#sumOf(hour, who, upstream);
    sum.requests += 1;
    sum.tokens += head[6] + head[7] + head[8] + head[9] + head[10] + head[11] + head[12];
    sum.nano += nano;
  }

  #sumOf(hour: number, who: string, upstream: string): Added {
    let ofWho = this.#sums.get(who);
    if (ofWho === undefined) {
      ofWho = [];
      this.#sums.set(who, ofWho);
    }
    for (const sum of ofWho) if (sum.hour === hour && sum.upstream === upstream) return sum;
    const [, model, provider, , , place] = decodeWho(who);
    const [organization = DEFAULT_ORGANIZATION_ID] = place ?? [];
    const deployment = provider === null || upstream === '' ? '' : cut(`${provider}/${upstream}`);
    const figures = { requests: 0, tokens: 0, nano: 0 };
    const sum = { hour, upstream, model: cut(model), deployment, organization, ...figures };
    ofWho.push(sum);
    return sum;
  }

  write(): void {
    for (const { hour, model, deployment, organization, requests, tokens, nano } of [
      ...this.#sums.values(),
    ].flat()) {
      const figures = [requests, tokens, nano].map((one) =>
        Number.isFinite(one) ? Math.min(Math.max(0, Math.round(one)), Number.MAX_SAFE_INTEGER) : 0,
      );
      this.#add.run(hour, this.#within(hour, model), deployment, organization, ...figures);
    }
    this.#sums = new Map();
  }

  /** The transaction failed. */
  forget(): void {
    this.#sums = new Map();
    this.#hours.clear();
  }

  /** Names of the client's invention must not fill the table. */
  #within(hour: number, model: string): string {
    let known = this.#hours.get(hour);
    if (known === undefined) {
      known = new Set(this.#count.all(hour).map((row) => String(row['model'])));
      if (this.#hours.size >= REMEMBERED_HOURS) this.#hours.delete(Math.min(...this.#hours.keys()));
      this.#hours.set(hour, known);
    }
    if (known.has(model)) return model;
    if (known.size >= ROLLUP_LIMITS.users) return OVERFLOW;
    known.add(model);
    return model;
  }
}

/** Reads the sums. */
export function createModelHours(raw: DatabaseSync) {
  const total = raw.prepare(
    `SELECT model, deployment, organization_id, 0 AS hour, sum(requests) AS requests, sum(tokens) AS tokens, sum(cost_nano) AS nano
     FROM model_hours WHERE hour >= ?1 AND hour < ?2 AND (?3 IS NULL OR organization_id = ?3) GROUP BY 1, 2, 3`,
  );
  const hourly = raw.prepare(
    `SELECT model, deployment, organization_id, hour, sum(requests) AS requests, sum(tokens) AS tokens, sum(cost_nano) AS nano
     FROM model_hours WHERE hour >= ?1 AND hour < ?2 AND (?3 IS NULL OR organization_id = ?3) GROUP BY 1, 2, 3, 4`,
  );
  return async ({ from, to, organizationId, byHour }: ModelUseQuery): Promise<ModelUse[]> => {
    const statement = byHour === true ? hourly : total;
    return statement.all(hourOf(from), to, organizationId ?? null).map((row) => ({
      model: String(row['model']),
      deployment: row['deployment'] === '' ? undefined : String(row['deployment']),
      organizationId: String(row['organization_id']),
      start: byHour === true ? Number(row['hour']) : from,
      requests: Number(row['requests']),
      tokens: Number(row['tokens']),
      costNano: Number(row['nano']),
    }));
  };
}
