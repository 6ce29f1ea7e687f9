/** The tables as of the newest migration. Times are milliseconds since 1970, money is nano-dollars, `''` stands for none. */
export interface Schema {
  virtual_keys: KeyTable;
  exchanges: ExchangeTable;
  postings: PostingTable;
  rollups: RollupTable;
  /** The same sums by UTC day (its start in `hour`), for days that are over. */
  rollup_days: RollupTable;
  /** The same by fewer names, for hours and days that are over (`rollup-cubes.ts`). */
  rollup_cubes: RollupTable & { cube: number };
  /** The sessions of a day (`session-days.ts`). */
  session_days: { day: number; sessions: string; places: string; hashes: Uint8Array; sums: Uint8Array };
  price_overrides: PriceOverrideTable;
  settings: SettingTable;
  audit: AuditTable;
  approvals: ApprovalTable;
  ingest_state: IngestStateTable;
}

/** `models`, `limits`, `budget` and `metadata` are JSON text. */
export interface KeyTable {
  id: string;
  name: string;
  hash: string;
  hint: string;
  previous_hash: string | null;
  previous_hash_expires_at: number | null;
  created_at: number;
  expires_at: number | null;
  blocked: number;
  revoked_at: number | null;
  organization_id: string;
  service_account_id: string | null;
  /** JSON, as are `limited_by` and `rotation`. */
  policy: string;
  limited_by: string;
  rotation: string | null;
  team_id: string | null;
  project_id: string | null;
  user_id: string | null;
  models: string | null;
  limits: string;
  budget: string | null;
  metadata: string;
}

/** The raw log. `seq` is in the order of starts (`places.ts`), `record` the text of `journal/exchange-text.ts`. */
export interface ExchangeTable {
  seq: number;
  id: string;
  record: string;
}

/**
 * Which exchanges have a facet (`postings.ts`): those of one batch that share ten seconds of start. `last` is the highest
 * of their `seq`; `places` their offsets within the ten seconds, 32 bits each, or null when `last` is the only one.
 */
export interface PostingTable {
  facet: string;
  last: number;
  places: Uint8Array | null;
}

/**
 * Hourly sums. Each exchange counts once in a row with an empty tag name and once per tag it carries, so one table
 * answers questions with and without a tag.
 */
export interface RollupTable {
  tag_name: string;
  hour: number;
  key_id: string;
  model: string;
  provider: string;
  user_name: string;
  tag_value: string;
  organization_id: string;
  team_id: string;
  project_id: string;
  requests: number;
  errors: number;
  cost_nano: number;
  input_tokens: number;
  cache_read_tokens: number;
  cache_write_tokens: number;
  output_tokens: number;
  latency_ms: number;
  /** Exchanges that cost something nobody knows. */
  unpriced: number;
  /** Among `errors`: what the gateway refused, and whom the client left. */
  refused: number;
  abandoned: number;
  /** A histogram (`latencies.ts`); empty for sessions, and not in `rollup_days`. */
  latencies: Uint8Array;
}

/** `price` is JSON text. */
export interface PriceOverrideTable {
  model: string;
  price: string;
  updated_at: number;
}

export interface SettingTable {
  name: string;
  value: string;
  updated_at: number;
  expires_at: number | null;
}

export interface AuditTable {
  sequence: number;
  at: number;
  actor: string;
  action: string;
  target: string;
  details: string;
  previous_hash: string;
  hash: string;
}

/** One row: how far the journal is ingested, which segments are recovered, and how far the days are summed up. */
export interface IngestStateTable {
  id: number;
  segment: number;
  position: number;
  recovered_through: number;
  raw_bytes: number;
  /** Days before this (ms) are summed up in `rollup_days`. */
  days_through: number;
  /** Hours before this (ms) are in `rollup_cubes`. */
  hours_through: number;
  /** Hours before this (ms) are pruned; their days are not. */
  hours_from: number;
  /** From this hour on rollups say where a key belonged then, before it where it belonged at the migration. */
  placed_from: number;
}

/** `details` is JSON text. */
export interface ApprovalTable {
  id: string;
  kind: string;
  organization_id: string | null;
  requested_by: string;
  key_id: string | null;
  subject: string;
  details: string;
  request_hash: string | null;
  status: string;
  created_at: number;
  expires_at: number;
  decided_at: number | null;
  decided_by: string | null;
  reason: string | null;
  used_at: number | null;
}
