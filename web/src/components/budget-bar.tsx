import { Group, Progress, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { formatUsd, percentOf } from '../format.ts';

interface Spent {
  readonly limit_usd: string;
  readonly settled_usd: string;
  readonly held_usd: string;
  readonly remaining_usd: string;
  readonly window: string;
}

/** What of a budget is spent and what is set aside for running requests; the exact amounts on hover. */
export function BudgetBar({ of, name }: { readonly of: Spent; readonly name: string }): ReactNode {
  const settled = percentOf(of.settled_usd, of.limit_usd);
  const held = Math.min(100 - settled, percentOf(of.held_usd, of.limit_usd));
  const exact = `settled $${of.settled_usd}, held $${of.held_usd}, remaining $${of.remaining_usd}`;
  return (
    <div title={exact}>
      <Group justify="space-between" gap={6} wrap="nowrap">
        <Text size="xs">
          {formatUsd(of.settled_usd)} of {formatUsd(of.limit_usd)}
        </Text>
        <Text size="xs" c="dimmed">
          {of.window === 'total' ? 'in total' : `per ${of.window}`}
        </Text>
      </Group>
      <Progress.Root size={6} mt={3}>
        <Progress.Section
          value={settled}
          color={settled >= 100 ? 'red' : settled >= 80 ? 'orange' : 'water'}
          aria-label={`Budget of ${name}: ${exact}`}
        />
        {held > 0 && (
          <Progress.Section value={held} color="gray" aria-label={`Held for running requests of ${name}`} />
        )}
      </Progress.Root>
    </div>
  );
}
