import type { PlaceKind, Places } from '../../core/policy/place.ts';

/** How a field is written: as it is, as 0 or 1, or as JSON text. `undefined` is NULL. */
type Shape = 'plain' | 'flag' | 'json';

interface Table<Kind extends PlaceKind> {
  readonly table: string;
  readonly fields: { readonly [Field in keyof Places[Kind]]-?: Shape };
}

const POLICED = {
  name: 'plain',
  blocked: 'flag',
  policy: 'json',
  metadata: 'json',
  createdAt: 'plain',
} as const;
const OWNED = { id: 'plain', organizationId: 'plain' } as const;

/** The table of each kind and how its fields are stored. A field's column is its name in snake_case. */
export const PLACE_TABLES: { readonly [Kind in PlaceKind]: Table<Kind> } = {
  organization: { table: 'organizations', fields: { id: 'plain', ...POLICED } },
  team: { table: 'teams', fields: { ...OWNED, ...POLICED } },
  project: { table: 'projects', fields: { ...OWNED, teamId: 'plain', ...POLICED } },
  user: {
    table: 'users',
    fields: {
      ...OWNED,
      name: 'plain',
      email: 'plain',
      externalId: 'plain',
      disabled: 'flag',
      deletedAt: 'plain',
      policy: 'json',
      limitedBy: 'json',
      metadata: 'json',
      createdAt: 'plain',
    },
  },
  service_account: {
    table: 'service_accounts',
    fields: {
      ...OWNED,
      teamId: 'plain',
      projectId: 'plain',
      name: 'plain',
      disabled: 'flag',
      policy: 'json',
      limitedBy: 'json',
      metadata: 'json',
      createdAt: 'plain',
    },
  },
  membership: {
    table: 'memberships',
    fields: {
      ...OWNED,
      userId: 'plain',
      teamId: 'plain',
      role: 'plain',
      source: 'plain',
      createdAt: 'plain',
    },
  },
  role: { table: 'roles', fields: { ...OWNED, name: 'plain', permissions: 'json', createdAt: 'plain' } },
  identity: {
    table: 'identities',
    fields: {
      ...OWNED,
      userId: 'plain',
      issuer: 'plain',
      subject: 'plain',
      passwordHash: 'plain',
      totpSecret: 'plain',
      disabled: 'flag',
      lastUsedAt: 'plain',
      createdAt: 'plain',
    },
  },
};

/** A row as the database has it. */
export type Row = Readonly<Record<string, unknown>>;

/** `organizationId` → `organization_id`. */
export function columnOf(field: string): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Fields as columns; those that are not in `value` are left out. */
export function toRow(kind: PlaceKind, value: object): Row {
  const fields: Readonly<Record<string, Shape>> = PLACE_TABLES[kind].fields;
  const row: Record<string, unknown> = {};
  for (const [field, shape] of Object.entries(fields)) {
    if (field in value) row[columnOf(field)] = written((value as Row)[field], shape);
  }
  return row;
}

function written(value: unknown, shape: Shape): unknown {
  if (value === undefined) return null;
  if (shape === 'flag') return value === true ? 1 : 0;
  return shape === 'json' ? JSON.stringify(value) : value;
}

/** Columns as fields. */
export function fromRow<Kind extends PlaceKind>(kind: Kind, row: Row): Places[Kind] {
  const fields: Readonly<Record<string, Shape>> = PLACE_TABLES[kind].fields;
  const value: Record<string, unknown> = {};
  for (const [field, shape] of Object.entries(fields)) {
    value[field] = read(row[columnOf(field)], shape);
  }
  return value as unknown as Places[Kind];
}

function read(value: unknown, shape: Shape): unknown {
  if (shape === 'flag') return value === 1;
  if (value === null || value === undefined) return undefined;
  return shape === 'json' ? JSON.parse(String(value)) : value;
}
