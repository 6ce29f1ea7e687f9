import { Select, Tabs } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { EndpointName } from '../../../src/control/contract.ts';
import { api, cached } from '../api.ts';
import { ControlPage } from '../components/control-page.tsx';
import { Empty, RowSkeletons } from '../components/feedback.tsx';
import { useRights } from '../me.ts';
import { useModelNames, useNames } from '../noun.ts';
import { Organizations, Projects, type TabProps, Teams } from './people/places.tsx';
import { SignInSources } from './people/sign-in-sources.tsx';
import { Memberships, Roles, ServiceAccounts, Users } from './people/users.tsx';

const route = getRouteApi('/people');

interface Tab {
  readonly id: string;
  readonly label: string;
  readonly needs: EndpointName;
  readonly page: (props: TabProps & { readonly grantable: readonly string[] }) => ReactNode;
}

const TABS: readonly Tab[] = [
  { id: 'teams', label: 'Teams', needs: 'listTeams', page: Teams },
  { id: 'projects', label: 'Projects', needs: 'listProjects', page: Projects },
  { id: 'users', label: 'Users', needs: 'listUsers', page: Users },
  { id: 'service-accounts', label: 'Service accounts', needs: 'listServiceAccounts', page: ServiceAccounts },
  { id: 'memberships', label: 'Memberships', needs: 'listMemberships', page: Memberships },
  { id: 'roles', label: 'Roles', needs: 'listRoles', page: Roles },
  { id: 'directories', label: 'Sign-in & directories', needs: 'listScimTokens', page: SignInSources },
  { id: 'organizations', label: 'Organizations', needs: 'listOrganizations', page: Organizations },
];

/** Organizations, teams, projects, users, service accounts, memberships and roles. */
export function PeoplePage(): ReactNode {
  const rights = useRights();
  const { tab, organization } = route.useSearch();
  const navigate = route.useNavigate();
  const show = (view: { tab?: string; organization?: string }) =>
    void navigate({
      to: '.',
      search: {
        ...(tab === undefined ? {} : { tab }),
        ...(organization === undefined ? {} : { organization }),
        ...view,
      },
    });
  const organizations = useNames(rights, 'listOrganizations');
  const models = useModelNames();
  const grantable = useGrantable(rights.may('listRoles'));
  const many = organizations.options.length > 1;
  const tabs = TABS.filter(({ id, needs }) => {
    // Who has but one organization need not know that there could be more; who may change it finds it here.
    const useful = id !== 'organizations' || many || rights.may('updateOrganization');
    return rights.may(needs) && useful;
  });
  const shown = tabs.find(({ id }) => id === tab) ?? tabs[0];
  const inOne = many ? (organization ?? organizations.options.at(-1)?.value) : undefined;
  return (
    <ControlPage
      title="People & teams"
      lead="Who may ask, where he belongs, and what he may do"
      head={
        many &&
        shown?.id !== 'organizations' && (
          <Select
            aria-label="Organization"
            data={[...organizations.options]}
            value={inOne ?? null}
            allowDeselect={false}
            searchable
            onChange={(chosen) => chosen !== null && show({ organization: chosen })}
          />
        )
      }
    >
      {!rights.known && <RowSkeletons />}
      {rights.known && shown === undefined && (
        <Empty icon="people" title="Nothing here is yours to see">
          Ask somebody who manages your organization for a role that may read it.
        </Empty>
      )}
      {shown !== undefined && (
        <Tabs value={shown.id} keepMounted={false} onChange={(next) => next !== null && show({ tab: next })}>
          <Tabs.List mb="sm">
            {tabs.map(({ id, label }) => (
              <Tabs.Tab key={id} value={id}>
                {label}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {tabs.map(({ id, page: Page }) => (
            <Tabs.Panel key={id} value={id}>
              <Page rights={rights} organization={inOne} models={models} grantable={grantable} />
            </Tabs.Panel>
          ))}
        </Tabs>
      )}
    </ControlPage>
  );
}

/** What a role of one's own can hold: what an owner holds. */
function useGrantable(may: boolean): readonly string[] {
  const { data } = useQuery({
    queryKey: [...cached.places, 'owner'],
    queryFn: () => api.call('listRoles', { limit: 500 }),
    enabled: may,
    staleTime: 60_000,
  });
  const owner = data?.data.find(({ id }) => id === 'owner')?.permissions ?? [];
  return owner.filter((name) => name !== 'public');
}
