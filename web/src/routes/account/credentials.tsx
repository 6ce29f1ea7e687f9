import { Alert, Button, Code, Group, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { QRCodeSVG } from 'qrcode.react';
import { type FormEvent, type ReactNode, useState } from 'react';
import { api, cached } from '../../api.ts';
import { CodeBlock } from '../../components/copy.tsx';
import { ErrorPanel } from '../../components/feedback.tsx';
import { Panel } from '../../components/panel.tsx';

/** A 401 of these means a wrong word, not the end of the session. */
const KEY = ['openSession'];
const TOGGLE = { 'aria-label': 'Show or hide the password' };
const MIN_PASSWORD = 12;
const MIN_CODE = 6;

function submit(work: () => void): (event: FormEvent) => void {
  return (event) => {
    event.preventDefault();
    work();
  };
}

/** What was changed shows in the account and in the list of sessions. */
function useFresh(): () => void {
  const queries = useQueryClient();
  return () => {
    for (const queryKey of [cached.account, cached.sessions]) void queries.invalidateQueries({ queryKey });
  };
}

function CurrentPassword(props: {
  readonly value: string;
  readonly onChange: (value: string) => void;
}): ReactNode {
  return (
    <PasswordInput
      label="Current password"
      autoComplete="current-password"
      value={props.value}
      onChange={(event) => props.onChange(event.currentTarget.value)}
      visibilityToggleButtonProps={TOGGLE}
    />
  );
}

/** Another password; who has the old one is signed out. */
export function PasswordPanel(): ReactNode {
  const fresh = useFresh();
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const change = useMutation({
    mutationKey: KEY,
    mutationFn: () => api.call('changePassword', { current_password: current, new_password: next }),
    onSuccess: () => {
      setCurrent('');
      setNext('');
      fresh();
    },
  });
  return (
    <Panel title="Password">
      <form onSubmit={submit(() => change.mutate())}>
        <Stack gap="sm" maw={420}>
          <CurrentPassword value={current} onChange={setCurrent} />
          <PasswordInput
            label="New password"
            description={`At least ${MIN_PASSWORD} characters; your other sessions end`}
            autoComplete="new-password"
            value={next}
            onChange={(event) => setNext(event.currentTarget.value)}
            visibilityToggleButtonProps={TOGGLE}
          />
          {change.isError && <ErrorPanel error={change.error} />}
          {change.isSuccess && next === '' && (
            <Alert color="teal" variant="light" role="status">
              The password is changed. Your other sessions are ended.
            </Alert>
          )}
          <Group>
            <Button
              type="submit"
              variant="default"
              loading={change.isPending}
              disabled={current === '' || next.length < MIN_PASSWORD}
            >
              Change password
            </Button>
          </Group>
        </Stack>
      </form>
    </Panel>
  );
}

/** Codes of an authenticator app as the second factor. */
export function SecondFactorPanel(props: { readonly on: boolean; readonly left: number }): ReactNode {
  const [codes, setCodes] = useState<readonly string[]>();
  return (
    <Panel
      title="Second factor"
      note={props.on ? `on; ${props.left} recovery codes left` : 'off: the password alone signs you in'}
    >
      {codes !== undefined && <RecoveryCodes codes={codes} onDone={() => setCodes(undefined)} />}
      {codes === undefined && props.on && <RemoveSecondFactor />}
      {codes === undefined && !props.on && <EnrollSecondFactor onCodes={setCodes} />}
    </Panel>
  );
}

function RecoveryCodes(props: { readonly codes: readonly string[]; readonly onDone: () => void }): ReactNode {
  return (
    <Stack gap="sm" maw={520}>
      <Alert color="teal" variant="light" role="status" title="The second factor is on">
        Keep these recovery codes where your phone is not. Each signs you in once, and they are not shown
        again.
      </Alert>
      <CodeBlock code={props.codes.join('\n')} label="Recovery codes" />
      <Group>
        <Button onClick={props.onDone}>I have kept them</Button>
      </Group>
    </Stack>
  );
}

function EnrollSecondFactor({
  onCodes,
}: {
  readonly onCodes: (codes: readonly string[]) => void;
}): ReactNode {
  const fresh = useFresh();
  const [current, setCurrent] = useState('');
  const [code, setCode] = useState('');
  const begin = useMutation({
    mutationKey: KEY,
    mutationFn: () => api.call('enrollSecondFactor', { current_password: current }),
  });
  const confirm = useMutation({
    mutationKey: KEY,
    mutationFn: () => api.call('confirmSecondFactor', { code: code.trim() }),
    onSuccess: ({ recovery_codes }) => {
      onCodes(recovery_codes);
      fresh();
    },
  });
  if (begin.data === undefined) {
    return (
      <form onSubmit={submit(() => begin.mutate())}>
        <Stack gap="sm" maw={420}>
          <Text size="sm">An authenticator app on your phone gives a new code every 30 seconds.</Text>
          <CurrentPassword value={current} onChange={setCurrent} />
          {begin.isError && <ErrorPanel error={begin.error} />}
          <Group>
            <Button type="submit" variant="default" loading={begin.isPending} disabled={current === ''}>
              Set up an app
            </Button>
          </Group>
        </Stack>
      </form>
    );
  }
  return (
    <form onSubmit={submit(() => confirm.mutate())}>
      <Stack gap="sm" maw={520}>
        <Text size="sm">Scan this with the authenticator app:</Text>
        <QRCodeSVG
          role="img"
          title="QR code for the authenticator app"
          value={begin.data.otpauth_url}
          size={200}
          marginSize={4}
        />
        <Text size="sm">
          On the phone itself, <a href={begin.data.otpauth_url}>open this link in the authenticator app</a>.
          Else type the secret into it: <Code>{begin.data.secret}</Code>
        </Text>
        <CodeBlock code={begin.data.otpauth_url} label="Address for the authenticator app" />
        <TextInput
          label="Code the app shows now"
          autoComplete="one-time-code"
          inputMode="numeric"
          maw={260}
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
        />
        {confirm.isError && <ErrorPanel error={confirm.error} />}
        <Group>
          <Button type="submit" loading={confirm.isPending} disabled={code.trim().length < MIN_CODE}>
            Turn it on
          </Button>
          <Button variant="default" onClick={() => begin.reset()}>
            Cancel
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function RemoveSecondFactor(): ReactNode {
  const fresh = useFresh();
  const [current, setCurrent] = useState('');
  const [code, setCode] = useState('');
  const remove = useMutation({
    mutationKey: KEY,
    mutationFn: () => api.call('removeSecondFactor', { current_password: current, code: code.trim() }),
    onSuccess: fresh,
  });
  return (
    <form onSubmit={submit(() => remove.mutate())}>
      <Stack gap="sm" maw={420}>
        <CurrentPassword value={current} onChange={setCurrent} />
        <TextInput
          label="Code of the app, or a recovery code"
          autoComplete="one-time-code"
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
        />
        {remove.isError && <ErrorPanel error={remove.error} />}
        <Group>
          <Button
            type="submit"
            variant="default"
            loading={remove.isPending}
            disabled={current === '' || code.trim().length < MIN_CODE}
          >
            Do without it
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
