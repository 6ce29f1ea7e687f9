import { Badge, Button, Group, Stack, Text, Textarea, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { DataTable } from 'mantine-datatable';
import { type FormEvent, type ReactNode, useState } from 'react';
import { send } from '../../api.ts';
import { CodeBlock } from '../../components/copy.tsx';
import { ErrorPanel } from '../../components/feedback.tsx';
import { Facts, Panel } from '../../components/panel.tsx';
import { tableLook } from '../../components/table-look.ts';
import { Money } from '../../components/values.tsx';
import { useRights } from '../../me.ts';

/** What is shown of a receipt. */
interface Receipt {
  readonly served: string;
  readonly model: string;
  readonly tier: string;
  readonly reason: string;
  readonly mode: string;
  readonly followed: boolean;
  readonly task: string | null;
  readonly language: string | null;
  readonly steps: readonly { readonly step: string; readonly says: string }[];
  readonly candidates: readonly {
    readonly model: string;
    readonly p_ok: number | null;
    readonly expected_cost_usd: string | null;
    readonly excluded: string | null;
  }[];
}

/** `feature=support, app=web` as tags; what has no value is left out. */
function tagsOf(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(',').flatMap((piece): [string, string][] => {
    const at = piece.indexOf('=');
    return at < 1 ? [] : [[piece.slice(0, at).trim(), piece.slice(at + 1).trim()]];
  });
  return Object.fromEntries(pairs);
}

function Decision({ receipt }: { readonly receipt: Receipt }): ReactNode {
  const { served, model, tier, reason, mode, followed, task, language, steps, candidates } = receipt;
  return (
    <Stack gap="sm" role="status" data-explained={served}>
      <Group gap="xs">
        <Badge color="teal">{served}</Badge>
        <Text size="sm">
          would be served. Decision: {model}, {tier}, by {reason};{' '}
          {followed ? 'followed' : `not followed (${mode})`}.
          {task === null ? '' : ` Prompt: ${task}, ${language ?? 'no language'}.`}
        </Text>
      </Group>
      <Facts rows={steps.map(({ step, says }) => [step.replaceAll('_', ' '), says] as const)} />
      <DataTable<Receipt['candidates'][number]>
        records={[...candidates]}
        idAccessor="model"
        {...tableLook(520)}
        columns={[
          { accessor: 'model', title: 'Model' },
          {
            accessor: 'p_ok',
            title: 'Chance to do',
            textAlign: 'right',
            width: 110,
            render: ({ p_ok: chance }) => (chance === null ? '–' : `${(chance * 100).toFixed(1)} %`),
          },
          {
            accessor: 'expected_cost_usd',
            title: 'Expected cost',
            textAlign: 'right',
            width: 120,
            render: ({ expected_cost_usd: usd }) => <Money usd={usd} />,
          },
          { accessor: 'excluded', title: 'Left out', render: ({ excluded }) => excluded ?? '' },
        ]}
      />
      <details className="fold">
        <summary>Receipt</summary>
        <CodeBlock label="The receipt as JSON" code={JSON.stringify(receipt, null, 2)} />
      </details>
    </Stack>
  );
}

/** Asks a router what it would do with a prompt, without calling a model. */
export function ExplainPanel({ name }: { readonly name: string }): ReactNode {
  const rights = useRights();
  const [prompt, setPrompt] = useState('');
  const [tags, setTags] = useState('');
  const explain = useMutation({
    mutationFn: () => send('explainRoute', { name, prompt, tags: tagsOf(tags) }),
  });
  if (!rights.may('explainRoute')) return null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    explain.mutate();
  };
  return (
    <Panel title="Explain" note="what it would do with a prompt; no model answers it">
      <Stack gap="sm">
        <form onSubmit={submit}>
          <Stack gap="xs">
            <Textarea
              label="Prompt"
              autosize
              minRows={2}
              maxRows={8}
              value={prompt}
              onChange={(event) => setPrompt(event.currentTarget.value)}
            />
            <Group gap="xs" align="flex-end">
              <TextInput
                label="Tags"
                placeholder="feature=support, app=web"
                style={{ flexGrow: 1 }}
                value={tags}
                onChange={(event) => setTags(event.currentTarget.value)}
              />
              <Button type="submit" loading={explain.isPending}>
                Explain
              </Button>
            </Group>
          </Stack>
        </form>
        {explain.isError && <ErrorPanel error={explain.error} />}
        {explain.data !== undefined && <Decision receipt={explain.data as unknown as Receipt} />}
      </Stack>
    </Panel>
  );
}
