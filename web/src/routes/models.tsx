import { Select, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { DataTable, type DataTableSortStatus } from 'mantine-datatable';
import { type ReactNode, useMemo, useState } from 'react';
import { api, cached, type Model } from '../api.ts';
import { CopyButton } from '../components/copy.tsx';
import { Empty, ErrorPanel, RowSkeletons } from '../components/feedback.tsx';
import { PageHead, Panel } from '../components/panel.tsx';
import { tableLook } from '../components/table-look.ts';
import { formatCount, formatUsd } from '../format.ts';
import { Icon } from '../icons.tsx';

const PAGE_ROWS = 50;

function sortValue(model: Model, column: string): string | number {
  if (column === 'input' || column === 'output') return Number(model.price_usd_per_mtok?.[column] ?? -1);
  if (column === 'context_tokens') return model.context_tokens ?? -1;
  return column === 'provider' ? model.provider : model.id;
}

function compare(a: string | number, b: string | number): number {
  return typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
}

/** Every model name this gateway answers to, with limits and prices. */
export function ModelsPage(): ReactNode {
  const models = useQuery({
    queryKey: cached.models,
    queryFn: () => api.call('listModels', {}),
    staleTime: 60_000,
  });
  const [typed, setTyped] = useState('');
  const [search] = useDebouncedValue(typed.trim().toLowerCase(), 120);
  const [provider, setProvider] = useState<string | null>(null);
  const [page, setPage] = useState(1);
  const [sort, setSort] = useState<DataTableSortStatus<Model>>({ columnAccessor: 'id', direction: 'asc' });
  const all = models.data?.data;
  const found = useMemo(() => {
    const words = search.split(/\s+/);
    const column = String(sort.columnAccessor);
    const sign = sort.direction === 'asc' ? 1 : -1;
    return (all ?? [])
      .filter((model) => provider === null || model.provider === provider)
      .filter((model) => words.every((word) => `${model.id} ${model.provider}`.toLowerCase().includes(word)))
      .sort((a, b) => sign * compare(sortValue(a, column), sortValue(b, column)));
  }, [all, search, provider, sort]);
  const providers = useMemo(() => [...new Set((all ?? []).map((model) => model.provider))].sort(), [all]);
  return (
    <>
      <PageHead
        title="Models"
        lead="Names your applications may ask for; prices in US dollars per million tokens"
      >
        <Select
          aria-label="Provider"
          placeholder="Every provider"
          clearable
          searchable
          clearButtonProps={{ 'aria-label': 'Every provider' }}
          data={providers}
          value={provider}
          onChange={(value) => {
            setProvider(value);
            setPage(1);
          }}
          w={170}
        />
        <TextInput
          aria-label="Search models"
          placeholder="Search"
          leftSection={<Icon name="search" size={14} />}
          value={typed}
          onChange={(event) => {
            setTyped(event.currentTarget.value);
            setPage(1);
          }}
          w={200}
        />
      </PageHead>
      <Panel
        title="Models"
        flush
        note={all === undefined ? undefined : `${formatCount(found.length)} of ${formatCount(all.length)}`}
      >
        {models.isError && <ErrorPanel error={models.error} onRetry={() => void models.refetch()} />}
        {models.isPending && <RowSkeletons rows={12} />}
        {all !== undefined && found.length === 0 && (
          <Empty icon="search" title={all.length === 0 ? 'No model is reachable' : 'No model matches'}>
            {all.length === 0
              ? 'Configure a provider first: put its key into the environment and start again.'
              : 'Try fewer letters or another provider.'}
          </Empty>
        )}
        {found.length > 0 && (
          <ModelTable found={found} page={page} onPage={setPage} sort={sort} onSort={setSort} />
        )}
      </Panel>
    </>
  );
}

function price(model: Model, name: 'input' | 'output' | 'cache_read' | 'cache_write_5m'): ReactNode {
  const usd = model.price_usd_per_mtok?.[name];
  return usd === undefined ? '—' : <span title={`$${usd}`}>{formatUsd(usd)}</span>;
}

function ModelTable(props: {
  readonly found: readonly Model[];
  readonly page: number;
  readonly onPage: (page: number) => void;
  readonly sort: DataTableSortStatus<Model>;
  readonly onSort: (sort: DataTableSortStatus<Model>) => void;
}): ReactNode {
  const { found, page, onPage, sort, onSort } = props;
  const figure = { textAlign: 'right', noWrap: true, width: 110 } as const;
  return (
    <DataTable<Model>
      records={found.slice((page - 1) * PAGE_ROWS, page * PAGE_ROWS)}
      idAccessor={(model) => `${model.provider} ${model.id}`}
      totalRecords={found.length}
      recordsPerPage={PAGE_ROWS}
      page={page}
      onPageChange={onPage}
      getPaginationControlProps={(control) => ({ 'aria-label': `${control} page` })}
      sortStatus={sort}
      onSortStatusChange={onSort}
      {...tableLook(880)}
      columns={[
        {
          accessor: 'id',
          title: 'Model',
          sortable: true,
          render: ({ id }) => (
            <span style={{ display: 'inline-flex', alignItems: 'center', gap: 4 }}>
              {id} <CopyButton text={id} label={`Copy ${id}`} />
            </span>
          ),
        },
        { accessor: 'provider', title: 'Provider', sortable: true, width: 140 },
        {
          accessor: 'context_tokens',
          title: 'Context',
          sortable: true,
          ...figure,
          render: ({ context_tokens }) => (context_tokens === null ? '—' : formatCount(context_tokens)),
        },
        {
          accessor: 'max_output_tokens',
          title: 'Max output',
          ...figure,
          width: 120,
          render: ({ max_output_tokens }) =>
            max_output_tokens === null ? '—' : formatCount(max_output_tokens),
        },
        {
          accessor: 'input',
          title: 'Input',
          sortable: true,
          ...figure,
          render: (model) => price(model, 'input'),
        },
        {
          accessor: 'output',
          title: 'Output',
          sortable: true,
          ...figure,
          render: (model) => price(model, 'output'),
        },
        {
          accessor: 'cache_read',
          title: 'Cache read',
          ...figure,
          render: (model) => price(model, 'cache_read'),
        },
        {
          accessor: 'cache_write',
          title: 'Cache write',
          ...figure,
          render: (model) => price(model, 'cache_write_5m'),
        },
      ]}
    />
  );
}
