import { useNavigate } from '@tanstack/react-router';
import { DataTable, type DataTableColumn } from 'mantine-datatable';
import type { ReactNode } from 'react';
import type { Exchange } from '../api.ts';
import { formatCount, formatDuration } from '../format.ts';
import { Moment, Money, Outcome } from './values.tsx';

/** Prompt side of an exchange: the classes are disjoint. */
function promptTokens({ usage }: Exchange): number {
  return usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h;
}

function Tokens({ row }: { readonly row: Exchange }): ReactNode {
  if (row.usage.source === 'unknown') return '—';
  const sign = row.usage.source === 'estimated' ? '≈ ' : '';
  return (
    <span title={row.usage.source === 'estimated' ? 'Estimated: the upstream did not report usage.' : undefined}>
      {sign}
      {formatCount(promptTokens(row))} → {formatCount(row.usage.output)}
    </span>
  );
}

/** Opens the drawer of an exchange on whatever page is shown. */
export function useOpenExchange(): (id: string) => void {
  const navigate = useNavigate();
  return (id) =>
    void navigate({ to: '.', search: (before: object) => ({ ...before, exchange: id }), resetScroll: false });
}

function columnsOf(open: (id: string) => void, wide: boolean): DataTableColumn<Exchange>[] {
  return [
    {
      accessor: 'started_at',
      title: 'Time',
      noWrap: true,
      width: 104,
      render: (row) => <Moment at={row.started_at} />,
    },
    {
      accessor: 'model',
      title: 'Model',
      ellipsis: true,
      render: (row) => (
        <button
          type="button"
          className="row-button cut"
          title={row.model}
          aria-label={`Details of the exchange with ${row.model}`}
          onClick={(event) => {
            event.stopPropagation();
            open(row.id);
          }}
        >
          {row.model}
        </button>
      ),
    },
    { accessor: 'provider', title: 'Provider', ellipsis: true, width: 110, render: (row) => row.provider ?? '—' },
    { accessor: 'outcome', title: 'Result', noWrap: true, width: 128, render: (row) => <Outcome row={row} /> },
    {
      accessor: 'usage',
      title: 'Tokens in → out',
      noWrap: true,
      textAlign: 'right',
      width: 122,
      render: (row) => <Tokens row={row} />,
    },
    {
      accessor: 'cost_usd',
      title: 'Cost',
      noWrap: true,
      textAlign: 'right',
      width: 106,
      render: (row) => <Money usd={row.cost_usd} />,
    },
    {
      accessor: 'latency_ms',
      title: 'Time taken',
      noWrap: true,
      textAlign: 'right',
      width: 92,
      render: (row) => formatDuration(row.latency_ms),
    },
    ...(wide
      ? ([
          { accessor: 'format', title: 'Dialect', noWrap: true, width: 150 },
          {
            accessor: 'tags',
            title: 'Tags',
            ellipsis: true,
            width: 150,
            render: (row) =>
              Object.entries(row.tags)
                .map(([name, value]) => `${name}=${value}`)
                .join(', ') || '—',
          },
        ] satisfies DataTableColumn<Exchange>[])
      : []),
  ];
}

/** Rows of the log; a click or Enter on one opens everything known about it. */
export function ExchangeTable(props: {
  readonly rows: readonly Exchange[];
  readonly fresh?: ReadonlySet<string>;
  readonly wide?: boolean;
}): ReactNode {
  const open = useOpenExchange();
  const wide = props.wide === true;
  return (
    <DataTable
      records={[...props.rows]}
      columns={columnsOf(open, wide)}
      onRowClick={({ record }) => open(record.id)}
      rowClassName={(row) => (props.fresh?.has(row.id) === true ? 'fresh' : undefined)}
      highlightOnHover
      minHeight={0}
      verticalSpacing={6}
      horizontalSpacing="sm"
      fz="sm"
      borderRadius={10}
      rowBorderColor="var(--sluice-line)"
      backgroundColor="var(--mantine-color-body)"
      tableWrapper={({ children }) => <div style={{ minWidth: wide ? 1080 : 760 }}>{children}</div>}
      scrollAreaProps={{ type: 'auto' }}
    />
  );
}
