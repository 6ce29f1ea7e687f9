import { Button, Group, Stack } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { api, cached } from '../api.ts';
import { ExchangeTable } from '../components/exchange-table.tsx';
import { Empty, ErrorPanel, RowSkeletons } from '../components/feedback.tsx';
import { type FilterField, Filters } from '../components/filters.tsx';
import { PageHead, Panel } from '../components/panel.tsx';
import { formatCount } from '../format.ts';
import { Icon } from '../icons.tsx';
import type { ExchangeFilter } from '../search.ts';

const PAGE_ROWS = 50;
const route = getRouteApi('/exchanges');

/** The log: filters live in the address bar, pages follow one another by cursor. */
export function ExchangesPage(): ReactNode {
  const navigate = route.useNavigate();
  const { exchange: _, ...filter } = route.useSearch();
  const { status, ...rest } = filter;
  const log = useInfiniteQuery({
    queryKey: [...cached.exchanges, 'log', filter],
    queryFn: ({ pageParam }) =>
      api.call('listExchanges', {
        limit: PAGE_ROWS,
        ...rest,
        ...(status === undefined ? {} : { status }),
        ...(pageParam === undefined ? {} : { cursor: pageParam }),
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const rows = log.data?.pages.flatMap(({ data }) => data) ?? [];
  const filtered = Object.keys(filter).length > 0;
  return (
    <>
      <PageHead title="Exchanges" lead="Every request and its answer, newest first">
        <Button
          variant="default"
          leftSection={<Icon name="refresh" size={14} />}
          loading={log.isRefetching}
          onClick={() => void log.refetch()}
        >
          Refresh
        </Button>
      </PageHead>
      <Stack gap="sm">
        <Filters
          fields={FIELDS}
          filter={filter}
          onFilter={(search) => void navigate({ to: '.', search: search as ExchangeFilter })}
        />
        <Panel title="Log" flush note={rows.length === 0 ? undefined : `${formatCount(rows.length)} shown`}>
          {log.isError && <ErrorPanel error={log.error} onRetry={() => void log.refetch()} />}
          {log.isPending && <RowSkeletons rows={10} />}
          {log.data !== undefined && rows.length === 0 && <Nothing filtered={filtered} />}
          {rows.length > 0 && <ExchangeTable rows={rows} wide />}
          {log.hasNextPage && (
            <Group justify="center" p="sm">
              <Button
                variant="default"
                loading={log.isFetchingNextPage}
                onClick={() => void log.fetchNextPage()}
              >
                Show older ones
              </Button>
            </Group>
          )}
        </Panel>
      </Stack>
    </>
  );
}

function Nothing({ filtered }: { readonly filtered: boolean }): ReactNode {
  return filtered ? (
    <Empty icon="search" title="Nothing matches these filters">
      Take one away, or widen the time. Names are compared exactly.
    </Empty>
  ) : (
    <Empty icon="exchanges" title="The log is empty">
      Send a first request from the overview, or with one of its snippets.
    </Empty>
  );
}

const FIELDS: readonly FilterField[] = [
  { name: 'model', label: 'Model' },
  { name: 'provider', label: 'Provider' },
  { name: 'status', label: 'Status', kind: 'status' },
  { name: 'key_id', label: 'Key id' },
  { name: 'tag', label: 'Tag', placeholder: 'name=value' },
  { name: 'client_request_id', label: 'Client’s id' },
  { name: 'from', label: 'From', kind: 'time' },
  { name: 'to', label: 'To', kind: 'time' },
];
