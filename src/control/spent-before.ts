import type { ExchangeRecord } from '../core/cost/exchange.ts';
import { HOUR_MS } from '../core/durations.ts';
import type { AccountState } from '../core/policy/budget-account.ts';
import type { OthersSpend } from '../core/policy/budget-claims.ts';
import type { Budget } from '../core/policy/budget-rule.ts';
import { partMs, rollingMs, windowStartOf } from '../core/policy/budget-window.ts';
import { DEFAULT_ORGANIZATION_ID } from '../core/policy/place.ts';
import { EVERY_MEMBER } from '../core/policy/scope-index.ts';
import type { VirtualKey } from '../core/policy/virtual-key.ts';
import type { BudgetSpend, OwnedSpend } from '../ports/budget-store.ts';
import type { SpendDimension, SpendQuery, Store } from '../ports/store.ts';

/** Rows of the log that are read for a rolling window; what is older is known by the hour. */
const MAX_ROWS = 10_000;
const PAGE_ROWS = 500;

/**
 * Every name that a request for `asked`, answered by `deployment` (`provider/model`), counts under, as the data plane counts
 * later ones: the asked name and what it leads to; what a router or a fallback led to instead.
 */
export type ModelNames = (asked: string, deployment: string | undefined) => readonly string[];

interface Ports {
  readonly store: Pick<Store, 'usage' | 'exchanges'>;
  /** Every key that is not revoked. */
  readonly keys: () => Iterable<VirtualKey>;
  readonly modelNames: ModelNames;
}

/** Whose spend is looked for: one id, or every member's. */
interface Wanted {
  readonly kind: Budget['scope']['kind'];
  /** Of a tag. */
  readonly tag: string;
  /** Absent: every member of the kind for itself. */
  readonly id: string | undefined;
}

function wantedOf({ scope }: Budget): Wanted {
  const at = scope.kind === 'tag' ? scope.id.indexOf('=') : -1;
  const id = scope.id.slice(at + 1);
  return {
    kind: scope.kind,
    tag: scope.id.slice(0, Math.max(0, at)),
    id: id === EVERY_MEMBER ? undefined : id,
  };
}

function dimensionOf({ kind, tag }: Wanted): SpendDimension {
  if (kind === 'tag') return `tag:${tag}`;
  if (kind === 'end_user') return 'user';
  // Whose a key is stands nowhere in the sums.
  return kind === 'user' ? 'key' : kind;
}

/** Who of the kind made an exchange; of a model, every name it went by. */
function membersOf(wanted: Wanted, record: ExchangeRecord, modelNames: ModelNames): readonly string[] {
  if (wanted.kind === 'model') return modelNames(record.model, deploymentOf(record));
  const member = memberOf(wanted, record);
  return member === undefined ? [] : [member];
}

/** `provider/model` of what answered. */
export function deploymentOf({ provider, upstreamModel }: ExchangeRecord): string | undefined {
  return provider === undefined || upstreamModel === undefined ? undefined : `${provider}/${upstreamModel}`;
}

function memberOf({ kind, tag }: Wanted, record: ExchangeRecord): string | undefined {
  switch (kind) {
    case 'organization':
      return record.place?.organizationId ?? DEFAULT_ORGANIZATION_ID;
    case 'team':
      return record.place?.teamId;
    case 'project':
      return record.place?.projectId;
    case 'user':
      return record.place?.ownerId;
    case 'key':
      return record.keyId;
    case 'tag':
      return record.tags[tag];
    case 'model':
      return record.model;
    case 'end_user':
      return record.user;
    case 'session':
      return record.session;
  }
}

/** Sums by account and bucket. */
class Sums {
  readonly #budget: Budget;
  readonly #wanted: Wanted;
  readonly #found = new Map<string, BudgetSpend>();

  constructor(budget: Budget, wanted: Wanted) {
    this.#budget = budget;
    this.#wanted = wanted;
  }

  add(member: string | null | undefined, bucket: number, nano: number): void {
    const { id } = this.#wanted;
    if (member === null || member === undefined || nano <= 0 || (id !== undefined && member !== id)) return;
    const account = id === undefined ? `${this.#budget.id}/${member}` : this.#budget.id;
    const name = `${bucket}@${account}`;
    const before = this.#found.get(name)?.nano ?? 0;
    this.#found.set(name, { account, bucket, nano: Math.min(before + nano, Number.MAX_SAFE_INTEGER) });
  }

  all(): BudgetSpend[] {
    return [...this.#found.values()];
  }
}

/**
 * What the window of a budget holds already when the budget is made: of calendar windows by hourly sums, of rolling ones by
 * the log, and by hourly sums where that is longer than can be read. What is known by the hour counts at the hour's end: it
 * leaves the window too late rather than too early.
 */
export async function spentBefore(ports: Ports, budget: Budget, now: number): Promise<BudgetSpend[]> {
  const wanted = wantedOf(budget);
  const sums = new Sums(budget, wanted);
  if (budget.rolling !== true || budget.window === 'total') {
    const start = windowStartOf(budget.window, now, budget.timeZone);
    for (const row of await byHours(ports, { budget, wanted, from: start, to: now + HOUR_MS })) {
      for (const member of row.members) sums.add(member, start, row.nano);
    }
    return sums.all();
  }
  const step = partMs(budget);
  const bucketOf = (at: number): number => Math.floor(Math.min(at, now) / step) * step;
  const from = now - rollingMs(budget);
  const read = await readLog(ports, budget, from);
  const take = (into: Sums, record: ExchangeRecord): void => {
    const bucket = bucketOf(record.startedAt);
    for (const member of membersOf(wanted, record, ports.modelNames)) {
      into.add(member, bucket, record.cost?.total ?? 0);
    }
  };
  for (const record of read.records) take(sums, record);
  if (read.through > from) {
    const hour = Math.floor(read.through / HOUR_MS) * HOUR_MS;
    // The hour in which reading stopped is taken from the sums as a whole.
    const whole = read.records.filter(({ startedAt }) => startedAt >= hour + HOUR_MS);
    const rest = new Sums(budget, wanted);
    for (const record of whole) take(rest, record);
    const query = { budget, wanted, from, to: hour + HOUR_MS, interval: 'hour' } as const;
    for (const row of await byHours(ports, query)) {
      for (const member of row.members) rest.add(member, bucketOf(row.start + HOUR_MS - 1), row.nano);
    }
    return rest.all();
  }
  return sums.all();
}

/** The newest rows, back to `from` or as far as may be read: `through` says how far that is. */
async function readLog(
  { store }: Ports,
  { scope, organizationId }: Budget,
  from: number,
): Promise<{ readonly records: readonly ExchangeRecord[]; readonly through: number }> {
  const records: ExchangeRecord[] = [];
  const filter = {
    from,
    ...(organizationId === undefined ? {} : { extent: { tenant: { organizationId } } }),
    ...(scope.id === EVERY_MEMBER || scope.kind !== 'key' ? {} : { keyId: scope.id }),
    ...(scope.id === EVERY_MEMBER || scope.kind !== 'team' ? {} : { teamId: scope.id }),
  };
  let cursor: string | undefined;
  while (records.length < MAX_ROWS) {
    const page = await store.exchanges.list(filter, { limit: PAGE_ROWS, cursor });
    records.push(...page.data);
    cursor = page.nextCursor;
    if (cursor === undefined) return { records, through: from };
  }
  return { records, through: records.at(-1)?.startedAt ?? from };
}

interface HourQuery {
  readonly budget: Budget;
  readonly wanted: Wanted;
  readonly from: number;
  readonly to: number;
  readonly interval?: 'hour';
}

interface HourSum {
  readonly members: readonly (string | null)[];
  readonly start: number;
  readonly nano: number;
}

/** Sums by every name that models go by. */
async function byModelHours({ store, modelNames }: Ports, query: HourQuery): Promise<HourSum[]> {
  const { budget, from, to, interval } = query;
  const { organizationId } = budget;
  const rows = await store.usage.byModel({
    from,
    to,
    byHour: interval !== undefined,
    ...(organizationId === undefined ? {} : { organizationId }),
  });
  return rows.map(({ model, deployment, start, costNano }) => ({
    members: modelNames(model, deployment),
    start,
    nano: costNano,
  }));
}

async function byHours(ports: Ports, query: HourQuery): Promise<HourSum[]> {
  const { store, keys } = ports;
  const { budget, wanted, from, to, interval } = query;
  if (wanted.kind === 'model') return byModelHours(ports, query);
  const dimension = dimensionOf(wanted);
  const { organizationId } = budget;
  const question: SpendQuery = {
    from,
    to,
    groupBy: [dimension],
    // All of them: what is left out would be money that nobody counts.
    limit: Number.MAX_SAFE_INTEGER,
    ...(interval === undefined ? {} : { interval }),
    ...(organizationId === undefined ? {} : { extent: { tenant: { organizationId } } }),
    ...(wanted.kind === 'key' && wanted.id !== undefined ? { keyId: wanted.id } : {}),
    ...(wanted.kind === 'end_user' && wanted.id !== undefined ? { user: wanted.id } : {}),
  };
  const owners = new Map<string, string | undefined>();
  if (wanted.kind === 'user') {
    for (const { id, userId, serviceAccountId } of keys()) owners.set(id, userId ?? serviceAccountId);
  }
  return (await store.usage.spend(question)).map((row) => {
    const member = row.group[dimension] ?? (dimension === 'organization' ? DEFAULT_ORGANIZATION_ID : null);
    const owner = wanted.kind === 'user' ? (owners.get(member ?? '') ?? null) : member;
    return { members: [owner], start: row.start ?? from, nano: row.costNano };
  });
}

/** What was charged, by account. */
export type SpentBy = ReadonlyMap<string, Required<Pick<AccountState, 'spent' | 'others'>>>;

/** Rows of the ledger by account, as the book takes them. */
export function ownedByAccount(rows: readonly OwnedSpend[]): SpentBy {
  const found = new Map<string, { spent: OwnedSpend[]; others: OthersSpend[] }>();
  for (const row of rows) {
    const { account, bucket, nano, own } = row;
    let known = found.get(account);
    if (known === undefined) {
      known = { spent: [], others: [] };
      found.set(account, known);
    }
    if (own) known.spent.push(row);
    else known.others.push({ account, bucket, settledNano: nano, heldNano: 0 });
  }
  return found;
}
