import { Alert, Button, Group, Modal, Stack, Text } from '@mantine/core';
import '@mantine/notifications/styles.css';
import { notifications } from '@mantine/notifications';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import type { Field } from '../form-input.ts';
import { CodeBlock } from './copy.tsx';
import { Form } from './form.tsx';
import { SecretOnce } from './key-secret.tsx';

/** What is shown once, after something was done. */
export interface Outcome {
  readonly secret?: string;
  readonly link?: string;
  readonly sentence?: string;
}

/** Something that can be done to a thing, or that makes one; asked about first. */
export interface Act {
  /** As the menu or button names it. */
  readonly label: string;
  /** Heads the dialog. */
  readonly title: string;
  readonly text?: string;
  /** The button that does it; default `label`. */
  readonly confirm?: string;
  readonly danger?: boolean;
  readonly fields?: readonly Field[];
  /** What the fields start with, when something is changed. */
  readonly stored?: Readonly<Record<string, unknown>>;
  readonly run: (input: Record<string, unknown>) => Promise<Outcome | undefined>;
  /** Said when it is done. */
  readonly done: string;
}

/** Asks, does, and shows what came of it; `touches` names the cached answers that are old afterwards. */
export function ActDialog(props: {
  readonly act: Act | undefined;
  readonly touches: readonly (readonly string[])[];
  readonly onClose: () => void;
}): ReactNode {
  const { act, touches, onClose } = props;
  const queries = useQueryClient();
  // The dialog fades out with what it showed, not empty.
  const [last, setLast] = useState(act);
  if (act !== undefined && act !== last) setLast(act);
  const run = useMutation({
    mutationFn: (input: Record<string, unknown>) => (act ?? last)?.run(input) ?? Promise.resolve(undefined),
    onSuccess: (outcome) => {
      notifications.show({
        message: (act ?? last)?.done ?? '',
        color: 'teal',
        autoClose: 4000,
        closeButtonProps: { 'aria-label': 'Close this message' },
      });
      for (const queryKey of touches) void queries.invalidateQueries({ queryKey });
      if (outcome === undefined) close();
    },
  });
  const close = () => {
    onClose();
    run.reset();
  };
  return (
    <Modal
      opened={act !== undefined}
      onClose={close}
      title={<Text fw={640}>{last?.title}</Text>}
      closeOnClickOutside={last?.fields === undefined && run.data === undefined}
      closeButtonProps={{ 'aria-label': 'Close' }}
      // The page has a banner already.
      attributes={{ header: { role: 'presentation' } }}
    >
      {run.data === undefined ? (
        <Stack gap="md">
          {last?.text !== undefined && <Text size="sm">{last.text}</Text>}
          <Form
            key={last?.title}
            fields={last?.fields ?? []}
            {...(last?.stored === undefined ? {} : { stored: last.stored })}
            confirm={last?.confirm ?? last?.label ?? ''}
            danger={last?.danger === true}
            pending={run.isPending}
            error={run.error}
            onSubmit={(input) => run.mutate(input)}
            onCancel={close}
          />
        </Stack>
      ) : (
        <Result of={run.data} onClose={close} />
      )}
    </Modal>
  );
}

function Result({ of, onClose }: { readonly of: Outcome; readonly onClose: () => void }): ReactNode {
  return (
    <Stack gap="md">
      {of.secret !== undefined && <SecretOnce secret={of.secret} />}
      {of.sentence !== undefined && (
        <Alert color="teal" variant="light" role="status">
          {of.sentence}
        </Alert>
      )}
      {of.link !== undefined && <CodeBlock code={of.link} label="Link" />}
      <Group justify="flex-end">
        <Button onClick={onClose}>{of.sentence === undefined ? 'I have copied it' : 'Close'}</Button>
      </Group>
    </Stack>
  );
}
