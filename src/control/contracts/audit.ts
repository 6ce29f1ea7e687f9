import { z } from 'zod';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { auditRow, pageOf, pageQuery, time } from '../shapes.ts';

const filter = {
  organization_id: z
    .string()
    .max(100)
    .optional()
    .meta({ description: 'Only what was done in it; only the admin key can name another than its own' }),
  actor: z.string().max(200).optional().meta({ description: 'For example `admin-key` or `user:…`' }),
  action: z
    .string()
    .max(200)
    .optional()
    .meta({ description: 'For example `keys.create`, or `keys.*` for all that begin so' }),
  target: z.string().max(300).optional(),
  from: time.optional(),
  to: time.optional(),
};

const exported = auditRow.extend({ organization_id: z.string(), previous_hash: z.string() });

const head = z.strictObject({ sequence: z.number(), hash: z.string() });

/** The audit log. */
export const auditContract = {
  listAudit: endpoint({
    method: 'GET',
    path: '/api/audit',
    summary: 'Who changed what, newest first',
    permission: 'audit:read',
    input: pageQuery.extend(filter),
    output: pageOf(auditRow),
  }),
  verifyAudit: endpoint({
    method: 'GET',
    path: '/api/audit/verify',
    summary: 'Recompute the audit log’s hash chain, and compare its end with the heads kept elsewhere',
    permission: 'audit:read',
    input: z.strictObject({
      head: z
        .string()
        .regex(/^\d{1,15}:[\w-]{43}$/)
        .optional()
        .meta({ description: '`SEQUENCE:HASH` of an entry you kept yourself' }),
    }),
    output: z.strictObject({
      valid: z.boolean(),
      entries: z.number(),
      first_bad_sequence: z.number().nullable(),
      problem: z.enum(['altered', 'missing', 'cut_off', 'head_forged', 'head_missing']).nullable(),
      head: head.nullable(),
    }),
  }),
  exportAudit: endpoint({
    method: 'GET',
    path: '/api/audit/export',
    summary: 'The audit log as JSON lines, oldest first',
    permission: 'audit:read',
    input: z.strictObject({
      ...filter,
      after: z.coerce
        .number()
        .int()
        .min(0)
        .default(0)
        .meta({ description: 'Only entries after this sequence' }),
    }),
    output: exported,
    answer: 'lines',
  }),
} as const satisfies Record<string, Endpoint>;
