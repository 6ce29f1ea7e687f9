import { Alert, Button, Code, Divider, Loader, PasswordInput, Stack, Text, Title } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useLocation, useRouter } from '@tanstack/react-router';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { api } from '../api.ts';
import { Wordmark } from '../components/brand.tsx';
import { ErrorPanel } from '../components/feedback.tsx';
import { PeopleSignIn, problemSentence } from '../components/sign-in-forms.tsx';

declare module '@tanstack/react-router' {
  interface HistoryState {
    /** Where the reader was when the session ended. */
    from?: string;
    ended?: boolean;
  }
}

/** The one-time token of `/sign-in#TOKEN`; it leaves address bar and history before anything else happens. */
function takeToken(): string {
  const token = decodeURIComponent(window.location.hash.slice(1));
  if (token !== '') window.history.replaceState(window.history.state, '', '/sign-in');
  return token;
}

/** Marks the token of an invitation, which waits for a password. */
const INVITATION = 'invite=';

/** A page of this portal only; never another site, nor the sign-in itself. */
function safeReturn(from: string | undefined): string {
  return from !== undefined && /^\/(?![/\\])/.test(from) && !from.startsWith('/sign-in') ? from : '/';
}

/** Opens a session. A link works once, but who follows it again in the browser that it signed in is where it leads. */
async function open({ token, isLink }: { readonly token: string; readonly isLink: boolean }): Promise<void> {
  try {
    await api.call('openSession', { token });
  } catch (error) {
    const isSignedIn = isLink && (await api.call('getMe', {}).catch(() => undefined)) !== undefined;
    if (!isSignedIn) throw error;
  }
}

/** Signs in with a one-time link, a provider, a password or the admin key. */
export function SignInPage(): ReactNode {
  const { state } = useLocation();
  const router = useRouter();
  const [key, setKey] = useState('');
  const [invitation, setInvitation] = useState<string>();
  const used = useRef<string>(undefined);
  const [problem] = useState(() =>
    problemSentence(new URLSearchParams(window.location.search).get('problem')),
  );
  const signIn = useMutation({
    mutationKey: ['openSession'],
    mutationFn: open,
    onSuccess: () => router.history.push(safeReturn(state.from)),
  });
  const { mutate } = signIn;
  useEffect(() => {
    document.title = 'Sign in · Sluice';
    const spendToken = () => {
      const token = takeToken();
      // A token works once; asking twice would show its second, failing answer.
      if (token === '' || token === used.current) return;
      used.current = token;
      if (token.startsWith(INVITATION)) setInvitation(token.slice(INVITATION.length));
      else mutate({ token, isLink: true });
    };
    spendToken();
    window.addEventListener('hashchange', spendToken);
    return () => window.removeEventListener('hashchange', spendToken);
  }, [mutate]);
  return (
    <main className="sign-in">
      <Stack gap="md" w="100%" maw={380}>
        <Wordmark size={32} />
        <section className="panel" style={{ padding: 22 }}>
          <Title order={1} mb={4}>
            Sign in
          </Title>
          <Text size="sm" c="dimmed" mb="md">
            {state.ended === true && 'Your session has ended or there was none yet.'}
          </Text>
          {problem !== undefined && (
            <Alert color="red" variant="light" mb="md" role="alert">
              {problem}
            </Alert>
          )}
          <PeopleSignIn
            invitation={invitation}
            returnTo={safeReturn(state.from)}
            onDone={() => router.history.push(safeReturn(state.from))}
          />
          <Divider label="or as the gateway’s operator" labelPosition="center" my="md" />
          <Text size="sm" c="dimmed" mb="md">
            Run <Code>sluice status --link</Code> on the gateway’s machine: it prints a new link that signs
            you in. Or give the admin key.
          </Text>
          <form
            onSubmit={(event) => {
              event.preventDefault();
              mutate({ token: key.trim(), isLink: false });
            }}
          >
            <Stack gap="sm">
              <PasswordInput
                label="Admin key"
                autoComplete="current-password"
                value={key}
                onChange={(event) => setKey(event.currentTarget.value)}
                visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the key' }}
              />
              {signIn.isError && <ErrorPanel error={signIn.error} />}
              <Button type="submit" size="sm" loading={signIn.isPending} disabled={key.trim() === ''}>
                Sign in
              </Button>
            </Stack>
          </form>
          {signIn.isPending && key === '' && <Loader size="sm" mt="sm" aria-label="Signing in" />}
        </section>
      </Stack>
    </main>
  );
}
