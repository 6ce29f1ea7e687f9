import type { z } from 'zod';
import { badRequest, SluiceError } from '../core/errors/error.ts';
import type { ServiceAccount } from '../core/policy/place.ts';
import { type Caller, type Handlers, toTime } from './caller.ts';
import type { serviceAccountInput, serviceAccountView } from './contracts/place-shapes.ts';
import { PlaceDesk, type PlacePorts } from './place-ports.ts';
import { policyOf, policyView, present } from './policies.ts';
import { demand, organizationFor, teamsWith } from './rights.ts';

type ServiceAccountHandlers = Pick<
  Handlers,
  | 'createServiceAccount'
  | 'listServiceAccounts'
  | 'getServiceAccount'
  | 'updateServiceAccount'
  | 'deleteServiceAccount'
>;

function viewOf(account: ServiceAccount): z.output<typeof serviceAccountView> {
  return {
    id: account.id,
    organization_id: account.organizationId,
    team_id: account.teamId ?? null,
    project_id: account.projectId ?? null,
    name: account.name,
    disabled: account.disabled,
    policy: policyView(account.policy),
    limited_by: [...account.limitedBy],
    metadata: { ...account.metadata },
    created_at: toTime(account.createdAt),
  };
}

/** The team and project a service account is made in. A project says which team it is. */
export function teamAndProject(
  desk: PlaceDesk,
  organizationId: string,
  input: { readonly team_id?: string | null | undefined; readonly project_id?: string | null | undefined },
): { teamId: string | undefined; projectId: string | undefined } {
  const projectId = input.project_id ?? undefined;
  const named = input.team_id ?? undefined;
  if (named !== undefined) desk.named('team', organizationId, { name: 'team_id', id: named });
  if (projectId === undefined) return { teamId: named, projectId };
  const project = desk.named('project', organizationId, { name: 'project_id', id: projectId });
  if (named !== undefined && named !== project.teamId) {
    throw badRequest('project_id', '`project_id`: this project belongs to another team.');
  }
  return { teamId: project.teamId, projectId };
}

/** Programs that have keys. */
export function createServiceAccountHandlers(ports: PlacePorts): ServiceAccountHandlers {
  const desk = new PlaceDesk(ports);
  const found = (
    caller: Caller,
    id: string,
    permission: 'service_accounts:read' | 'service_accounts:write',
  ) => {
    const account = desk.find('service_account', caller, id);
    demand(caller, permission, { ...account, what: 'service account' });
    return account;
  };
  const made = (input: z.output<typeof serviceAccountInput>, caller: Caller): ServiceAccount => {
    const organizationId = organizationFor(caller, input.organization_id);
    desk.find('organization', caller, organizationId);
    return {
      id: desk.newId('service_account'),
      organizationId,
      ...teamAndProject(desk, organizationId, input),
      name: input.name,
      disabled: input.disabled ?? false,
      policy: policyOf(input.policy ?? {}),
      limitedBy: ports.rights.boundBy(caller),
      metadata: input.metadata ?? {},
      createdAt: ports.clock.now(),
    };
  };
  return {
    async createServiceAccount(input, caller) {
      const account = made(input, caller);
      demand(caller, 'service_accounts:write', { ...account, what: 'team' });
      await desk.insert('service_account', caller, account);
      return viewOf(account);
    },
    async listServiceAccounts(input, caller) {
      const teams = teamsWith(caller, 'service_accounts:read');
      const seen = ({ teamId = '' }: ServiceAccount) => teams === 'all' || teams.includes(teamId);
      const all = [...ports.places.serviceAccounts.values()];
      return desk.list('service_account', caller, {
        page: input,
        organizationId: input.organization_id,
        filter: {
          teamId: input.team_id,
          name: input.name,
          ids: teams === 'all' ? undefined : all.filter(seen).map(({ id }) => id),
        },
        view: viewOf,
      });
    },
    async getServiceAccount({ id }, caller) {
      return viewOf(found(caller, id, 'service_accounts:read'));
    },
    async updateServiceAccount({ id, ...input }, caller) {
      found(caller, id, 'service_accounts:write');
      if (input.policy !== undefined) ports.rights.demandUnbound(caller);
      const policy = input.policy === undefined ? undefined : policyOf(input.policy);
      const { name, disabled, metadata } = input;
      const change = present({ name, disabled, metadata, policy });
      return viewOf(await desk.update('service_account', caller, { id, change }));
    },
    async deleteServiceAccount({ id }, caller) {
      found(caller, id, 'service_accounts:write');
      for (const key of ports.directory.keys()) {
        if (key.serviceAccountId !== id) continue;
        throw new SluiceError('conflict', 'This service account still has keys; revoke them first.');
      }
      return desk.remove('service_account', caller, id);
    },
  };
}
