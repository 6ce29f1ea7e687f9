import { z } from 'zod';
import { APPROVAL_KINDS, APPROVAL_STATUSES } from '../../core/policy/approval.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';
import { idParam, pageOf, pageQuery, time } from '../shapes.ts';

const approvalView = z.strictObject({
  id: z.string(),
  kind: z.enum(APPROVAL_KINDS),
  status: z.enum(APPROVAL_STATUSES),
  organization_id: z.string().nullable(),
  requested_by: z.string(),
  key_id: z.string().nullable(),
  subject: z.string(),
  details: z.record(z.string(), z.unknown()),
  created_at: time,
  expires_at: time,
  decided_at: time.nullable(),
  decided_by: z.string().nullable(),
  reason: z.string().nullable(),
  used_at: time.nullable(),
});

const reason = z.string().max(500).optional();

/** What needs somebody's yes. */
export const approvalContract = {
  listApprovals: endpoint({
    method: 'GET',
    path: '/api/approvals',
    summary: 'What waits for a decision, or was decided; newest first',
    permission: 'approvals:read',
    input: pageQuery.extend({
      status: z.enum(APPROVAL_STATUSES).optional(),
      kind: z.enum(APPROVAL_KINDS).optional(),
    }),
    output: pageOf(approvalView),
  }),
  getApproval: endpoint({
    method: 'GET',
    path: '/api/approvals/:id',
    summary: 'One approval',
    permission: 'approvals:read',
    input: idParam,
    output: approvalView,
  }),
  requestApproval: endpoint({
    method: 'POST',
    path: '/api/approvals',
    summary: 'Ask for models or other rights for a key that you may not give it yourself',
    permission: 'approvals:request',
    input: z.strictObject({
      kind: z.enum(['model_access', 'key_scope']),
      key_id: z.string().min(1).max(100),
      models: z.array(z.string().min(1).max(200)).min(1).max(100).optional(),
      limits: z
        .strictObject({
          rpm: z.number().int().positive().max(1e9).optional(),
          tpm: z.number().int().positive().max(1e12).optional(),
          concurrency: z.number().int().positive().max(1e6).optional(),
        })
        .optional(),
      expires_at: time.optional(),
      reason,
    }),
    output: approvalView,
    audit: 'approvals.request',
  }),
  approve: endpoint({
    method: 'POST',
    path: '/api/approvals/:id/approve',
    summary: 'Say yes; a call may then be made once, a change is made now',
    permission: 'approvals:write',
    input: idParam.extend({ reason }),
    output: approvalView,
    audit: 'approvals.approve',
  }),
  reject: endpoint({
    method: 'POST',
    path: '/api/approvals/:id/reject',
    summary: 'Say no',
    permission: 'approvals:write',
    input: idParam.extend({ reason }),
    output: approvalView,
    audit: 'approvals.reject',
  }),
  createApprovalLink: endpoint({
    method: 'POST',
    path: '/api/approvals/:id/link',
    summary: 'A signed link with which whoever holds it can decide this one, once',
    permission: 'approvals:write',
    input: idParam,
    output: z.strictObject({ url: z.string(), token: z.string(), expires_at: time }),
    audit: 'approvals.link',
  }),
  decideByLink: endpoint({
    method: 'POST',
    path: '/api/approval-links',
    summary: 'Decide with the token of a signed link',
    permission: 'public',
    input: z.strictObject({
      token: z.string().min(1).max(500),
      decision: z.enum(['approve', 'reject']),
      reason,
    }),
    output: z.strictObject({ id: z.string(), status: z.enum(APPROVAL_STATUSES), subject: z.string() }),
    audit: 'approvals.decide_by_link',
  }),
} as const satisfies Record<string, Endpoint>;
