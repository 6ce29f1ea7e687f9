import { Button, Code, Group, Stack, Tabs, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import type { Status } from '../api.ts';
import { Icon } from '../icons.tsx';
import { useRights } from '../me.ts';
import { SNIPPETS } from '../snippets.ts';
import { CodeBlock } from './copy.tsx';
import { ErrorPanel } from './feedback.tsx';
import { SecretOnce, useCreateKey } from './key-secret.tsx';
import { Panel } from './panel.tsx';

/** How to point an SDK here: real address, real model, real key. */
export function Connect(props: {
  readonly status: Status;
  readonly secret: string;
  /** Set when the secret was made here rather than pasted. */
  readonly made: boolean;
  readonly onMade: (secret: string) => void;
}): ReactNode {
  const { status, secret, made } = props;
  const rights = useRights();
  const create = useCreateKey(({ key }) => props.onMade(key));
  const open = status.access_mode === 'open';
  const key = secret !== '' ? secret : open ? undefined : 'sk-sluice-…';
  const facts = { baseUrl: status.base_url, model: status.example_model, key };
  return (
    <Panel title="Point your SDK here" note={<Code>{status.base_url}</Code>}>
      <Stack gap="sm">
        <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
          <Text size="sm" c="dimmed">
            {open
              ? 'Calls from this machine need no key yet. With a key you see who spent what and can set budgets; from the first one on, every call needs one (unless access.mode is set to open).'
              : 'Every call needs a virtual key. It takes the place of the provider’s key in your application.'}
          </Text>
          {rights.may('createKey') && (
            <Button
              variant="light"
              flex="none"
              leftSection={<Icon name="plus" size={14} />}
              loading={create.isPending}
              onClick={() =>
                create.mutate({ name: `portal ${new Date().toISOString().slice(0, 16).replace('T', ' ')}` })
              }
            >
              Create a key
            </Button>
          )}
        </Group>
        {create.isError && <ErrorPanel error={create.error} />}
        {made && secret !== '' && <SecretOnce secret={secret} />}
        <Tabs defaultValue="curl" keepMounted={false}>
          <Tabs.List mb="xs">
            {SNIPPETS.map(({ id, label }) => (
              <Tabs.Tab key={id} value={id} px={9} py={7} fz="xs">
                {label}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {SNIPPETS.map(({ id, label, write }) => (
            <Tabs.Panel key={id} value={id}>
              <CodeBlock code={write(facts)} label={`${label} example`} />
            </Tabs.Panel>
          ))}
        </Tabs>
      </Stack>
    </Panel>
  );
}
