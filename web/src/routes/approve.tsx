import { Button, Code, Group, Stack, Text, Title } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { api } from '../api.ts';
import { Wordmark } from '../components/brand.tsx';
import { ErrorPanel } from '../components/feedback.tsx';

/** Decides one approval with the token of a signed link (`/approve#TOKEN`). Opening the page decides nothing. */
export function ApprovePage(): ReactNode {
  const [token] = useState(() => decodeURIComponent(window.location.hash.slice(1)));
  const decide = useMutation({
    mutationKey: ['decideByLink'],
    mutationFn: (decision: 'approve' | 'reject') => api.call('decideByLink', { token, decision }),
  });
  useEffect(() => {
    document.title = 'Approval · Sluice';
    window.history.replaceState(window.history.state, '', '/approve');
  }, []);
  return (
    <main className="sign-in">
      <Stack gap="md" w="100%" maw={380}>
        <Wordmark size={32} />
        <section className="panel" style={{ padding: 22 }}>
          <Title order={1} mb={4}>
            Approval
          </Title>
          {decide.data !== undefined ? (
            <Text>
              {decide.data.status === 'rejected' ? 'Rejected' : 'Approved'}: {decide.data.subject}
            </Text>
          ) : (
            <Stack gap="sm">
              <Text size="sm">
                Somebody asks for your decision on <Code>{token.split('.')[0]}</Code>. It counts once.
              </Text>
              {decide.error !== null && <ErrorPanel error={decide.error} />}
              <Group>
                <Button loading={decide.isPending} onClick={() => decide.mutate('approve')}>
                  Approve
                </Button>
                <Button variant="default" disabled={decide.isPending} onClick={() => decide.mutate('reject')}>
                  Reject
                </Button>
              </Group>
            </Stack>
          )}
        </section>
      </Stack>
    </main>
  );
}
