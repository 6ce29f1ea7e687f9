import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { api, cached, type Exchange } from './api.ts';

/** `live`: rows are pushed; `polling`: asked for every three seconds because the stream is not to be had. */
export type Feed = 'connecting' | 'live' | 'polling';

const POLL_MS = 3000;
const RETRY_MS = 15_000;
/** Rollups are written in batches a little after the exchange ended. */
const SETTLE_MS = 1500;

/** Calls `onRow` for each exchange that ends, for as long as the component stands. */
function useExchangeStream(onRow: (row: Exchange) => void, onOpen: () => void): Feed {
  const [feed, setFeed] = useState<Feed>('connecting');
  const latest = useRef({ onRow, onOpen });
  latest.current = { onRow, onOpen };
  useEffect(() => {
    let source: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const connect = () => {
      source = new EventSource(api.url('watchExchanges', {}));
      source.onopen = () => {
        setFeed('live');
        latest.current.onOpen();
      };
      source.onmessage = (event: MessageEvent<string>) =>
        latest.current.onRow(JSON.parse(event.data) as Exchange);
      source.onerror = () => {
        setFeed('polling');
        // A refused stream is not tried again by the browser itself.
        if (source?.readyState === EventSource.CLOSED) timer = setTimeout(connect, RETRY_MS);
      };
    };
    connect();
    return () => {
      clearTimeout(timer);
      source?.close();
    };
  }, []);
  return feed;
}

/** The latest exchanges, newest first, as they end. `fresh` holds the ids that came while the page was open. */
export function useLiveExchanges(count: number) {
  const queries = useQueryClient();
  const [pushed, setPushed] = useState<readonly Exchange[]>([]);
  const settling = useRef<ReturnType<typeof setTimeout>>(undefined);
  const refresh = () => {
    clearTimeout(settling.current);
    settling.current = setTimeout(
      () => void queries.invalidateQueries({ queryKey: cached.usage }),
      SETTLE_MS,
    );
  };
  const feed = useExchangeStream(
    (row) => {
      setPushed((before) => [row, ...before.filter(({ id }) => id !== row.id)].slice(0, count));
      refresh();
    },
    () => void queries.invalidateQueries({ queryKey: cached.exchanges }),
  );
  useEffect(() => () => clearTimeout(settling.current), []);
  const list = useQuery({
    queryKey: [...cached.exchanges, 'latest', count],
    queryFn: () => api.call('listExchanges', { limit: count }),
    refetchInterval: feed === 'polling' ? POLL_MS : 60_000,
    placeholderData: keepPreviousData,
  });
  const rows = useMemo(() => {
    const all = new Map<string, Exchange>();
    for (const row of [...pushed, ...(list.data?.data ?? [])]) if (!all.has(row.id)) all.set(row.id, row);
    return [...all.values()].sort((a, b) => b.started_at.localeCompare(a.started_at)).slice(0, count);
  }, [pushed, list.data, count]);
  const fresh = useMemo(() => new Set(pushed.map(({ id }) => id)), [pushed]);
  return { rows, fresh, feed, list };
}
