import { Button, Code, Group, Stack, Text, TextInput, Title } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type ReactNode, useEffect, useState } from 'react';
import { api } from '../api.ts';
import { Wordmark } from '../components/brand.tsx';
import { ErrorPanel } from '../components/feedback.tsx';

/** The token of the link, which the address bar forgets at once. A link cut short by a mail program is no reason to crash. */
function tokenFromAddress(): string {
  const text = window.location.hash.slice(1);
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Decides one approval with the token of a signed link (`/approve#TOKEN`). Opening the page decides nothing. */
export function ApprovePage(): ReactNode {
  const [token, setToken] = useState(tokenFromAddress);
  const [reason, setReason] = useState('');
  const decide = useMutation({
    mutationKey: ['decideByLink'],
    mutationFn: (decision: 'approve' | 'reject') =>
      api.call('decideByLink', {
        token,
        decision,
        ...(reason.trim() === '' ? {} : { reason: reason.trim() }),
      }),
  });
  const { reset } = decide;
  useEffect(() => {
    const forget = () => window.history.replaceState(window.history.state, '', '/approve');
    // Another link opened in the same tab changes nothing but the part after the hash: the page stays.
    const next = () => {
      if (window.location.hash === '') return;
      setToken(tokenFromAddress());
      setReason('');
      reset();
      forget();
    };
    document.title = 'Approval · Sluice';
    forget();
    window.addEventListener('hashchange', next);
    return () => window.removeEventListener('hashchange', next);
  }, [reset]);
  return (
    <main className="sign-in">
      <Stack gap="md" w="100%" maw={380}>
        <Wordmark size={32} />
        <section className="panel" style={{ padding: 22 }}>
          <Title order={1} mb={4}>
            Approval
          </Title>
          {decide.data !== undefined ? (
            <Text role="status">
              {decide.data.status === 'rejected' ? 'Rejected' : 'Approved'}: {decide.data.subject}
            </Text>
          ) : token === '' ? (
            <Text size="sm">
              This address is not complete. Open the whole link as it was sent to you, or ask for a new one.
            </Text>
          ) : (
            <Stack gap="sm">
              <Text size="sm">
                Somebody asks for your decision on <Code>{token.split('.')[0]}</Code>. It counts once.
              </Text>
              <TextInput
                label="Reason"
                description="Optional; stands in the audit log"
                maxLength={500}
                value={reason}
                onChange={(event) => setReason(event.currentTarget.value)}
              />
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
