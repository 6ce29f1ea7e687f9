import { Button, Group, Stack, TextInput } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { type FormEvent, type ReactNode, useEffect, useState } from 'react';
import { api, cached } from '../api.ts';
import { ExchangeTable } from '../components/exchange-table.tsx';
import { Empty, ErrorPanel, RowSkeletons } from '../components/feedback.tsx';
import { PageHead, Panel } from '../components/panel.tsx';
import { formatCount } from '../format.ts';
import { Icon } from '../icons.tsx';
import type { ExchangeFilter } from '../search.ts';

const PAGE_ROWS = 50;
const route = getRouteApi('/exchanges');

/** The log: filters live in the address bar, pages follow one another by cursor. */
export function ExchangesPage(): ReactNode {
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
        <Filters filter={filter} />
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

const FIELDS = [
  { name: 'model', label: 'Model' },
  { name: 'provider', label: 'Provider' },
  { name: 'status', label: 'Status' },
  { name: 'key_id', label: 'Key id' },
  { name: 'tag', label: 'Tag', placeholder: 'name=value' },
  { name: 'client_request_id', label: 'Client’s id' },
] as const;

const TIMES = [
  { name: 'from', label: 'From' },
  { name: 'to', label: 'To' },
] as const;

/** RFC 3339 as a `datetime-local` field wants it, in the reader's time zone. */
function toLocal(time: string | undefined): string {
  const at = new Date(time ?? '');
  if (Number.isNaN(at.getTime())) return '';
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function fromLocal(text: string): string | undefined {
  const at = new Date(text);
  return text === '' || Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

function Filters({ filter }: { readonly filter: ExchangeFilter }): ReactNode {
  const navigate = route.useNavigate();
  const [draft, setDraft] = useState<ExchangeFilter>(filter);
  const inBar = JSON.stringify(filter);
  // Back and forward change the address bar; the fields follow it.
  useEffect(() => setDraft(JSON.parse(inBar) as ExchangeFilter), [inBar]);
  const put = (name: keyof ExchangeFilter, value: string | undefined) =>
    setDraft((before) => {
      const { [name]: _, ...others } = before;
      return value === undefined || value === '' ? others : { ...others, [name]: value };
    });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void navigate({ to: '.', search: draft });
  };
  return (
    <form onSubmit={submit} aria-label="Filters">
      <div className="filters">
        {FIELDS.map(({ name, label, ...more }) => (
          <TextInput
            key={name}
            label={label}
            placeholder={'placeholder' in more ? more.placeholder : 'any'}
            {...(name === 'status' ? { inputMode: 'numeric', pattern: '[0-9]{3}' } : {})}
            value={draft[name] ?? ''}
            onChange={(event) => put(name, event.currentTarget.value.trim())}
          />
        ))}
        {TIMES.map(({ name, label }) => (
          <TextInput
            key={name}
            type="datetime-local"
            label={label}
            value={toLocal(draft[name])}
            onChange={(event) => put(name, fromLocal(event.currentTarget.value))}
          />
        ))}
        <Group gap="xs" wrap="nowrap">
          <Button type="submit" leftSection={<Icon name="search" size={14} />}>
            Filter
          </Button>
          {inBar !== '{}' && (
            <Button variant="default" onClick={() => void navigate({ to: '.', search: {} })}>
              Clear
            </Button>
          )}
        </Group>
      </div>
    </form>
  );
}
