import { Button, Group, Modal, Select, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useState } from 'react';
import { api, cached, type KeyInput, type NewKey } from '../api.ts';
import { ErrorPanel } from './feedback.tsx';
import { SecretOnce, useCreateKey } from './key-secret.tsx';

interface Draft {
  readonly name: string;
  readonly models: string[];
  readonly limitUsd: string;
  readonly window: string;
  readonly action: string;
  readonly rpm: string;
  readonly tpm: string;
  readonly concurrency: string;
  readonly expires: string;
}

const BLANK: Draft = {
  name: '',
  models: [],
  limitUsd: '',
  window: 'month',
  action: 'block',
  rpm: '',
  tpm: '',
  concurrency: '',
  expires: '',
};

type Budget = NonNullable<KeyInput['budget']>;

/** The draft as the API takes it: what was left blank is not sent. */
function inputOf(draft: Draft): KeyInput {
  const limits = Object.fromEntries(
    (['rpm', 'tpm', 'concurrency'] as const).flatMap((name) =>
      draft[name] === '' ? [] : [[name, Number(draft[name])]],
    ),
  );
  return {
    name: draft.name.trim(),
    ...(draft.models.length === 0 ? {} : { models: draft.models }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    ...(draft.expires === '' ? {} : { expires_at: new Date(`${draft.expires}T23:59:59`).toISOString() }),
    ...(draft.limitUsd.trim() === ''
      ? {}
      : {
          // Sent as text: the amount stays what was typed.
          budget: {
            limit_usd: draft.limitUsd.trim(),
            window: draft.window as Budget['window'] & string,
            action: draft.action as Budget['action'] & string,
          },
        }),
  };
}

/** Asks for a key's name, models, budget and limits, then shows the secret once. */
export function NewKeyDialog(props: { readonly opened: boolean; readonly onClose: () => void }): ReactNode {
  const [made, setMade] = useState<NewKey>();
  const close = () => {
    setMade(undefined);
    props.onClose();
  };
  return (
    <Modal
      opened={props.opened}
      onClose={close}
      title={<Text fw={640}>{made === undefined ? 'New key' : `Key “${made.name}” is ready`}</Text>}
      closeOnClickOutside={made === undefined}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {made === undefined ? (
        <KeyForm onMade={setMade} onCancel={close} />
      ) : (
        <Stack gap="md">
          <SecretOnce secret={made.key} />
          <Group justify="flex-end">
            <Button onClick={close}>I have copied it</Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}

function KeyForm(props: {
  readonly onMade: (key: NewKey) => void;
  readonly onCancel: () => void;
}): ReactNode {
  const [draft, setDraft] = useState(BLANK);
  const put = (change: Partial<Draft>) => setDraft((before) => ({ ...before, ...change }));
  const models = useQuery({ queryKey: cached.models, queryFn: () => api.call('listModels', {}) });
  const create = useCreateKey(props.onMade);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create.mutate(inputOf(draft));
  };
  const names = [...new Set((models.data?.data ?? []).map(({ id }) => id))];
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <TextInput
          label="Name"
          description="Who or what will use it"
          placeholder="support-bot"
          required
          maxLength={200}
          data-autofocus
          value={draft.name}
          onChange={(event) => put({ name: event.currentTarget.value })}
        />
        <TagsInput
          label="Models"
          description="Names or patterns such as gpt-*; none means every model"
          data={names}
          limit={20}
          value={draft.models}
          onChange={(chosen) => put({ models: chosen })}
        />
        <BudgetFields draft={draft} put={put} />
        <LimitFields draft={draft} put={put} />
        <TextInput
          type="date"
          label="Valid until"
          description="The end of that day; empty means for good"
          value={draft.expires}
          onChange={(event) => put({ expires: event.currentTarget.value })}
        />
        {create.isError && <ErrorPanel error={create.error} />}
        <Group justify="flex-end" mt={4}>
          <Button variant="default" onClick={props.onCancel}>
            Cancel
          </Button>
          <Button type="submit" loading={create.isPending} disabled={draft.name.trim() === ''}>
            Create key
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

interface FieldsProps {
  readonly draft: Draft;
  readonly put: (change: Partial<Draft>) => void;
}

function BudgetFields({ draft, put }: FieldsProps): ReactNode {
  return (
    <Group grow align="flex-end" gap="xs">
      <TextInput
        label="Budget in US dollars"
        placeholder="none"
        inputMode="decimal"
        value={draft.limitUsd}
        onChange={(event) => put({ limitUsd: event.currentTarget.value })}
      />
      <Select
        label="Per"
        data={['hour', 'day', 'week', 'month', 'total']}
        allowDeselect={false}
        value={draft.window}
        onChange={(window) => put({ window: window ?? 'month' })}
      />
      <Select
        label="When it is used up"
        data={[
          { value: 'block', label: 'refuse' },
          { value: 'warn', label: 'warn only' },
        ]}
        allowDeselect={false}
        value={draft.action}
        onChange={(action) => put({ action: action ?? 'block' })}
      />
    </Group>
  );
}

const LIMITS = [
  ['rpm', 'Requests / min'],
  ['tpm', 'Tokens / min'],
  ['concurrency', 'At once'],
] as const;

function LimitFields({ draft, put }: FieldsProps): ReactNode {
  return (
    <Group grow gap="xs">
      {LIMITS.map(([name, label]) => (
        <TextInput
          key={name}
          label={label}
          placeholder="no limit"
          inputMode="numeric"
          pattern="[1-9][0-9]*"
          title="A whole number from 1"
          value={draft[name]}
          onChange={(event) => put({ [name]: event.currentTarget.value.trim() })}
        />
      ))}
    </Group>
  );
}
