import {
  ActionIcon,
  AppShell,
  Burger,
  Group,
  SegmentedControl,
  Stack,
  Text,
  Tooltip,
  useMantineColorScheme,
  VisuallyHidden,
} from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useLocation, useNavigate } from '@tanstack/react-router';
import { lazy, type ReactNode, Suspense, useEffect } from 'react';
import type { EndpointName } from '../../../src/control/contract.ts';
import { api, cached } from '../api.ts';
import { formatUptime } from '../format.ts';
import { Icon, type IconName } from '../icons.tsx';
import { useRights } from '../me.ts';
import { Wordmark } from './brand.tsx';

const ExchangeDrawer = lazy(async () => ({
  default: (await import('./exchange-drawer.tsx')).ExchangeDrawer,
}));

const PAGES = [
  { to: '/', label: 'Overview', icon: 'overview' },
  { to: '/exchanges', label: 'Exchanges', icon: 'exchanges', needs: ['listExchanges'] },
  { to: '/usage', label: 'Usage', icon: 'usage', needs: ['getUsage'] },
  { to: '/chargeback', label: 'Chargeback', icon: 'chargeback', needs: ['getChargeback'] },
  { to: '/keys', label: 'Keys', icon: 'keys', needs: ['listKeys'] },
  { to: '/people', label: 'People & teams', icon: 'people', needs: ['listTeams', 'listUsers', 'listRoles'] },
  { to: '/budgets', label: 'Budgets & limits', icon: 'budgets', needs: ['listBudgets', 'listLimits'] },
  { to: '/approvals', label: 'Approvals', icon: 'approvals', needs: ['listApprovals', 'requestApproval'] },
  { to: '/models', label: 'Models', icon: 'models' },
  { to: '/prices', label: 'Prices', icon: 'prices', needs: ['listPrices'] },
  { to: '/routers', label: 'Routers', icon: 'routers', needs: ['listRouters'] },
  { to: '/deployments', label: 'Deployments', icon: 'deployments' },
  { to: '/cache', label: 'Cache', icon: 'cache', needs: ['getCacheStats'] },
  { to: '/credentials', label: 'Credentials', icon: 'credentials', needs: ['listCredentials'] },
  { to: '/configuration', label: 'Configuration', icon: 'configuration', needs: ['listConfigHistory'] },
  { to: '/audit', label: 'Audit', icon: 'audit', needs: ['listAudit'] },
  { to: '/account', label: 'Account', icon: 'account' },
  { to: '/settings', label: 'Settings', icon: 'settings' },
] as const satisfies readonly {
  to: string;
  label: string;
  icon: IconName;
  /** Shown to who may use one of these; absent: to everybody. */
  needs?: readonly EndpointName[];
}[];

/** The gateway's status, kept fresh while a page is open. */
export function useStatus() {
  return useQuery({
    queryKey: cached.status,
    queryFn: () => api.call('getStatus', {}),
    refetchInterval: 10_000,
  });
}

/** The frame around every page but the sign-in. */
export function Root(): ReactNode {
  const { pathname } = useLocation();
  return pathname === '/sign-in' || pathname === '/approve' ? <Outlet /> : <Shell />;
}

function Shell(): ReactNode {
  const [open, { toggle, close }] = useDisclosure(false);
  const { pathname } = useLocation();
  const page = PAGES.find(({ to }) => to === pathname)?.label ?? 'Sluice';
  useEffect(() => {
    document.title = page === 'Sluice' ? 'Sluice' : `${page} · Sluice`;
  }, [page]);
  return (
    <AppShell
      header={{ height: { base: 52, sm: 0 } }}
      navbar={{ width: 208, breakpoint: 'sm', collapsed: { mobile: !open } }}
      padding={0}
    >
      <a className="skip-link" href="#main">
        Skip to the content
      </a>
      <AppShell.Header className="nav" hiddenFrom="sm" px="md">
        <Group h="100%" justify="space-between">
          <Wordmark />
          <Burger opened={open} onClick={toggle} size="sm" aria-label={open ? 'Close menu' : 'Open menu'} />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar className="nav" aria-label="Pages" p={12}>
        <Navigation onChoice={close} />
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1} style={{ outline: 'none' }}>
        <div style={{ maxWidth: 1480, margin: '0 auto', padding: '20px clamp(14px, 2vw, 28px) 40px' }}>
          <Outlet />
        </div>
      </AppShell.Main>
      <Suspense fallback={null}>
        <ExchangeDrawer />
      </Suspense>
    </AppShell>
  );
}

function Navigation({ onChoice }: { readonly onChoice: () => void }): ReactNode {
  const rights = useRights();
  const pages = PAGES.filter((page) => !('needs' in page) || page.needs.some((name) => rights.may(name)));
  return (
    <>
      <Group visibleFrom="sm" h={40} px={6} mb={10}>
        <Wordmark />
      </Group>
      <Stack gap={2} flex={1}>
        {pages.map(({ to, label, icon }) => (
          <Link
            key={to}
            to={to}
            className="nav-link"
            activeOptions={{ exact: true, includeSearch: false }}
            onClick={onChoice}
          >
            <Icon name={icon} size={17} />
            {label}
          </Link>
        ))}
      </Stack>
      <Foot />
    </>
  );
}

function Foot(): ReactNode {
  const navigate = useNavigate();
  const queries = useQueryClient();
  const status = useStatus();
  const signOut = useMutation({
    mutationFn: () => api.call('closeSession', {}),
    onSuccess: async () => {
      queries.clear();
      await navigate({ to: '/sign-in', search: {} });
    },
  });
  return (
    <Stack gap={10} px={4}>
      {status.data !== undefined && (
        <Group gap={8} wrap="nowrap">
          <span className="dot" data-tone={status.isError ? 'bad' : status.data.ready ? 'good' : 'warn'} />
          <Text size="xs" c="dimmed" lh={1.35}>
            {status.isError ? 'Not reachable' : versionText(status.data.version)}
            {!status.isError && `, up ${formatUptime(status.data.uptime_s)}`}
          </Text>
        </Group>
      )}
      <Group gap={6} wrap="nowrap" justify="space-between">
        <SchemeSwitch />
        <Tooltip label="Sign out">
          <ActionIcon
            variant="subtle"
            color="gray"
            c="dimmed"
            aria-label="Sign out"
            loading={signOut.isPending}
            onClick={() => signOut.mutate()}
          >
            <Icon name="signOut" />
          </ActionIcon>
        </Tooltip>
      </Group>
    </Stack>
  );
}

/** `v1.2.3`; a run from source has no number. */
function versionText(version: string): string {
  return /^\d/.test(version) ? `v${version}` : version;
}

const SCHEMES = [
  { value: 'light', icon: 'sun', label: 'Light' },
  { value: 'dark', icon: 'moon', label: 'Dark' },
  { value: 'auto', icon: 'system', label: 'As the system' },
] as const satisfies readonly { value: string; icon: IconName; label: string }[];

/** Light, dark or as the system; remembered in the browser. */
function SchemeSwitch(): ReactNode {
  const { colorScheme, setColorScheme } = useMantineColorScheme({ keepTransitions: true });
  return (
    <SegmentedControl
      aria-label="Colours"
      value={colorScheme}
      onChange={(value) => setColorScheme(value as 'light' | 'dark' | 'auto')}
      data={SCHEMES.map(({ value, icon, label }) => ({
        value,
        label: (
          <span title={label} style={{ display: 'flex', padding: 2 }}>
            <Icon name={icon} size={14} />
            <VisuallyHidden>{label}</VisuallyHidden>
          </span>
        ),
      }))}
    />
  );
}
