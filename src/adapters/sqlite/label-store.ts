import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { RouteLabel } from '../../core/routing/promise/label.ts';
import type { PromiseState } from '../../core/routing/promise/route-promise.ts';
import type { LabelFilter, LabelStore, RouteVersion, ShadowRun } from '../../ports/label-store.ts';

const MOST = 10_000;
const VERSIONS_KEPT = 10;

interface VersionRow {
  readonly router: string;
  readonly route_key: string;
  readonly version: number;
  readonly state: string;
  readonly learned?: Uint8Array | null;
}

function versionOf(row: VersionRow): RouteVersion {
  const { router, route_key: routeKey, version, learned } = row;
  return {
    router,
    routeKey,
    version,
    state: JSON.parse(row.state) as PromiseState,
    ...(learned === null || learned === undefined ? {} : { learned }),
  };
}

function whereOf(filter: LabelFilter): { readonly text: string; readonly values: SQLInputValue[] } {
  const facts: [string, SQLInputValue | undefined][] = [
    ['router = ?', filter.router],
    ['route_key = ?', filter.routeKey],
    ['exchange_id = ?', filter.exchangeId],
    ['at >= CAST(? AS INTEGER)', filter.since],
  ];
  const given = facts.filter((fact): fact is [string, SQLInputValue] => fact[1] !== undefined);
  const text = given.length === 0 ? '' : `WHERE ${given.map(([condition]) => condition).join(' AND ')}`;
  return { text, values: given.map(([, value]) => value) };
}

/** Labels, shadow runs and versions in the database. */
export function createLabelStore(raw: DatabaseSync): LabelStore {
  const put = raw.prepare(
    'INSERT OR REPLACE INTO route_labels (exchange_id, source, at, router, route_key, label) VALUES (?, ?, CAST(? AS INTEGER), ?, ?, ?)',
  );
  const addRun = raw.prepare(
    'INSERT OR REPLACE INTO shadow_runs (id, at, router, cost_nano, run) VALUES (?, CAST(? AS INTEGER), ?, CAST(? AS INTEGER), ?)',
  );
  const addVersion = raw.prepare(
    'INSERT OR REPLACE INTO route_versions (router, route_key, version, at, state, learned) VALUES (?, ?, CAST(? AS INTEGER), CAST(? AS INTEGER), ?, ?)',
  );
  const forget = raw.prepare(
    'DELETE FROM route_versions WHERE router = ? AND route_key = ? AND version <= CAST(? AS INTEGER)',
  );
  const query = <T>(text: string, ...values: SQLInputValue[]): T[] =>
    raw.prepare(text).all(...values) as unknown as T[];
  const labelsOf = (rows: readonly { readonly label: string }[]) =>
    rows.map(({ label }) => JSON.parse(label) as RouteLabel);
  return {
    async put(labels) {
      for (const label of labels) {
        const { exchangeId, source, at, router, routeKey } = label;
        put.run(exchangeId, source, at, router, routeKey, JSON.stringify(label));
      }
    },
    async list(filter, limit) {
      const { text, values } = whereOf(filter);
      const most = Math.max(1, Math.min(MOST, limit));
      return labelsOf(
        query(`SELECT label FROM route_labels ${text} ORDER BY at DESC LIMIT ${most}`, ...values),
      );
    },
    async addRun(run) {
      addRun.run(run.id, run.at, run.router, run.copyNano + run.judgeNano, JSON.stringify(run));
    },
    async runs(router, since) {
      const text = `SELECT run FROM shadow_runs WHERE router = ? AND at >= CAST(? AS INTEGER) ORDER BY at DESC LIMIT ${MOST}`;
      return query<{ run: string }>(text, router, since).map(({ run }) => JSON.parse(run) as ShadowRun);
    },
    async spent(router, since) {
      const text =
        'SELECT COALESCE(SUM(cost_nano), 0) AS spent FROM shadow_runs WHERE router = ? AND at >= CAST(? AS INTEGER)';
      return Number(query<{ spent: number }>(text, router, since)[0]?.spent ?? 0);
    },
    async addVersion({ router, routeKey, version, state, learned }) {
      addVersion.run(router, routeKey, version, state.at, JSON.stringify(state), learned ?? null);
      forget.run(router, routeKey, version - VERSIONS_KEPT);
    },
    async versions(router, limit) {
      const most = Math.max(1, Math.min(MOST, limit));
      const text = `SELECT router, route_key, version, state FROM route_versions WHERE router = ? ORDER BY at DESC, version DESC LIMIT ${most}`;
      return query<VersionRow>(text, router).map(versionOf);
    },
    async newest() {
      const text = `SELECT router, route_key, MAX(version) AS version, state, learned FROM route_versions GROUP BY router, route_key LIMIT ${MOST}`;
      return query<VersionRow>(text).map(versionOf);
    },
    async version(router, routeKey, version) {
      const text =
        'SELECT router, route_key, version, state, learned FROM route_versions WHERE router = ? AND route_key = ? AND version = CAST(? AS INTEGER)';
      return query<VersionRow>(text, router, routeKey, version).map(versionOf)[0];
    },
    async prune(before) {
      const labels = raw.prepare('DELETE FROM route_labels WHERE at < CAST(? AS INTEGER)').run(before);
      const runs = raw.prepare('DELETE FROM shadow_runs WHERE at < CAST(? AS INTEGER)').run(before);
      return Number(labels.changes) + Number(runs.changes);
    },
  };
}
