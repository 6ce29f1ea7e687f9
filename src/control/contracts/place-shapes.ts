import { z } from 'zod';
import { GATEWAY_PERMISSIONS, PERMISSIONS, type Permission } from '../../core/policy/permission.ts';
import { idParam, keyLimits, nameText, pageQuery, time } from '../shapes.ts';
import { cidrs, operations, policyFields } from './policy-shapes.ts';

const id = z.string().min(1).max(100);
const name = nameText(200);
const metadata = z.record(z.string().max(100), z.string().max(1000));

/** What a place says about requests made in it; always sent as a whole. */
export const policyInput = z
  .strictObject({
    models: z.array(z.string().min(1).max(200)).max(500).optional(),
    operations: operations.optional(),
    cidrs: cidrs.optional(),
    limits: keyLimits.optional(),
    ...policyFields,
  })
  .meta({
    description: 'Absent says nothing, an empty list allows nothing. Places below can only narrow it.',
  });

/** Filter every list of the organization takes; only the admin key can name another organization than its own. */
const tenantQuery = { organization_id: id.optional() };

/** What a place says about itself when it is made. */
const placed = {
  name,
  policy: policyInput.optional(),
  metadata: metadata.optional(),
};
const policed = { ...placed, blocked: z.boolean().optional() };
const stored = { id: z.string(), name: z.string(), policy: policyInput, metadata, created_at: time };

export const organizationInput = z.strictObject(policed);
export const organizationView = z.strictObject({ ...stored, blocked: z.boolean() });

export const teamInput = z.strictObject({ ...tenantQuery, ...policed });
export const teamView = z.strictObject({ ...stored, organization_id: z.string(), blocked: z.boolean() });
export const teamFilter = pageQuery.extend({ ...tenantQuery, name: name.optional() });

export const projectInput = z.strictObject({ team_id: id, ...policed });
export const projectView = teamView.extend({ team_id: z.string() });
export const projectFilter = pageQuery.extend({
  ...tenantQuery,
  team_id: id.optional(),
  name: name.optional(),
});

const email = z
  .email()
  .max(254)
  .transform((text) => text.toLowerCase())
  .meta({ description: 'Unique within the organization, without regard to case' });

/** `role` and `team_id` make the first membership along with the user. */
export const userInput = z.strictObject({
  ...tenantQuery,
  ...placed,
  email: email.nullable().optional(),
  external_id: z.string().min(1).max(200).nullable().optional(),
  disabled: z.boolean().optional(),
  role: z.string().min(1).max(100).optional(),
  team_id: id.optional(),
});
export const userView = z.strictObject({
  ...stored,
  organization_id: z.string(),
  email: z.string().nullable(),
  external_id: z.string().nullable(),
  disabled: z.boolean(),
  /** Users whose own policies limit this one, because they made it. */
  limited_by: z.array(z.string()),
  memberships: z.array(z.strictObject({ id: z.string(), team_id: z.string().nullable(), role: z.string() })),
});
export const userFilter = pageQuery.extend({
  ...tenantQuery,
  email: z.string().max(254).optional(),
  external_id: z.string().max(200).optional(),
});

export const serviceAccountInput = z.strictObject({
  ...tenantQuery,
  ...placed,
  team_id: id.nullable().optional(),
  project_id: id.nullable().optional(),
  disabled: z.boolean().optional(),
});
export const serviceAccountView = z.strictObject({
  ...stored,
  organization_id: z.string(),
  team_id: z.string().nullable(),
  project_id: z.string().nullable(),
  disabled: z.boolean(),
  limited_by: z.array(z.string()),
});

export const membershipInput = z.strictObject({
  user_id: id,
  team_id: id.nullable().optional().meta({ description: 'Absent: the whole organization' }),
  role: z.string().min(1).max(100).meta({ description: 'A built-in role’s name or a custom role’s id' }),
});
export const membershipView = z.strictObject({
  id: z.string(),
  organization_id: z.string(),
  user_id: z.string(),
  team_id: z.string().nullable(),
  role: z.string(),
  source: z.string(),
  created_at: time,
});
export const membershipFilter = pageQuery.extend({
  ...tenantQuery,
  user_id: id.optional(),
  team_id: id.optional(),
});

/** What a custom role can hold: everything but what runs the gateway itself. */
const permission = z.enum(
  PERMISSIONS.filter((entry) => entry !== 'public' && !GATEWAY_PERMISSIONS.has(entry)) as [
    Permission,
    ...Permission[],
  ],
);
export const roleInput = z.strictObject({ ...tenantQuery, name, permissions: z.array(permission).max(100) });
export const roleView = z.strictObject({
  id: z.string(),
  organization_id: z.string().nullable(),
  name: z.string(),
  permissions: z.array(z.string()),
  built_in: z.boolean(),
  created_at: time.nullable(),
});

export const tenantPage = pageQuery.extend(tenantQuery);

/** A change of what `input` makes: fields not sent stay. */
export function changeOf<Shape extends z.ZodRawShape>(input: z.ZodObject<Shape>) {
  return input.partial().extend(idParam.shape);
}
