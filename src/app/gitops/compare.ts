type Tree = Readonly<Record<string, unknown>>;

/** What a field says when it is not there, as the admin API takes it. */
const CLEARED: Tree = {
  blocked: false,
  disabled: false,
  policy: {},
  metadata: {},
  permissions: [],
  email: null,
  external_id: null,
  models: null,
  operations: null,
  cidrs: null,
  expires_at: null,
  limits: {},
  budget: null,
  rotate_every_s: null,
  team: null,
  project: null,
  user: null,
  service_account: null,
  downgrade_to: null,
  rolling: false,
  hard: false,
  action: 'block',
  time_zone: null,
  thresholds: [80, 100],
  on_limit: 'refuse',
  max_wait_ms: 10_000,
  max_waiting: 100,
  on_client_abort: 'abort',
};

/** Values that are the same as saying nothing. */
const DEFAULTS: Tree = { ...CLEARED, time_zone: 'UTC' };

const AMOUNT = /_usd$|_usd_per_mtok$/;

/** JSON with sorted keys. */
export function stable(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(stable).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, inner]) => `${JSON.stringify(name)}:${stable(inner)}`).join(',')}}`;
}

/** One way to write what can be written in several. */
function canonical(name: string, value: unknown): unknown {
  if (AMOUNT.test(name) && (typeof value === 'string' || typeof value === 'number'))
    return String(Number(value));
  if (name === 'expires_at' && typeof value === 'string') return new Date(value).toISOString();
  if (name === 'permissions' && Array.isArray(value)) return [...value].sort();
  if (name === 'budget' && typeof value === 'object' && value !== null) return normal(value as Tree);
  return value;
}

/** Without ids and what says nothing, each value written one way. */
export function normal(tree: Tree): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(tree).flatMap(([name, value]): [string, unknown][] => {
      const found = canonical(name, value);
      const silent = found === undefined || found === null || stable(found) === stable(DEFAULTS[name]);
      return silent || name === 'id' ? [] : [[name, found]];
    }),
  );
}

/** A field that differs. */
export interface FieldChange {
  readonly field: string;
  readonly from: unknown;
  readonly to: unknown;
}

/** Fields of `wanted` that differ from what is there; both are {@link normal}. */
export function changesOf(wanted: Tree, present: Tree): readonly FieldChange[] {
  const fields = [...new Set([...Object.keys(wanted), ...Object.keys(present)])].sort();
  return fields.flatMap((field) =>
    stable(wanted[field]) === stable(present[field])
      ? []
      : [{ field, from: present[field] ?? null, to: wanted[field] ?? null }],
  );
}

/** The input of an update: what differs, and what was taken away in the form that clears it. */
export function updateOf(changes: readonly FieldChange[]): Record<string, unknown> {
  return Object.fromEntries(changes.map(({ field, to }) => [field, to ?? CLEARED[field] ?? null]));
}
