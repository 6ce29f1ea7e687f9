import { Alert, Badge, Drawer, Group, Stack, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { ApiError, api, cached, type ExchangeDetail } from '../api.ts';
import { formatCount, formatDuration, formatFullMoment } from '../format.ts';
import { CodeBlock, CopyButton } from './copy.tsx';
import { ErrorPanel, RowSkeletons } from './feedback.tsx';
import { Facts } from './panel.tsx';
import { Outcome } from './values.tsx';

/** The log is written in batches: an exchange that has just ended may take a moment to be found. */
function isSoonThere(failures: number, error: Error): boolean {
  return failures < 6 && error instanceof ApiError && error.status === 404;
}

/** Everything known about the exchange in `?exchange=ID`. */
export function ExchangeDrawer(): ReactNode {
  const { exchange: id } = useSearch({ strict: false });
  const navigate = useNavigate();
  const detail = useQuery({
    queryKey: [...cached.exchanges, 'one', id],
    queryFn: () => api.call('getExchange', { id: id ?? '' }),
    enabled: id !== undefined,
    retry: isSoonThere,
    retryDelay: 400,
  });
  const close = () =>
    void navigate({
      to: '.',
      search: ({ exchange: _, ...rest }) => rest,
      resetScroll: false,
    });
  return (
    <Drawer
      opened={id !== undefined}
      onClose={close}
      position="right"
      size={560}
      title={<Text fw={640}>Exchange</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {detail.isError && <ErrorPanel error={detail.error} onRetry={() => void detail.refetch()} />}
      {detail.isPending && id !== undefined && <RowSkeletons rows={12} />}
      {detail.data !== undefined && <Detail of={detail.data} />}
    </Drawer>
  );
}

function Section(props: { readonly title: string; readonly children: ReactNode }): ReactNode {
  return (
    <section>
      <Title order={3} mb={6}>
        {props.title}
      </Title>
      {props.children}
    </section>
  );
}

function Detail({ of }: { readonly of: ExchangeDetail }): ReactNode {
  return (
    <Stack gap="lg" pb="lg">
      <Group gap="xs">
        <Outcome row={of} />
        {of.stream && <Badge color="gray">streamed</Badge>}
        {of.plan !== null && <Badge color="gray">plan: {of.plan}</Badge>}
        <Badge color="gray">cache: {of.cache}</Badge>
      </Group>
      {of.error !== null && (
        <Alert color="red" variant="light">
          Error: {of.error}
        </Alert>
      )}
      {of.dropped.length > 0 && (
        <Alert color="yellow" variant="light" title="Not carried over to the provider">
          {of.dropped.join(', ')}
        </Alert>
      )}
      <Request of={of} />
      <Usage of={of} />
      <Cost of={of} />
      <Attempts of={of} />
      {of.decision !== null && of.decision !== undefined && (
        <Section title="Routing decision">
          <CodeBlock label="The decision as JSON" code={JSON.stringify(of.decision, null, 2)} />
        </Section>
      )}
      {of.metadata !== null && (
        <Section title="Metadata">
          <CodeBlock label="The client’s metadata" code={of.metadata} />
        </Section>
      )}
    </Stack>
  );
}

function Request({ of }: { readonly of: ExchangeDetail }): ReactNode {
  const tags = Object.entries(of.tags);
  return (
    <Section title="Request">
      <Facts
        rows={[
          [
            'Id',
            <Group key="id" gap={4} wrap="nowrap">
              <span>{of.id}</span>
              <CopyButton text={of.id} label="Copy the id" />
            </Group>,
          ],
          ['Client’s id', of.client_request_id],
          ['Started', formatFullMoment(of.started_at)],
          ['Operation', of.operation],
          ['Model asked for', of.model],
          ['Answered by', of.provider === null ? null : `${of.provider}, ${of.upstream_model ?? of.model}`],
          ['Dialect', of.upstream_format === null ? of.format : `${of.format} → ${of.upstream_format}`],
          ['Finish reason', of.finish_reason],
          ['First byte', of.first_byte_ms === null ? null : formatDuration(of.first_byte_ms)],
          ['Time taken', formatDuration(of.latency_ms)],
          ['Key', of.key_id],
          ['User', of.user],
          ['Session', of.session],
          ['Tags', tags.length === 0 ? null : tags.map(([name, value]) => `${name}=${value}`).join(', ')],
        ]}
      />
    </Section>
  );
}

const CLASSES = [
  ['input', 'Input'],
  ['cache_read', 'Cache read'],
  ['cache_write_5m', 'Cache write, 5 min'],
  ['cache_write_1h', 'Cache write, 1 h'],
  ['output', 'Output'],
  ['reasoning', 'of which reasoning'],
  ['audio_input', 'Audio in'],
  ['audio_output', 'Audio out'],
  ['images', 'Images'],
] as const;

function Usage({ of }: { readonly of: ExchangeDetail }): ReactNode {
  const shown = CLASSES.filter(
    ([name]) =>
      of.usage[name] > 0 || (of.usage.source !== 'unknown' && (name === 'input' || name === 'output')),
  );
  return (
    <Section title={`Tokens (${of.usage.source})`}>
      {shown.length === 0 ? (
        <Text size="sm" c="dimmed">
          No usage is known for this exchange.
        </Text>
      ) : (
        <Facts rows={shown.map(([name, label]) => [label, formatCount(of.usage[name])])} />
      )}
    </Section>
  );
}

const COST_CLASSES = [
  ...CLASSES.map(([name, label]) => [name, label] as const),
  ['requests', 'Per request'],
] as const;

function Cost({ of }: { readonly of: ExchangeDetail }): ReactNode {
  const { cost_by_class: cost, price } = of;
  const rates = price === null ? {} : price.usd_per_mtok;
  const rows = COST_CLASSES.flatMap(([name, label]) => {
    const amount = name === 'reasoning' ? undefined : cost?.[name];
    return amount === undefined || amount === '0' ? [] : [{ name, label, amount }];
  });
  return (
    <Section title="Cost">
      {cost === null ? (
        <Text size="sm" c="dimmed">
          No price is known for this model, so the cost is unknown, not zero.
        </Text>
      ) : (
        <Table withRowBorders={false} verticalSpacing={3} horizontalSpacing={0} fz="sm">
          <Table.Thead>
            <Table.Tr>
              <Table.Th c="dimmed" fw={500}>
                Class
              </Table.Th>
              <Table.Th ta="right" c="dimmed" fw={500}>
                $ per million
              </Table.Th>
              <Table.Th ta="right" c="dimmed" fw={500}>
                Cost in $
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map(({ name, label, amount }) => (
              <Table.Tr key={name}>
                <Table.Td>{label}</Table.Td>
                <Table.Td ta="right">{rates[name] ?? '—'}</Table.Td>
                <Table.Td ta="right">{amount}</Table.Td>
              </Table.Tr>
            ))}
            <Table.Tr fw={640}>
              <Table.Td>Total</Table.Td>
              <Table.Td />
              <Table.Td ta="right">{cost.total}</Table.Td>
            </Table.Tr>
          </Table.Tbody>
        </Table>
      )}
      {price !== null && (
        <Text size="xs" c="dimmed" mt={4}>
          Price from the {price.source}: {price.as_of}
          {price.terms.length > 0 && `, for ${price.terms.join(' and ')}`}
        </Text>
      )}
    </Section>
  );
}

function Attempts({ of }: { readonly of: ExchangeDetail }): ReactNode {
  return (
    <Section title="Attempts">
      {of.attempts_detail.length === 0 ? (
        <Text size="sm" c="dimmed">
          No provider was called.
        </Text>
      ) : (
        <Stack gap={8}>
          {of.attempts_detail.map((attempt, at) => (
            <Group key={attempt.started_at + String(at)} gap="xs" align="baseline" wrap="nowrap">
              <Text size="sm" c="dimmed">
                {at + 1}.
              </Text>
              <div style={{ minWidth: 0 }}>
                <Text size="sm">
                  {attempt.provider}, {attempt.upstream_model}
                </Text>
                <Text size="xs" c="dimmed">
                  {attempt.status === null ? 'no answer' : `HTTP ${attempt.status}`},{' '}
                  {formatDuration(attempt.latency_ms)}
                  {attempt.error !== null && `, ${attempt.error}`}
                </Text>
              </div>
            </Group>
          ))}
        </Stack>
      )}
    </Section>
  );
}
