import { Badge } from '@mantine/core';
import type { DataTableColumn } from 'mantine-datatable';
import type { ReactNode } from 'react';
import { api, cached } from '../../api.ts';
import { Directory } from '../../components/directory.tsx';
import { Moment } from '../../components/values.tsx';
import { BLOCKED, METADATA, NAME, policyFields } from '../../fields.ts';
import type { Field, Option } from '../../form-input.ts';
import type { Rights } from '../../me.ts';
import { changeActs, makeAct, type Noun, useNames } from '../../noun.ts';

/** What every tab is given. */
export interface TabProps {
  readonly rights: Rights;
  /** The organization looked at; `undefined` where there is but one. */
  readonly organization: string | undefined;
  readonly models: readonly Option[];
}

/** The filter of lists and the place of new things. */
export function within(organization: string | undefined): { organization_id?: string } {
  return organization === undefined ? {} : { organization_id: organization };
}

/** A page of a list, further on where a cursor says so. */
export function pageAt(cursor: string | undefined): { limit: number; cursor?: string } {
  return { limit: 100, ...(cursor === undefined ? {} : { cursor }) };
}

/** What is old when anything here changed: names stand in every table. */
export const TOUCHES = [cached.places, cached.keys, cached.budgets, cached.audit, cached.me];

interface Placed {
  readonly id: string;
  readonly name: string;
  readonly policy: Readonly<Record<string, unknown>>;
  readonly created_at: string;
}

/** The columns every place has. */
export function placeColumns<Row extends Placed>(): DataTableColumn<Row>[] {
  return [
    {
      accessor: 'policy',
      title: 'Policy',
      ellipsis: true,
      render: ({ policy }) => {
        const said = Object.keys(policy).map((name) => name.replaceAll('_', ' '));
        return <span title={JSON.stringify(policy)}>{said.join(', ') || 'none'}</span>;
      },
    },
    {
      accessor: 'created_at',
      title: 'Created',
      width: 120,
      noWrap: true,
      render: ({ created_at }) => <Moment at={created_at} />,
    },
  ];
}

/** Whether requests of it are refused. */
export function StateBadge({ off, word }: { readonly off: boolean; readonly word: string }): ReactNode {
  return <Badge color={off ? 'red' : 'teal'}>{off ? word : 'active'}</Badge>;
}

const blockedColumn = {
  accessor: 'blocked',
  title: 'Status',
  width: 92,
  render: ({ blocked }: { blocked: boolean }) => <StateBadge off={blocked} word="blocked" />,
};
const nameColumn = { accessor: 'name', title: 'Name', ellipsis: true };

export function Organizations({ rights, models }: TabProps): ReactNode {
  const noun: Noun<Organization> = {
    word: 'organization',
    create: 'createOrganization',
    update: 'updateOrganization',
    remove: 'deleteOrganization',
    fields: [NAME, METADATA, BLOCKED, ...policyFields(models)],
    nameOf: ({ name }) => name,
    at: () => ({}),
    removal: 'Only an organization that holds nothing any more can be removed. What it did stays in the log.',
  };
  return (
    <Directory<Organization>
      title="Organizations"
      icon="people"
      empty={[
        'There is no organization',
        'An organization is a tenant: what is in one is not seen from another.',
      ]}
      queryKey={[...cached.places, 'organizations']}
      list={(cursor) => api.call('listOrganizations', pageAt(cursor))}
      columns={[nameColumn, blockedColumn, ...placeColumns<Organization>()]}
      width={620}
      nameOf={noun.nameOf}
      create={makeAct(rights, noun)}
      acts={(row) => changeActs(rights, noun, row)}
      touches={TOUCHES}
    />
  );
}

type Organization = Awaited<ReturnType<typeof api.call<'listOrganizations'>>>['data'][number];
type Team = Awaited<ReturnType<typeof api.call<'listTeams'>>>['data'][number];
type Project = Awaited<ReturnType<typeof api.call<'listProjects'>>>['data'][number];

export function Teams({ rights, organization, models }: TabProps): ReactNode {
  const noun: Noun<Team> = {
    word: 'team',
    create: 'createTeam',
    update: 'updateTeam',
    remove: 'deleteTeam',
    fields: [NAME, METADATA, BLOCKED, ...policyFields(models)],
    nameOf: ({ name }) => name,
    with: within(organization),
    newAt: {},
    at: ({ id }) => ({ teamId: id }),
    removeAt: () => ({}),
    removal: 'A team can be removed when it has no keys, projects and members any more.',
  };
  return (
    <Directory<Team>
      title="Teams"
      icon="people"
      empty={['There is no team yet', 'A team holds projects and keys, and narrows what they may use.']}
      queryKey={[...cached.places, 'teams', organization ?? '']}
      list={(cursor) => api.call('listTeams', { ...pageAt(cursor), ...within(organization) })}
      columns={[nameColumn, blockedColumn, ...placeColumns<Team>()]}
      width={620}
      nameOf={noun.nameOf}
      create={makeAct(rights, noun)}
      acts={(row) => changeActs(rights, noun, row)}
      touches={TOUCHES}
    />
  );
}

export function Projects({ rights, organization, models }: TabProps): ReactNode {
  const teams = useNames(rights, 'listTeams', organization);
  const team: Field = {
    path: 'team_id',
    label: 'Team',
    kind: 'select',
    options: teams.options,
    required: true,
    once: true,
  };
  const noun: Noun<Project> = {
    word: 'project',
    create: 'createProject',
    update: 'updateProject',
    remove: 'deleteProject',
    fields: [NAME, team, METADATA, BLOCKED, ...policyFields(models)],
    nameOf: ({ name }) => name,
    at: ({ team_id }) => ({ teamId: team_id }),
    removal: 'A project can be removed when it has no keys any more.',
  };
  return (
    <Directory<Project>
      title="Projects"
      icon="people"
      empty={['There is no project yet', 'A project is a part of a team with keys and rules of its own.']}
      queryKey={[...cached.places, 'projects', organization ?? '']}
      list={(cursor) => api.call('listProjects', { ...pageAt(cursor), ...within(organization) })}
      columns={[
        nameColumn,
        { accessor: 'team_id', title: 'Team', ellipsis: true, render: ({ team_id }) => teams.of(team_id) },
        blockedColumn,
        ...placeColumns<Project>(),
      ]}
      width={700}
      nameOf={noun.nameOf}
      create={makeAct(rights, noun)}
      acts={(row) => changeActs(rights, noun, row)}
      touches={TOUCHES}
    />
  );
}
