import { Alert, Code, List, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import type { Status } from '../api.ts';
import { formatFullMoment } from '../format.ts';
import { Icon } from '../icons.tsx';

/** What needs saying before any number: demo mode, what is broken, a refused configuration, a gateway that is stopping. */
export function Banners({ status }: { readonly status: Status }): ReactNode {
  const { problems } = status.config;
  return (
    <>
      {!status.ready && (
        <Alert
          color="red"
          variant="light"
          icon={<Icon name="warning" />}
          title="The gateway takes no new requests"
        >
          It is draining or has not finished starting. Look at its log, or start it again with{' '}
          <Code>sluice start</Code>.
        </Alert>
      )}
      {problems.length > 0 && (
        <Alert
          color="red"
          variant="light"
          icon={<Icon name="warning" />}
          title="A newer configuration was not accepted; the one before is still in use"
        >
          <Stack gap={6}>
            <Text size="sm">
              {status.config.path ?? 'The configuration'}, in use since{' '}
              {formatFullMoment(status.config.loaded_at)}:
            </Text>
            <List size="sm" spacing={4}>
              {problems.map(({ path, problem, remedy }) => (
                <List.Item key={path + problem}>
                  {path !== '' && <Code>{path}</Code>} {problem} <strong>{remedy}</strong>
                </List.Item>
              ))}
            </List>
          </Stack>
        </Alert>
      )}
      {status.warnings.length > 0 && (
        <Alert
          color="yellow"
          variant="light"
          icon={<Icon name="warning" />}
          title="Something works otherwise than it was meant"
        >
          <List size="sm" spacing={4}>
            {status.warnings.map(({ about, problem, remedy }) => (
              <List.Item key={about + problem}>
                <Code>{about}</Code> {problem} <strong>{remedy}</strong>
              </List.Item>
            ))}
          </List>
        </Alert>
      )}
      {status.demo && <DemoBanner path={status.config.path} />}
    </>
  );
}

function DemoBanner({ path }: { readonly path: string | null }): ReactNode {
  return (
    <Alert color="water" variant="light" icon={<Icon name="info" />} title="Demo mode" role="note">
      <Text size="sm">
        No provider key was found, so a built-in simulator answers every request: nothing leaves this machine
        and nothing is billed; the costs shown are made up, so that budgets can be tried. To leave it, set{' '}
        <Code>OPENAI_API_KEY</Code>, <Code>ANTHROPIC_API_KEY</Code> or <Code>GEMINI_API_KEY</Code> and start
        again, or add a provider to <Code>{path ?? 'sluice.yaml'}</Code> (<Code>sluice init</Code> writes
        one).
      </Text>
    </Alert>
  );
}
