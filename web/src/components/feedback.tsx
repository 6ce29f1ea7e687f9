import { Alert, Button, Group, Skeleton, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { sentenceOf } from '../api.ts';
import { Icon, type IconName } from '../icons.tsx';

/** What the gateway said went wrong, and a way to try again. */
export function ErrorPanel(props: { readonly error: unknown; readonly onRetry?: () => void }): ReactNode {
  const { error, onRetry } = props;
  return (
    <Alert color="red" variant="light" icon={<Icon name="warning" />} title="This did not work" role="alert">
      <Group justify="space-between" gap="sm">
        <Text size="sm">{sentenceOf(error)}</Text>
        {onRetry !== undefined && (
          <Button variant="default" leftSection={<Icon name="refresh" size={14} />} onClick={onRetry}>
            Try again
          </Button>
        )}
      </Group>
    </Alert>
  );
}

/** Nothing here yet, and what to do about it. */
export function Empty(props: {
  readonly icon: IconName;
  readonly title: string;
  readonly children: ReactNode;
}): ReactNode {
  return (
    <Stack align="center" gap={6} py={36} px="md" ta="center">
      <Text c="dimmed" component="span" lh={1}>
        <Icon name={props.icon} size={26} />
      </Text>
      <Text fw={600}>{props.title}</Text>
      <Text size="sm" c="dimmed" maw={420} component="div">
        {props.children}
      </Text>
    </Stack>
  );
}

/** Grey lines where rows will be. */
export function RowSkeletons({ rows = 6 }: { readonly rows?: number }): ReactNode {
  return (
    <Stack gap={10} p="md" role="status" aria-label="Loading">
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike and never move
        <Skeleton key={row} height={18} radius="sm" width={`${96 - (row % 3) * 9}%`} />
      ))}
    </Stack>
  );
}
