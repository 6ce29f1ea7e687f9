import { z } from 'zod';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { pageOf, pageQuery, time } from '../shapes.ts';

const tree = z.record(z.string().max(200), z.unknown());
const version = z.number().int().min(0);

const overridesView = z.strictObject({
  /** 0: there never were any. */
  version,
  /** Secrets masked; references such as `${NAME}` as they were written. */
  overrides: tree,
  at: time.nullable(),
  actor: z.string().nullable(),
  comment: z.string().nullable(),
});

/** What a change answers: the overrides as they are now, and the fingerprint of the live configuration. */
const changed = overridesView.extend({ hash: z.string() });

const settings = {
  if_hash: z
    .string()
    .max(100)
    .optional()
    .meta({ description: 'Hash of the live configuration the change was made for; another one is refused' }),
  comment: z.string().max(500).optional().meta({ description: 'Why; stands in the history' }),
};

/** Overrides of the file through the API, with their history. */
export const configContract = {
  putConfig: endpoint({
    method: 'PUT',
    path: '/api/config',
    summary:
      'Replace the admin overrides: a partial configuration that wins over file and environment (RFC 7396; `null` removes a key, lists replace). A masked secret stays what it is',
    permission: 'config:write',
    input: z.strictObject({ config: tree, ...settings }),
    output: changed,
    audit: 'config.put',
  }),
  getConfigOverrides: endpoint({
    method: 'GET',
    path: '/api/config/overrides',
    summary: 'The admin overrides alone, secrets masked',
    permission: 'config:read',
    input: z.strictObject({}),
    output: overridesView,
  }),
  listConfigHistory: endpoint({
    method: 'GET',
    path: '/api/config/history',
    summary: 'Earlier admin overrides, newest first',
    permission: 'config:read',
    input: pageQuery,
    output: pageOf(overridesView),
  }),
  rollbackConfig: endpoint({
    method: 'POST',
    path: '/api/config/rollback',
    summary: 'Put earlier admin overrides in force again; 0 takes all away',
    permission: 'config:write',
    input: z.strictObject({ version, ...settings }),
    output: changed,
    audit: 'config.rollback',
  }),
} as const satisfies Record<string, Endpoint>;
