import type { UsageRow } from './api.ts';
import { DAY_MS } from './durations.ts';

/** Search parameters are plain text: `?model=gpt-4o&status=200`. Nothing is guessed to be a number or JSON. */
export function parseSearch(text: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(text));
}

export function writeSearch(search: Readonly<Record<string, unknown>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(search)) {
    if (value !== undefined && value !== null && value !== '') query.set(name, String(value));
  }
  const text = query.toString();
  return text === '' ? '' : `?${text}`;
}

/** Only the fields named that hold some text. */
function pick<Name extends string>(
  search: Readonly<Record<string, unknown>>,
  names: readonly Name[],
): { [K in Name]?: string } {
  const found: { [K in Name]?: string } = {};
  for (const name of names) {
    const value = search[name];
    if (typeof value === 'string' && value !== '') found[name] = value;
  }
  return found;
}

/** `?exchange=ID` opens the drawer on any page. */
export function openDrawer(search: Record<string, unknown>): { exchange?: string } {
  return pick(search, ['exchange']);
}

const FILTERS = ['key_id', 'model', 'provider', 'status', 'client_request_id', 'tag', 'from', 'to'] as const;
export type ExchangeFilter = { [K in (typeof FILTERS)[number]]?: string };

/** The filters of the log, as the address bar holds them. */
export function readExchangeFilter(search: Record<string, unknown>): ExchangeFilter {
  return pick(search, FILTERS);
}

const AUDIT_FILTERS = ['actor', 'action', 'target', 'from', 'to'] as const;
export type AuditFilter = { [K in (typeof AUDIT_FILTERS)[number]]?: string };

/** The filters of the audit log. */
export function readAuditFilter(search: Record<string, unknown>): AuditFilter {
  return pick(search, AUDIT_FILTERS);
}

/** Which list of people and places, and of which organization. */
export function readPeopleView(search: Record<string, unknown>): { tab?: string; organization?: string } {
  return pick(search, ['tab', 'organization']);
}

/** Which month's chargeback is shown; the running one, where nothing is said. */
export function readChargebackView(search: Record<string, unknown>): { month?: string | undefined } {
  const { month } = pick(search, ['month']);
  // Said to be none rather than left out, or the router would hand on what stands in the address.
  return { month: month !== undefined && /^2\d{3}-(0[1-9]|1[0-2])$/.test(month) ? month : undefined };
}

/** Which approvals are shown; those that wait, where nothing is said. */
export function readApprovalView(search: Record<string, unknown>): { status?: string } {
  return pick(search, ['status']);
}

/** Spans of the usage page: how long, and the interval of its chart. */
export const SPANS = {
  '24h': { label: '24 h', ms: DAY_MS, interval: 'hour' },
  '7d': { label: '7 d', ms: 7 * DAY_MS, interval: 'hour' },
  '30d': { label: '30 d', ms: 30 * DAY_MS, interval: 'day' },
  '90d': { label: '90 d', ms: 90 * DAY_MS, interval: 'day' },
} as const satisfies Record<string, { label: string; ms: number; interval: 'hour' | 'day' }>;
export type Span = keyof typeof SPANS;

/** What the chart of the usage page shows. */
export const METRICS = {
  cost: { label: 'Cost', of: (row: UsageRow) => Number(row.cost_usd) },
  requests: { label: 'Requests', of: (row: UsageRow) => row.requests },
  tokens: { label: 'Tokens', of: tokensOf },
  errors: { label: 'Errors', of: (row: UsageRow) => row.errors },
} as const;
export type Metric = keyof typeof METRICS;

/** Prompt and completion together; the classes are disjoint. */
export function tokensOf(row: UsageRow): number {
  return row.input_tokens + row.cache_read_tokens + row.cache_write_tokens + row.output_tokens;
}

export interface UsageView {
  readonly span?: Span;
  readonly metric?: Metric;
  /** `model`, `provider`, `key`, `user` or `tag:NAME`. */
  readonly group?: string;
}

export function readUsageView(search: Record<string, unknown>): UsageView {
  const { span, metric, group } = pick(search, ['span', 'metric', 'group']);
  return {
    ...(span !== undefined && span in SPANS ? { span: span as Span } : {}),
    ...(metric !== undefined && metric in METRICS ? { metric: metric as Metric } : {}),
    ...(group !== undefined ? { group } : {}),
  };
}
