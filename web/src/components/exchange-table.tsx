import { useNavigate } from '@tanstack/react-router';
import { DataTable, type DataTableColumn } from 'mantine-datatable';
import type { ReactNode } from 'react';
import type { Exchange } from '../api.ts';
import { formatCount, formatDuration } from '../format.ts';
import { tableLook } from './table-look.ts';
import { Moment, Money, Outcome } from './values.tsx';

/** Prompt side of an exchange: the classes are disjoint. */
function promptTokens({ usage }: Exchange): number {
  return usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h;
}

function Tokens({ row }: { readonly row: Exchange }): ReactNode {
  if (row.usage.source === 'unknown') return '—';
  const sign = row.usage.source === 'estimated' ? '≈ ' : '';
  return (
    <span
      title={row.usage.source === 'estimated' ? 'Estimated: the upstream did not report usage.' : undefined}
    >
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

type Column = DataTableColumn<Exchange>;

/** Shown only where there is room: a phone has none. */
const ROOMY = '(min-width: 48em)';

function modelColumn(open: (id: string) => void): Column {
  return {
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
        {row.model === '' ? '(no model)' : row.model}
      </button>
    ),
  };
}

const FIGURE = { textAlign: 'right', noWrap: true } as const;

const COLUMNS = {
  time: {
    accessor: 'started_at',
    title: 'Time',
    noWrap: true,
    width: 84,
    render: (row) => <Moment at={row.started_at} />,
  },
  provider: {
    accessor: 'provider',
    title: 'Provider',
    ellipsis: true,
    width: 110,
    render: (row) => row.provider ?? '—',
  },
  result: {
    accessor: 'outcome',
    title: 'Result',
    noWrap: true,
    width: 112,
    render: (row) => <Outcome row={row} />,
  },
  tokens: {
    accessor: 'usage',
    title: 'Tokens',
    ...FIGURE,
    width: 118,
    visibleMediaQuery: ROOMY,
    render: (row) => <Tokens row={row} />,
  },
  cost: {
    accessor: 'cost_usd',
    title: 'Cost',
    ...FIGURE,
    width: 98,
    render: (row) => <Money usd={row.cost_usd} />,
  },
  took: {
    accessor: 'latency_ms',
    title: 'Took',
    ...FIGURE,
    width: 82,
    visibleMediaQuery: ROOMY,
    render: (row) => formatDuration(row.latency_ms),
  },
  dialect: { accessor: 'format', title: 'Dialect', ellipsis: true, width: 148 },
  tags: {
    accessor: 'tags',
    title: 'Tags',
    ellipsis: true,
    width: 140,
    render: (row) =>
      Object.entries(row.tags)
        .map(([name, value]) => `${name}=${value}`)
        .join(', ') || '—',
  },
} as const satisfies Record<string, Column>;

function columnsOf(open: (id: string) => void, wide: boolean): Column[] {
  const { time, provider, result, tokens, cost, took, dialect, tags } = COLUMNS;
  const model = modelColumn(open);
  // Newest first: on a phone the name of the model is worth more than the clock.
  if (!wide) return [{ ...time, visibleMediaQuery: ROOMY }, model, result, tokens, cost, took];
  return [{ ...time, width: 112 }, model, provider, result, tokens, cost, took, dialect, tags];
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
      {...tableLook(wide ? 1010 : 0)}
    />
  );
}
