import { z } from 'zod';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { idParam, pageOf, pageQuery, time } from '../shapes.ts';

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'lower-case letters, digits and . _ -, at most 64')
  .meta({ description: 'What the configuration names as `credential:NAME`' });
const description = z.string().max(500);
const value = z
  .string()
  .min(1)
  .max(16_384)
  .meta({ description: 'The secret; never shown again. Instead of `reference`', writeOnly: true });
const reference = z
  .string()
  .min(3)
  .max(2048)
  .meta({ description: 'Where a secret store keeps it, for example vault:secret/data/openai#api_key' });

/** How the secret behind a name stands. */
const state = z.enum(['ok', 'stale', 'failed', 'unused']);

const credentialView = z.strictObject({
  id: z.string(),
  organization_id: z.string(),
  name: z.string(),
  description: z.string(),
  kind: z.enum(['value', 'reference']),
  /** Last characters of a long value. */
  hint: z.string(),
  reference: z.string().nullable(),
  created_at: time,
  updated_at: time,
});

const sourceView = z.strictObject({
  reference: z.string(),
  state,
  /** Why it could not be read lately; never holds a secret. */
  problem: z.string().nullable(),
  read_at: time.nullable(),
});

const masterKeyView = z.strictObject({
  id: z.string(),
  source: z.enum(['file', 'environment']),
  previous_keys: z.number(),
});

const done = z.strictObject({ ok: z.literal(true) });

/** Credentials for providers, and the key that protects them. */
export const credentialContract = {
  createCredential: endpoint({
    method: 'POST',
    path: '/api/credentials',
    summary: 'Keep a provider’s credential, sealed, or name where a secret store keeps it',
    permission: 'credentials:write',
    input: z.strictObject({
      name,
      description: description.default(''),
      value: value.optional(),
      reference: reference.optional(),
    }),
    output: credentialView,
    audit: 'credentials.create',
  }),
  listCredentials: endpoint({
    method: 'GET',
    path: '/api/credentials',
    summary: 'Credentials, newest first, without their values',
    permission: 'credentials:read',
    input: pageQuery,
    output: pageOf(credentialView),
  }),
  getCredential: endpoint({
    method: 'GET',
    path: '/api/credentials/:id',
    summary: 'One credential without its value',
    permission: 'credentials:read',
    input: idParam,
    output: credentialView,
  }),
  updateCredential: endpoint({
    method: 'PATCH',
    path: '/api/credentials/:id',
    summary: 'Change a credential; a new value is used from the next request on',
    permission: 'credentials:write',
    input: idParam.extend({
      name: name.optional(),
      description: description.optional(),
      value: value.optional(),
      reference: reference.optional(),
    }),
    output: credentialView,
    audit: 'credentials.update',
  }),
  deleteCredential: endpoint({
    method: 'DELETE',
    path: '/api/credentials/:id',
    summary: 'Delete a credential that the configuration does not name',
    permission: 'credentials:write',
    input: idParam,
    output: done,
    audit: 'credentials.delete',
  }),
  getSecrets: endpoint({
    method: 'GET',
    path: '/api/secrets',
    summary: 'The master key’s state, and every reference of the configuration with how it stands',
    permission: 'credentials:read',
    input: z.strictObject({}),
    output: z.strictObject({ master_key: masterKeyView, references: z.array(sourceView) }),
  }),
  rotateMasterKey: endpoint({
    method: 'POST',
    path: '/api/secrets/rotate',
    summary: 'Replace the master key while everything runs: both are valid until all is wrapped anew',
    permission: 'credentials:write',
    input: z.strictObject({}),
    output: z.strictObject({ master_key: masterKeyView, rewrapped: z.number() }),
    audit: 'secrets.rotate',
  }),
} as const satisfies Record<string, Endpoint>;
