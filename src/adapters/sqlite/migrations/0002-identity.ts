import { type Kysely, sql } from 'kysely';

const TABLES = [
  `CREATE TABLE organizations (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, blocked INTEGER NOT NULL, policy TEXT NOT NULL,
    metadata TEXT NOT NULL, created_at INTEGER NOT NULL
  ) STRICT`,
  `CREATE TABLE teams (
    id TEXT PRIMARY KEY, organization_id TEXT NOT NULL REFERENCES organizations (id), name TEXT NOT NULL,
    blocked INTEGER NOT NULL, policy TEXT NOT NULL, metadata TEXT NOT NULL, created_at INTEGER NOT NULL,
    UNIQUE (organization_id, name)
  ) STRICT`,
  `CREATE TABLE projects (
    id TEXT PRIMARY KEY, organization_id TEXT NOT NULL REFERENCES organizations (id),
    team_id TEXT NOT NULL REFERENCES teams (id), name TEXT NOT NULL, blocked INTEGER NOT NULL,
    policy TEXT NOT NULL, metadata TEXT NOT NULL, created_at INTEGER NOT NULL,
    UNIQUE (team_id, name)
  ) STRICT`,
  `CREATE TABLE users (
    id TEXT PRIMARY KEY, organization_id TEXT NOT NULL REFERENCES organizations (id), name TEXT NOT NULL,
    email TEXT, external_id TEXT, disabled INTEGER NOT NULL, deleted_at INTEGER, policy TEXT NOT NULL,
    limited_by TEXT NOT NULL, metadata TEXT NOT NULL, created_at INTEGER NOT NULL,
    UNIQUE (organization_id, email), UNIQUE (organization_id, external_id)
  ) STRICT`,
  `CREATE TABLE service_accounts (
    id TEXT PRIMARY KEY, organization_id TEXT NOT NULL REFERENCES organizations (id),
    team_id TEXT REFERENCES teams (id), project_id TEXT REFERENCES projects (id), name TEXT NOT NULL,
    disabled INTEGER NOT NULL, policy TEXT NOT NULL, limited_by TEXT NOT NULL, metadata TEXT NOT NULL,
    created_at INTEGER NOT NULL, UNIQUE (organization_id, name)
  ) STRICT`,
  `CREATE TABLE roles (
    id TEXT PRIMARY KEY, organization_id TEXT NOT NULL REFERENCES organizations (id), name TEXT NOT NULL,
    permissions TEXT NOT NULL, created_at INTEGER NOT NULL, UNIQUE (organization_id, name)
  ) STRICT`,
  `CREATE TABLE memberships (
    id TEXT PRIMARY KEY, organization_id TEXT NOT NULL REFERENCES organizations (id),
    user_id TEXT NOT NULL REFERENCES users (id), team_id TEXT REFERENCES teams (id), role TEXT NOT NULL,
    source TEXT NOT NULL, created_at INTEGER NOT NULL
  ) STRICT`,
  // A user holds one role per team, and one over the whole organization (NULL is unequal to itself in UNIQUE).
  "CREATE UNIQUE INDEX memberships_once ON memberships (user_id, ifnull(team_id, ''))",
  'CREATE INDEX memberships_team ON memberships (team_id)',
  `CREATE TABLE identities (
    id TEXT PRIMARY KEY, organization_id TEXT NOT NULL REFERENCES organizations (id),
    user_id TEXT NOT NULL REFERENCES users (id), issuer TEXT NOT NULL, subject TEXT NOT NULL,
    password_hash TEXT, totp_secret TEXT, disabled INTEGER NOT NULL, last_used_at INTEGER,
    created_at INTEGER NOT NULL, UNIQUE (issuer, subject)
  ) STRICT`,
  'CREATE INDEX identities_user ON identities (user_id)',
];

const KEYS = [
  "ALTER TABLE virtual_keys ADD COLUMN organization_id TEXT NOT NULL DEFAULT 'org_default'",
  'ALTER TABLE virtual_keys ADD COLUMN service_account_id TEXT',
  "ALTER TABLE virtual_keys ADD COLUMN policy TEXT NOT NULL DEFAULT '{}'",
  "ALTER TABLE virtual_keys ADD COLUMN limited_by TEXT NOT NULL DEFAULT '[]'",
  'ALTER TABLE virtual_keys ADD COLUMN rotation TEXT',
  'CREATE INDEX virtual_keys_organization ON virtual_keys (organization_id, created_at, id) WHERE revoked_at IS NULL',
  'CREATE INDEX virtual_keys_team ON virtual_keys (team_id, created_at, id) WHERE revoked_at IS NULL',
];

/** Tables whose changes every process must hear of; see `identity_changes`. */
const WATCHED = [
  ['virtual_keys', 'key'],
  ['organizations', 'place'],
  ['teams', 'place'],
  ['projects', 'place'],
  ['users', 'place'],
  ['service_accounts', 'place'],
  ['roles', 'place'],
  ['memberships', 'place'],
] as const;

// Written by triggers, so that no writer can forget it: whoever holds a snapshot asks what came after its version.
const CHANGES = [
  `CREATE TABLE identity_changes (
    version INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL
  ) STRICT`,
  ...WATCHED.flatMap(([table, kind]) =>
    (['INSERT', 'UPDATE', 'DELETE'] as const).map(
      (event) =>
        `CREATE TRIGGER ${table}_${event.toLowerCase()}_heard AFTER ${event} ON ${table} BEGIN
          INSERT INTO identity_changes (kind, id) VALUES ('${kind}', ${event === 'DELETE' ? 'OLD' : 'NEW'}.id);
        END`,
    ),
  ),
];

// Exchanges logged before there were organizations carry none: those up to `legacy_through` are the default one's.
const LOG = [
  'CREATE TABLE log_tenancy (id INTEGER PRIMARY KEY CHECK (id = 1), legacy_through INTEGER NOT NULL) STRICT',
  'INSERT INTO log_tenancy (id, legacy_through) SELECT 1, ifnull(max(seq), -1) FROM exchanges',
  // The organization stands inside the details, which the chain's hash covers; this only finds it.
  "ALTER TABLE audit ADD COLUMN organization_id TEXT GENERATED ALWAYS AS (json_extract(details, '$.organization')) VIRTUAL",
  'CREATE INDEX audit_organization ON audit (organization_id, sequence)',
];

/** Organizations, teams, projects, users, roles and sign-in identities; keys and log rows belong to an organization. */
export async function identity(database: Kysely<unknown>): Promise<void> {
  for (const statement of [...TABLES, ...KEYS, ...CHANGES, ...LOG]) {
    await sql.raw(statement).execute(database);
  }
}
