import { z } from 'zod';
import { PERMISSIONS } from '../../core/policy/permission.ts';
import { type Endpoint, endpoint } from '../endpoint.ts';

const permissions = z.array(z.enum(PERMISSIONS));

/** Who calls, and what he may do where: what a user interface shows and hides by. */
export const meContract = {
  getMe: endpoint({
    method: 'GET',
    path: '/api/me',
    summary: 'Who the caller is, and what he may do where',
    permission: 'session:write',
    input: z.strictObject({}),
    output: z.strictObject({
      actor: z.string().meta({ description: 'As the audit log names the caller' }),
      user_id: z.string().nullable(),
      name: z.string(),
      organization_id: z
        .string()
        .nullable()
        .meta({ description: 'Null: every organization (the admin key)' }),
      permissions: permissions.meta({ description: 'Held anywhere' }),
      reach: z
        .array(z.strictObject({ team_id: z.string().nullable(), permissions }))
        .meta({ description: 'Where they hold; `team_id` null: the whole organization' }),
    }),
  }),
} as const satisfies Record<string, Endpoint>;
