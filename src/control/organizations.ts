import type { z } from 'zod';
import { SluiceError } from '../core/errors/error.ts';
import { DEFAULT_ORGANIZATION_ID, type Organization } from '../core/policy/place.ts';
import { type Handlers, toTime } from './caller.ts';
import type { organizationView } from './contracts/place-shapes.ts';
import { PlaceDesk, type PlacePorts } from './place-ports.ts';
import { policyOf, policyView, present } from './policies.ts';
import { demand } from './rights.ts';

type OrganizationHandlers = Pick<
  Handlers,
  'createOrganization' | 'listOrganizations' | 'getOrganization' | 'updateOrganization' | 'deleteOrganization'
>;

function viewOf(organization: Organization): z.output<typeof organizationView> {
  return {
    id: organization.id,
    name: organization.name,
    blocked: organization.blocked,
    policy: policyView(organization.policy),
    metadata: { ...organization.metadata },
    created_at: toTime(organization.createdAt),
  };
}

/** Tenants. Everybody sees his own; the admin key makes and removes them. */
export function createOrganizationHandlers(ports: PlacePorts): OrganizationHandlers {
  const desk = new PlaceDesk(ports);
  return {
    async createOrganization(input, caller) {
      const organization: Organization = {
        id: desk.newId('organization'),
        name: input.name,
        blocked: input.blocked ?? false,
        policy: policyOf(input.policy ?? {}),
        metadata: input.metadata ?? {},
        createdAt: ports.clock.now(),
      };
      await desk.insert('organization', caller, organization);
      return viewOf(organization);
    },
    listOrganizations: (input, caller) =>
      desk.list('organization', caller, {
        page: input,
        organizationId: undefined,
        filter: {},
        view: viewOf,
      }),
    async getOrganization({ id }, caller) {
      return viewOf(desk.find('organization', caller, id));
    },
    async updateOrganization({ id, ...input }, caller) {
      demand(caller, 'organizations:write', { organizationId: id, what: 'organization' });
      desk.find('organization', caller, id);
      if (input.policy !== undefined || input.blocked !== undefined) ports.rights.demandUnbound(caller);
      const change = present({
        name: input.name,
        blocked: input.blocked,
        metadata: input.metadata,
        policy: input.policy === undefined ? undefined : policyOf(input.policy),
      });
      return viewOf(await desk.update('organization', caller, { id, change }));
    },
    async deleteOrganization({ id }, caller) {
      desk.find('organization', caller, id);
      if (id === DEFAULT_ORGANIZATION_ID) {
        throw new SluiceError('conflict', 'The default organization cannot be deleted.');
      }
      for (const key of ports.directory.keys()) {
        if (key.organizationId !== id) continue;
        throw new SluiceError('conflict', 'This organization still has keys; revoke them first.');
      }
      return desk.remove('organization', caller, id);
    },
  };
}

/** The organization that single users never notice: made at the first start, holding what came before it. */
export async function ensureDefaultOrganization(ports: Pick<PlacePorts, 'store' | 'clock'>): Promise<void> {
  const { places } = ports.store;
  if ((await places.get('organization', 'every', DEFAULT_ORGANIZATION_ID)) !== undefined) return;
  await places.insert('organization', 'every', {
    id: DEFAULT_ORGANIZATION_ID,
    name: 'Default',
    blocked: false,
    policy: {},
    metadata: {},
    createdAt: ports.clock.now(),
  });
}
