import { Autocomplete, Button, Group, PasswordInput, Stack, Text, Textarea } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { api, cached, type Status, sentenceOf } from '../api.ts';
import { sendTestCall, TestCallError, type TestResult } from '../chat-call.ts';
import { formatDuration } from '../format.ts';
import { Icon } from '../icons.tsx';
import { useOpenExchange } from './exchange-table.tsx';
import { Panel } from './panel.tsx';

type Run =
  | { readonly state: 'idle' | 'running'; readonly text: string }
  | { readonly state: 'done'; readonly text: string; readonly result: TestResult }
  | {
      readonly state: 'failed';
      readonly text: string;
      readonly sentence: string;
      readonly requestId: string | null;
    };

/** One test request at a time, its answer as it streams in. */
function useTestCall() {
  const [run, setRun] = useState<Run>({ state: 'idle', text: '' });
  const stopper = useRef<AbortController>(undefined);
  useEffect(() => () => stopper.current?.abort(), []);
  const send = async (call: { model: string; prompt: string; key: string | undefined }) => {
    const controller = new AbortController();
    stopper.current = controller;
    setRun({ state: 'running', text: '' });
    let text = '';
    try {
      const result = await sendTestCall({
        ...call,
        signal: controller.signal,
        onText: (piece) => {
          text += piece;
          setRun({ state: 'running', text });
        },
      });
      setRun({ state: 'done', text, result });
    } catch (error) {
      const stopped = controller.signal.aborted;
      setRun({
        state: 'failed',
        text,
        sentence: stopped ? 'Stopped.' : sentenceOf(error),
        requestId: error instanceof TestCallError ? error.requestId : null,
      });
    }
  };
  return { run, send, stop: () => stopper.current?.abort() };
}

/** A request from the page itself, so that a newcomer sees the gateway work before writing a line. */
export function TryIt(props: {
  readonly status: Status;
  readonly secret: string;
  readonly onSecret: (secret: string) => void;
}): ReactNode {
  const { status, secret, onSecret } = props;
  const [model, setModel] = useState(status.example_model);
  const [prompt, setPrompt] = useState('Say hello in one sentence.');
  const { run, send, stop } = useTestCall();
  const models = useQuery({ queryKey: cached.models, queryFn: () => api.call('listModels', {}) });
  const needsKey = status.access_mode === 'keys';
  const running = run.state === 'running';
  const ready = model.trim() !== '' && prompt.trim() !== '' && (!needsKey || secret !== '');
  return (
    <Panel title="Send a test request" note="POST /v1/chat/completions">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (ready && !running)
            void send({ model: model.trim(), prompt, key: secret === '' ? undefined : secret });
        }}
      >
        <Stack gap="xs">
          <Autocomplete
            label="Model"
            value={model}
            onChange={setModel}
            data={[...new Set((models.data?.data ?? []).map(({ id }) => id))]}
            limit={30}
          />
          <Textarea
            label="Prompt"
            autosize
            minRows={1}
            maxRows={6}
            value={prompt}
            onChange={(event) => setPrompt(event.currentTarget.value)}
          />
          {needsKey && (
            <PasswordInput
              size="xs"
              label="Virtual key"
              description={secret === '' ? 'Calls need one: create it below, or paste one.' : undefined}
              placeholder="sk-sluice-…"
              autoComplete="off"
              value={secret}
              onChange={(event) => onSecret(event.currentTarget.value.trim())}
              visibilityToggleButtonProps={{ 'aria-label': 'Show or hide the key' }}
            />
          )}
          <Group gap="xs">
            <Button
              type="submit"
              leftSection={<Icon name="play" size={14} />}
              disabled={!ready}
              loading={running}
            >
              Send
            </Button>
            {running && (
              <Button variant="default" leftSection={<Icon name="stop" size={14} />} onClick={stop}>
                Stop
              </Button>
            )}
          </Group>
        </Stack>
      </form>
      {run.state !== 'idle' && <Answer run={run} />}
    </Panel>
  );
}

function Answer({ run }: { readonly run: Run }): ReactNode {
  const open = useOpenExchange();
  const id = run.state === 'done' ? run.result.requestId : run.state === 'failed' ? run.requestId : null;
  return (
    <Stack gap={6} mt="sm">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
      <section className="answer" aria-label="Answer" aria-live="polite" tabIndex={0} data-answer>
        {run.text}
        {run.state === 'running' && run.text === '' && (
          <Text component="span" size="sm" c="dimmed">
            Waiting for the first words…
          </Text>
        )}
        {run.state === 'failed' && (
          <Text component="div" size="sm" c="var(--mantine-color-error)">
            {run.sentence}
          </Text>
        )}
      </section>
      <Group gap="xs" mih={22}>
        {run.state === 'done' && (
          <Text size="xs" c="dimmed" data-result>
            Answered by {run.result.provider ?? 'the gateway'} in {formatDuration(run.result.milliseconds)}
          </Text>
        )}
        {id !== null && (
          <Button variant="subtle" size="compact-xs" onClick={() => open(id)}>
            What it cost and how it went
          </Button>
        )}
      </Group>
    </Stack>
  );
}
