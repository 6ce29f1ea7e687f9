import type { z } from 'zod';
import { SluiceError } from '../core/errors/error.ts';
import type { Project, Team } from '../core/policy/place.ts';
import { type Caller, type Handlers, notFound, toTime } from './caller.ts';
import type { projectView, teamView } from './contracts/place-shapes.ts';
import { PlaceDesk, type PlacePorts } from './place-ports.ts';
import { policyOf, policyView, present } from './policies.ts';
import { can, demand, organizationFor, teamsWith } from './rights.ts';

type TeamHandlers = Pick<Handlers, 'createTeam' | 'listTeams' | 'getTeam' | 'updateTeam' | 'deleteTeam'>;
type ProjectHandlers = Pick<
  Handlers,
  'createProject' | 'listProjects' | 'getProject' | 'updateProject' | 'deleteProject'
>;

function viewOf(team: Team): z.output<typeof teamView> {
  return {
    id: team.id,
    organization_id: team.organizationId,
    name: team.name,
    blocked: team.blocked,
    policy: policyView(team.policy),
    metadata: { ...team.metadata },
    created_at: toTime(team.createdAt),
  };
}

function projectViewOf(project: Project): z.output<typeof projectView> {
  return { ...viewOf(project), team_id: project.teamId };
}

/** Throws while keys belong to the place. */
function demandNoKeys(ports: PlacePorts, field: 'teamId' | 'projectId', id: string): void {
  for (const key of ports.directory.keys()) {
    if (key[field] !== id) continue;
    throw new SluiceError('conflict', 'Keys still belong here; revoke or move them first.');
  }
}

/** Who may not change what binds a place from inside it: its policy and whether it is blocked. */
function demandAbove(ports: PlacePorts, caller: Caller, team: { readonly organizationId: string }): void {
  if (!can(caller, 'teams:write', { organizationId: team.organizationId })) {
    throw new SluiceError('forbidden', 'What binds a team is changed by those who manage the organization.');
  }
  ports.rights.demandUnbound(caller);
}

function changeOf(input: {
  readonly name?: string | undefined;
  readonly blocked?: boolean | undefined;
  readonly metadata?: Record<string, string> | undefined;
  readonly policy?: z.output<typeof teamView>['policy'] | undefined;
}) {
  const policy = input.policy === undefined ? undefined : policyOf(input.policy);
  return present({ name: input.name, blocked: input.blocked, metadata: input.metadata, policy });
}

/** Teams. Made by those who manage the organization; a team's own managers can rename it, not loosen it. */
export function createTeamHandlers(ports: PlacePorts): TeamHandlers {
  const desk = new PlaceDesk(ports);
  return {
    async createTeam(input, caller) {
      const organizationId = organizationFor(caller, input.organization_id);
      demand(caller, 'teams:write', { organizationId, what: 'organization' });
      desk.find('organization', caller, organizationId);
      const team: Team = {
        id: desk.newId('team'),
        organizationId,
        name: input.name,
        blocked: input.blocked ?? false,
        policy: policyOf(input.policy ?? {}),
        metadata: input.metadata ?? {},
        createdAt: ports.clock.now(),
      };
      await desk.insert('team', caller, team);
      return viewOf(team);
    },
    async listTeams(input, caller) {
      const visible = teamsWith(caller, 'teams:read');
      return desk.list('team', caller, {
        page: input,
        organizationId: input.organization_id,
        filter: { name: input.name, ids: visible === 'all' ? undefined : visible },
        view: viewOf,
      });
    },
    async getTeam({ id }, caller) {
      const team = desk.find('team', caller, id);
      // As for keys and exchanges: what he may not see is not there for him.
      if (!can(caller, 'teams:read', { ...team, teamId: id })) throw notFound('team');
      return viewOf(team);
    },
    async updateTeam({ id, ...input }, caller) {
      const team = desk.find('team', caller, id);
      demand(caller, 'teams:write', { ...team, teamId: id, what: 'team' });
      if (input.policy !== undefined || input.blocked !== undefined) demandAbove(ports, caller, team);
      return viewOf(await desk.update('team', caller, { id, change: changeOf(input) }));
    },
    async deleteTeam({ id }, caller) {
      const team = desk.find('team', caller, id);
      demand(caller, 'teams:write', { organizationId: team.organizationId, what: 'team' });
      demandNoKeys(ports, 'teamId', id);
      return desk.remove('team', caller, id);
    },
  };
}

/** Projects of a team. The team's managers make them; they narrow what the team allows. */
export function createProjectHandlers(ports: PlacePorts): ProjectHandlers {
  const desk = new PlaceDesk(ports);
  return {
    async createProject(input, caller) {
      const team = desk.find('team', caller, input.team_id);
      demand(caller, 'projects:write', { ...team, teamId: team.id, what: 'team' });
      const project: Project = {
        id: desk.newId('project'),
        organizationId: team.organizationId,
        teamId: team.id,
        name: input.name,
        blocked: input.blocked ?? false,
        policy: policyOf(input.policy ?? {}),
        metadata: input.metadata ?? {},
        createdAt: ports.clock.now(),
      };
      await desk.insert('project', caller, project);
      return projectViewOf(project);
    },
    async listProjects(input, caller) {
      const visible = teamsWith(caller, 'projects:read');
      const ids =
        visible === 'all'
          ? undefined
          : [...ports.places.projects.values()]
              .filter(({ teamId }) => visible.includes(teamId))
              .map(({ id }) => id);
      return desk.list('project', caller, {
        page: input,
        organizationId: input.organization_id,
        filter: { teamId: input.team_id, name: input.name, ids },
        view: projectViewOf,
      });
    },
    async getProject({ id }, caller) {
      const project = desk.find('project', caller, id);
      if (!can(caller, 'projects:read', project)) throw notFound('project');
      return projectViewOf(project);
    },
    async updateProject({ id, ...input }, caller) {
      const project = desk.find('project', caller, id);
      demand(caller, 'projects:write', { ...project, what: 'project' });
      if (input.policy !== undefined || input.blocked !== undefined) ports.rights.demandUnbound(caller);
      return projectViewOf(await desk.update('project', caller, { id, change: changeOf(input) }));
    },
    async deleteProject({ id }, caller) {
      const project = desk.find('project', caller, id);
      demand(caller, 'projects:write', { ...project, what: 'project' });
      demandNoKeys(ports, 'projectId', id);
      return desk.remove('project', caller, id);
    },
  };
}
