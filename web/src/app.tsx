import { Anchor, MantineProvider, Stack, Text, Title } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import {
  createRootRoute,
  createRoute,
  createRouter,
  Link,
  lazyRouteComponent,
  RouterProvider,
} from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { createQueryClient } from './api.ts';
import { ErrorPanel } from './components/feedback.tsx';
import { Root } from './components/shell.tsx';
import { OverviewPage } from './routes/overview.tsx';
import { SignInPage } from './routes/sign-in.tsx';
import {
  openDrawer,
  parseSearch,
  readApprovalView,
  readAuditFilter,
  readChargebackView,
  readExchangeFilter,
  readPeopleView,
  readUsageView,
  writeSearch,
} from './search.ts';
import { cssVariables, theme } from './theme.ts';

const rootRoute = createRootRoute({
  component: Root,
  validateSearch: openDrawer,
  notFoundComponent: NotFound,
  errorComponent: ({ error, reset }) => <ErrorPanel error={error} onRetry={reset} />,
});

function NotFound(): ReactNode {
  return (
    <Stack gap="xs" maw={480}>
      <Title order={1}>There is no such page</Title>
      <Text>
        The address may be from an older version. Go to the{' '}
        <Anchor component={Link} to="/" underline="always">
          overview
        </Anchor>
        .
      </Text>
    </Stack>
  );
}

const under = () => rootRoute;
const overview = createRoute({ getParentRoute: under, path: '/', component: OverviewPage });
const signIn = createRoute({ getParentRoute: under, path: '/sign-in', component: SignInPage });
const approve = createRoute({
  getParentRoute: under,
  path: '/approve',
  component: lazyRouteComponent(() => import('./routes/approve.tsx'), 'ApprovePage'),
});
const exchanges = createRoute({
  getParentRoute: under,
  path: '/exchanges',
  validateSearch: readExchangeFilter,
  component: lazyRouteComponent(() => import('./routes/exchanges.tsx'), 'ExchangesPage'),
});
const keys = createRoute({
  getParentRoute: under,
  path: '/keys',
  component: lazyRouteComponent(() => import('./routes/keys.tsx'), 'KeysPage'),
});
const people = createRoute({
  getParentRoute: under,
  path: '/people',
  validateSearch: readPeopleView,
  component: lazyRouteComponent(() => import('./routes/people.tsx'), 'PeoplePage'),
});
const budgets = createRoute({
  getParentRoute: under,
  path: '/budgets',
  component: lazyRouteComponent(() => import('./routes/budgets.tsx'), 'BudgetsPage'),
});
const approvals = createRoute({
  getParentRoute: under,
  path: '/approvals',
  validateSearch: readApprovalView,
  component: lazyRouteComponent(() => import('./routes/approvals.tsx'), 'ApprovalsPage'),
});
const audit = createRoute({
  getParentRoute: under,
  path: '/audit',
  validateSearch: readAuditFilter,
  component: lazyRouteComponent(() => import('./routes/audit.tsx'), 'AuditPage'),
});
const models = createRoute({
  getParentRoute: under,
  path: '/models',
  component: lazyRouteComponent(() => import('./routes/models.tsx'), 'ModelsPage'),
});
const routers = createRoute({
  getParentRoute: under,
  path: '/routers',
  component: lazyRouteComponent(() => import('./routes/routers.tsx'), 'RoutersPage'),
});
const deployments = createRoute({
  getParentRoute: under,
  path: '/deployments',
  component: lazyRouteComponent(() => import('./routes/deployments.tsx'), 'DeploymentsPage'),
});
const usage = createRoute({
  getParentRoute: under,
  path: '/usage',
  validateSearch: readUsageView,
  component: lazyRouteComponent(() => import('./routes/usage.tsx'), 'UsagePage'),
});
const account = createRoute({
  getParentRoute: under,
  path: '/account',
  component: lazyRouteComponent(() => import('./routes/account.tsx'), 'AccountPage'),
});
const chargeback = createRoute({
  getParentRoute: under,
  path: '/chargeback',
  validateSearch: readChargebackView,
  component: lazyRouteComponent(() => import('./routes/chargeback.tsx'), 'ChargebackPage'),
});
const prices = createRoute({
  getParentRoute: under,
  path: '/prices',
  component: lazyRouteComponent(() => import('./routes/prices.tsx'), 'PricesPage'),
});
const cache = createRoute({
  getParentRoute: under,
  path: '/cache',
  component: lazyRouteComponent(() => import('./routes/cache.tsx'), 'CachePage'),
});
const credentials = createRoute({
  getParentRoute: under,
  path: '/credentials',
  component: lazyRouteComponent(() => import('./routes/credentials.tsx'), 'CredentialsPage'),
});
const configuration = createRoute({
  getParentRoute: under,
  path: '/configuration',
  component: lazyRouteComponent(() => import('./routes/configuration.tsx'), 'ConfigurationPage'),
});
const settings = createRoute({
  getParentRoute: under,
  path: '/settings',
  component: lazyRouteComponent(() => import('./routes/settings.tsx'), 'SettingsPage'),
});

const router = createRouter({
  routeTree: rootRoute.addChildren([
    overview,
    signIn,
    approve,
    exchanges,
    keys,
    people,
    budgets,
    approvals,
    audit,
    models,
    routers,
    deployments,
    prices,
    cache,
    credentials,
    configuration,
    usage,
    account,
    chargeback,
    settings,
  ]),
  parseSearch,
  stringifySearch: writeSearch,
  defaultPreload: 'intent',
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}

const queryClient = createQueryClient(() => {
  const { pathname, href } = router.state.location;
  if (pathname === '/sign-in' || pathname === '/approve') return;
  queryClient.clear();
  void router.navigate({ to: '/sign-in', search: {}, state: { from: href, ended: true } });
});

/** The portal. */
export function App(): ReactNode {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto">
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  );
}
