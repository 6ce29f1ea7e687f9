import { Group, Text, Title } from '@mantine/core';
import { type ReactNode, useId } from 'react';

/** A titled box: the one way things are grouped on a page. */
export function Panel(props: {
  readonly title: string;
  readonly note?: ReactNode;
  readonly actions?: ReactNode;
  /** No padding around the content: for tables. */
  readonly flush?: boolean;
  readonly children: ReactNode;
}): ReactNode {
  const id = useId();
  return (
    <section className={props.flush === true ? 'panel panel-flush' : 'panel'} aria-labelledby={id}>
      <div className="panel-head">
        <Group gap={10} align="baseline">
          <Title order={2} id={id}>
            {props.title}
          </Title>
          {props.note !== undefined && (
            <Text size="xs" c="dimmed" component="div">
              {props.note}
            </Text>
          )}
        </Group>
        {props.actions}
      </div>
      <div className={props.flush === true ? '' : 'panel-body'}>{props.children}</div>
    </section>
  );
}

/** The page's name, its facts on the right. */
export function PageHead(props: {
  readonly title: string;
  readonly lead?: ReactNode;
  readonly children?: ReactNode;
}): ReactNode {
  return (
    <Group justify="space-between" align="center" gap="xs" mb="md">
      <div>
        <Title order={1} lh={1.25}>
          {props.title}
        </Title>
        {props.lead !== undefined && (
          <Text size="sm" c="dimmed">
            {props.lead}
          </Text>
        )}
      </div>
      <Group gap="xs">{props.children}</Group>
    </Group>
  );
}

/** Term and value, line by line. */
export function Facts({ rows }: { readonly rows: readonly (readonly [string, ReactNode])[] }): ReactNode {
  return (
    <dl className="facts">
      {rows.map(([term, value]) => (
        <div key={term} style={{ display: 'contents' }}>
          <dt>{term}</dt>
          <dd>{value ?? '—'}</dd>
        </div>
      ))}
    </dl>
  );
}
