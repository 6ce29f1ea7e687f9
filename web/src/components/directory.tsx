import { ActionIcon, Button, Group, Menu, Stack, VisuallyHidden } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { DataTable, type DataTableColumn } from 'mantine-datatable';
import { type ReactNode, useState } from 'react';
import { formatCount } from '../format.ts';
import { Icon, type IconName } from '../icons.tsx';
import { type Act, ActDialog } from './act.tsx';
import { Empty, ErrorPanel, RowSkeletons } from './feedback.tsx';
import { Panel } from './panel.tsx';
import { tableLook } from './table-look.ts';

export interface DirectoryProps<Row> {
  readonly title: string;
  readonly note?: ReactNode;
  readonly icon: IconName;
  /** What an empty list says: a title, and what to do. */
  readonly empty: readonly [title: string, text: ReactNode];
  readonly queryKey: readonly string[];
  readonly list: (cursor: string | undefined) => Promise<{ data: Row[]; next_cursor: string | null }>;
  readonly columns: DataTableColumn<Row>[];
  /** Least width at which the columns can be read. */
  readonly width: number;
  readonly nameOf: (row: Row) => string;
  readonly idAccessor?: string;
  /** Absent: the caller may not make one. */
  readonly create?: Act | undefined;
  readonly acts?: (row: Row) => readonly Act[];
  /** Cached answers that are old once something was done here. */
  readonly touches: readonly (readonly string[])[];
  readonly refetchMs?: number;
  readonly actions?: ReactNode;
  readonly children?: ReactNode;
}

/** A list of things that can be made, changed and removed: what every page of the control plane is made of. */
export function Directory<Row>(props: DirectoryProps<Row>): ReactNode {
  const [act, setAct] = useState<Act>();
  const { create, icon, empty } = props;
  const found = useInfiniteQuery({
    queryKey: props.queryKey,
    queryFn: ({ pageParam }) => props.list(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    ...(props.refetchMs === undefined ? {} : { refetchInterval: props.refetchMs }),
  });
  const rows = found.data?.pages.flatMap(({ data }) => data) ?? [];
  const button = create !== undefined && (
    <Button
      {...(create.danger === true ? { variant: 'default' } : { leftSection: <Icon name="plus" size={14} /> })}
      onClick={() => setAct(create)}
    >
      {create.label}
    </Button>
  );
  return (
    <Panel
      title={props.title}
      flush
      note={props.note ?? (rows.length === 0 ? undefined : `${formatCount(rows.length)} shown`)}
      actions={
        <Group gap="xs">
          {props.actions}
          {button}
        </Group>
      }
    >
      {props.children}
      {found.isError && <ErrorPanel error={found.error} onRetry={() => void found.refetch()} />}
      {found.isPending && <RowSkeletons />}
      {found.data !== undefined && rows.length === 0 && (
        <Empty icon={icon} title={empty[0]}>
          <Stack gap="sm" align="center">
            <div>{empty[1]}</div>
          </Stack>
        </Empty>
      )}
      {rows.length > 0 && <Rows {...props} rows={rows} onAct={setAct} />}
      {found.hasNextPage && (
        <Group justify="center" p="sm">
          <Button
            variant="default"
            loading={found.isFetchingNextPage}
            onClick={() => void found.fetchNextPage()}
          >
            Show older ones
          </Button>
        </Group>
      )}
      <ActDialog act={act} touches={props.touches} onClose={() => setAct(undefined)} />
    </Panel>
  );
}

function Rows<Row>(
  props: DirectoryProps<Row> & { readonly rows: Row[]; readonly onAct: (act: Act) => void },
): ReactNode {
  const { acts, nameOf, onAct } = props;
  const menu: DataTableColumn<Row>[] =
    acts === undefined
      ? []
      : [
          {
            accessor: 'acts',
            title: <VisuallyHidden>Actions</VisuallyHidden>,
            width: 48,
            render: (row) => <ActMenu of={nameOf(row)} acts={acts(row)} onAct={onAct} />,
          },
        ];
  return (
    <DataTable<Row>
      records={props.rows}
      idAccessor={(props.idAccessor ?? 'id') as 'id'}
      {...tableLook(props.width)}
      columns={[...props.columns, ...menu]}
    />
  );
}

function ActMenu(props: {
  readonly of: string;
  readonly acts: readonly Act[];
  readonly onAct: (act: Act) => void;
}): ReactNode {
  if (props.acts.length === 0) return null;
  return (
    <Menu position="bottom-end" shadow="md" width={190}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" c="dimmed" aria-label={`Actions for ${props.of}`}>
          <Icon name="more" />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {props.acts.map((act) => (
          <Menu.Item
            key={act.label}
            {...(act.danger === true ? { c: 'var(--mantine-color-error)' } : {})}
            onClick={() => props.onAct(act)}
          >
            {act.label}…
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
