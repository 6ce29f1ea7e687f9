import { Alert, Group, Text } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { api, cached, type KeyInput, type NewKey } from '../api.ts';
import { Icon } from '../icons.tsx';
import { CopyButton } from './copy.tsx';

/** Creates a key; keys and status are asked for again afterwards, since the first key ends open access. */
export function useCreateKey(onMade: (key: NewKey) => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (input: KeyInput) => api.call('createKey', input),
    onSuccess: async (key) => {
      onMade(key);
      await Promise.all([
        queries.invalidateQueries({ queryKey: cached.keys }),
        queries.invalidateQueries({ queryKey: cached.status }),
      ]);
    },
  });
}

/** The secret, for the only time it is ever seen. */
export function SecretOnce({ secret }: { readonly secret: string }): ReactNode {
  return (
    <Alert
      color="teal"
      variant="light"
      icon={<Icon name="keys" />}
      title="Copy this key now; it is not shown again"
    >
      <Group gap={6} wrap="nowrap" align="center">
        <Text ff="monospace" size="xs" data-secret style={{ overflowWrap: 'anywhere' }}>
          {secret}
        </Text>
        <CopyButton text={secret} label="Copy the key" />
      </Group>
    </Alert>
  );
}
