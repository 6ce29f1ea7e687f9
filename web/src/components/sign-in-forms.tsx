import { Button, Divider, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useState } from 'react';
import type { OutputOf } from '../../../src/control/contract.ts';
import { api } from '../api.ts';
import { ErrorPanel } from './feedback.tsx';

type Answer = OutputOf<'signInLocal'>;

interface Done {
  /** A session was opened. */
  readonly onDone: () => void;
}

/** Keys of mutations whose 401 means a wrong word, not the end of a session. */
const KEY = ['openSession'];

function submit(work: () => void): (event: FormEvent) => void {
  return (event) => {
    event.preventDefault();
    work();
  };
}

/** What went wrong at a provider, by the code the gateway came back with. */
export function problemSentence(code: string | null): string | undefined {
  if (code === null) return undefined;
  const sentences: Readonly<Record<string, string>> = {
    invalid_key: 'This sign-in was not completed: it expired, or was begun in another browser. Try again.',
    forbidden: 'You are known there, but not allowed in here. Ask the gateway’s administrator.',
    upstream_auth:
      'The gateway cannot speak to this identity provider now. Try again in a moment, or sign in another way.',
    upstream_unreachable: 'The identity provider does not answer. Try again, or sign in another way.',
    saml_unasked:
      'Sign-ins that begin at your identity provider are not taken. Begin here: choose your provider below.',
    saml_encrypted:
      'Your identity provider encrypts its answers, which this gateway does not read. Ask the gateway’s administrator to have assertion encryption switched off there.',
    ledger_unavailable:
      'The gateway’s storage does not answer. Nothing is wrong with your account; try again.',
    internal: 'Something went wrong inside the gateway. Nothing is wrong with your account; try again.',
    rate_limited: 'Too many attempts. Wait a minute.',
  };
  return sentences[code] ?? 'Signing in did not work. Try again.';
}

/** One button per configured provider. */
function Providers({ returnTo }: { readonly returnTo: string }): ReactNode {
  const { data } = useQuery({
    queryKey: ['sign-in-methods'],
    queryFn: () => api.call('listSignInMethods', {}),
  });
  if (data === undefined || data.providers.length === 0) return null;
  return (
    <Stack gap="xs">
      {data.providers.map(({ name, title, url }) => (
        <Button
          key={name}
          component="a"
          variant="default"
          href={`${url}?return_to=${encodeURIComponent(returnTo)}`}
        >
          Continue with {title}
        </Button>
      ))}
      <Divider label="or" labelPosition="center" />
    </Stack>
  );
}

/** The six digits of the app, or a recovery code. */
function SecondFactorForm({ challenge, onDone }: Done & { readonly challenge: string }): ReactNode {
  const [code, setCode] = useState('');
  const send = useMutation({
    mutationKey: KEY,
    mutationFn: () => api.call('signInSecondFactor', { challenge, code: code.trim() }),
    onSuccess: onDone,
  });
  return (
    <form onSubmit={submit(() => send.mutate())}>
      <Stack gap="sm">
        <TextInput
          label="Code of your authenticator app, or a recovery code"
          autoComplete="one-time-code"
          autoFocus
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
        />
        {send.isError && <ErrorPanel error={send.error} />}
        <Button type="submit" loading={send.isPending} disabled={code.trim().length < 6}>
          Continue
        </Button>
      </Stack>
    </form>
  );
}

/** E-mail address and password, then the second factor where there is one. */
function PasswordForm({ onAnswer }: { readonly onAnswer: (answer: Answer) => void }): ReactNode {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const send = useMutation({
    mutationKey: KEY,
    mutationFn: () => api.call('signInLocal', { email: email.trim(), password }),
    onSuccess: onAnswer,
  });
  return (
    <form onSubmit={submit(() => send.mutate())}>
      <Stack gap="sm">
        <TextInput
          label="E-mail address"
          type="email"
          autoComplete="username"
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the password' }}
        />
        {send.isError && <ErrorPanel error={send.error} />}
        <Button type="submit" loading={send.isPending} disabled={email.trim() === '' || password === ''}>
          Continue
        </Button>
      </Stack>
    </form>
  );
}

/** The first password of somebody who was invited. */
function InvitationForm(given: {
  readonly token: string;
  readonly onAnswer: (answer: Answer) => void;
}): ReactNode {
  const [password, setPassword] = useState('');
  const send = useMutation({
    mutationKey: KEY,
    mutationFn: () => api.call('acceptInvitation', { token: given.token, password }),
    onSuccess: given.onAnswer,
  });
  return (
    <form onSubmit={submit(() => send.mutate())}>
      <Stack gap="sm">
        <Text size="sm">You were invited. Choose a password of at least 12 characters.</Text>
        <PasswordInput
          label="New password"
          autoComplete="new-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the password' }}
        />
        {send.isError && <ErrorPanel error={send.error} />}
        <Button type="submit" loading={send.isPending} disabled={password.length < 12}>
          Set password and sign in
        </Button>
      </Stack>
    </form>
  );
}

/** Every way in but the admin key: providers, password, invitation, second factor. */
export function PeopleSignIn(
  given: Done & { readonly invitation: string | undefined; readonly returnTo: string },
): ReactNode {
  const [challenge, setChallenge] = useState<string>();
  const { data } = useQuery({
    queryKey: ['sign-in-methods'],
    queryFn: () => api.call('listSignInMethods', {}),
  });
  const onAnswer = (answer: Answer) => {
    if (answer.challenge === null) given.onDone();
    else setChallenge(answer.challenge);
  };
  if (challenge !== undefined) return <SecondFactorForm challenge={challenge} onDone={given.onDone} />;
  if (given.invitation !== undefined) return <InvitationForm token={given.invitation} onAnswer={onAnswer} />;
  return (
    <Stack gap="sm">
      <Providers returnTo={given.returnTo} />
      {data?.local === true && <PasswordForm onAnswer={onAnswer} />}
    </Stack>
  );
}
