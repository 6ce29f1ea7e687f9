import { existsSync } from 'node:fs';
import { draftProviders, listVendors, type ProviderDraft } from '../../app/cli-support.ts';
import { probeLocalProviders } from '../../app/probe.ts';
import { CliFailure } from '../failure.ts';
import { type ConfigurationDraft, configurationText, writePrivately } from '../init-file.ts';
import { parsePort, parseUsd } from '../parse.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { printJson } from '../verb.ts';
import type { InitOptions } from './init.ts';

const DEFAULT_PORT = 4100;

/** What the questions came to. */
interface Answers extends ConfigurationDraft {
  readonly firstKey: { readonly name: string; readonly budgetUsd: string } | undefined;
}

/** clack answers with a symbol when somebody pressed Ctrl-C. */
function given<Value>(answer: Value): Exclude<Value, symbol> {
  if (typeof answer === 'symbol') throw new CliFailure('cancelled', 'Nothing was written.');
  return answer as Exclude<Value, symbol>;
}

/** Turns a parser that throws into what clack wants: a sentence when the text is no good. */
function sentenceOf(parse: (text: string) => unknown): (text: string | undefined) => string | undefined {
  return (text) => {
    try {
      parse(text ?? '');
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
}

/** Vendors a newcomer may want without having set their variable: those with one key and a known address. */
function offeredProviders(found: readonly ProviderDraft[]) {
  const rest = listVendors()
    .filter(
      ({ id, env, baseUrl }) =>
        env.length > 0 && baseUrl !== undefined && !found.some((one) => one.id === id),
    )
    .map(({ id, name, env }) => {
      const variable = env[0] ?? '';
      return {
        id,
        by: variable,
        settings: { api_key: `\${${variable}}` },
        label: name,
        hint: `set ${variable}`,
      };
    });
  const ready = found.map((one) => ({
    ...one,
    label: listVendors().find(({ id }) => id === one.id)?.name ?? one.id,
    hint: one.by === 'reachable' ? 'answers on its port' : `${one.by} is set`,
  }));
  return [...ready, ...rest];
}

async function ask(options: InitOptions, found: readonly ProviderDraft[]): Promise<Answers> {
  const { autocompleteMultiselect, confirm, intro, select, text } = await import('@clack/prompts');
  intro('A configuration for Sluice');
  const offered = offeredProviders(found);
  const chosen = given(
    await autocompleteMultiselect({
      message: 'Which providers? Type to search, Tab to choose, Enter when done; none is fine.',
      options: offered.map(({ id, label, hint }) => ({ value: id, label, hint })),
      initialValues: found.map(({ id }) => id),
      required: false,
      maxItems: 10,
    }),
  );
  const port = given(
    await text({
      message: 'Which port?',
      initialValue: options.port ?? String(DEFAULT_PORT),
      validate: sentenceOf(parsePort),
    }),
  );
  const access = given(
    await select<ConfigurationDraft['access']>({
      message: 'Who may call?',
      options: [
        { value: 'automatic', label: 'Anybody on this machine, until the first virtual key exists' },
        { value: 'keys', label: 'Only who has a virtual key' },
        { value: 'open', label: 'Anybody on this machine, always' },
      ],
    }),
  );
  const wantsKey = access !== 'open' && given(await confirm({ message: 'Plan a first virtual key?' }));
  const firstKey = wantsKey
    ? {
        name: given(await text({ message: 'What is it for?', initialValue: 'my-app' })),
        budgetUsd: given(
          await text({
            message: 'The most it may spend a month, US dollars?',
            initialValue: '10',
            validate: sentenceOf((amount) => parseUsd(amount, 'The budget')),
          }),
        ),
      }
    : undefined;
  const providers = offered.filter(({ id }) => chosen.includes(id));
  return { providers, port: parsePort(port), access, firstKey };
}

function quoted(word: string): string {
  return /^[A-Za-z0-9_./:-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** What to do next, in order. */
function nextSteps(options: InitOptions, answers: Answers, terminal: Terminal): readonly string[] {
  const missing = answers.providers.flatMap(({ settings }) =>
    [...JSON.stringify(settings).matchAll(/\$\{([A-Z0-9_]+)\}/g)]
      .map((match) => match[1] ?? '')
      .filter((name) => (terminal.environment[name] ?? '') === ''),
  );
  const file = options.config === 'sluice.yaml' ? '' : ` --config ${quoted(options.config)}`;
  const key = answers.firstKey;
  return [
    ...missing.map((name) => `export ${name}=…`),
    `sluice start${file}`,
    ...(key === undefined
      ? []
      : [`sluice keys create ${quoted(key.name)} --budget ${key.budgetUsd} --window month${file}`]),
  ];
}

async function refuseExisting(options: InitOptions): Promise<boolean> {
  if (options.force === true) return true;
  if (!existsSync(options.config)) return false;
  if (options.yes === true) {
    throw new CliFailure(
      'exists',
      `${options.config} exists already; add --force to replace it, or name another with --config.`,
    );
  }
  const { confirm } = await import('@clack/prompts');
  const message = `${clean(options.config)} exists already. Replace it?`;
  if (given(await confirm({ message, initialValue: false }))) return true;
  throw new CliFailure('cancelled', 'Nothing was written.');
}

/** Asks, writes the file, and says what to do next. */
export async function runInit(options: InitOptions, terminal: Terminal): Promise<void> {
  const replace = await refuseExisting(options);
  const { environment } = terminal;
  const reachable = await probeLocalProviders(environment);
  const found = draftProviders({ path: undefined, flags: {}, environment, reachable });
  const answers: Answers =
    options.yes === true
      ? {
          providers: found,
          port: options.port === undefined ? DEFAULT_PORT : parsePort(options.port),
          access: 'automatic',
          firstKey: undefined,
        }
      : await ask(options, found);
  writePrivately(options.config, configurationText(answers), replace);
  const steps = nextSteps(options, answers, terminal);
  if (options.json) {
    printJson(terminal, {
      file: options.config,
      providers: answers.providers.map(({ id }) => id),
      port: answers.port,
      access: answers.access,
      next: steps,
    });
    return;
  }
  const names = answers.providers.map(({ id }) => id).join(', ') || 'none, so a simulator will answer';
  terminal.print(`Wrote ${clean(options.config)}. Providers: ${names}.`);
  terminal.print('');
  terminal.print('Next:');
  for (const step of steps) terminal.print(`  ${clean(step)}`);
}
