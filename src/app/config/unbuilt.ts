import type { Report } from './paths.ts';
import { type Config, configSchema } from './schema.ts';

interface Unbuilt {
  readonly path: string;
  readonly used: (config: Config) => boolean;
  readonly effect: string;
}

const DEFAULTS = configSchema.parse({});

/** Sections whose keys are checked already and whose behaviour is not built yet. A section leaves this list when it works. */
const UNBUILT: readonly Unbuilt[] = [
  {
    path: 'guardrails',
    used: (config) => config.guardrails.length > 0,
    effect: 'prompts and answers pass unread and unredacted',
  },
  {
    path: 'cache.semantic',
    used: (config) => config.cache.semantic.mode !== 'off',
    effect: 'every call goes to a provider',
  },
  {
    path: 'storage.url',
    used: (config) => /^postgres/.test(config.storage.url),
    effect: 'everything is kept in SQLite in the data directory',
  },
  {
    path: 'storage.url',
    used: ({ storage }) =>
      storage.url.startsWith('sqlite:') && storage.url !== `sqlite:${storage.data_dir}/sluice.db`,
    effect: 'the database is sluice.db in `storage.data_dir`',
  },
  ...(['batch_max_rows', 'batch_max_wait_ms', 'buffer_max_mb'] as const).map((name) => ({
    path: `storage.${name}`,
    used: ({ storage }: Config) => storage[name] !== DEFAULTS.storage[name],
    effect: 'batches keep the sizes that are built in',
  })),
  {
    path: 'log.content',
    used: ({ log }) => log.content === 'none',
    effect: 'the facts about a call are kept all the same, as with `metadata`',
  },
  {
    path: 'log.content',
    used: ({ log }) => log.content === 'full',
    effect: 'prompts are kept for routers that learn, and no exchange shows prompt or answer',
  },
  {
    path: 'telemetry.otlp_endpoint',
    used: ({ telemetry }) => telemetry.otlp_endpoint !== undefined,
    effect: 'no traces and no metrics are sent; `/metrics` serves them',
  },
  {
    path: 'shared_state',
    used: (config) => config.shared_state !== undefined,
    effect: 'nothing is shared between nodes',
  },
];

/** Warns about what stands in the file and does nothing yet, so that nobody relies on it. */
export function warnUnbuilt(config: Config, report: Report): void {
  for (const { path, used, effect } of UNBUILT) {
    if (!used(config)) continue;
    report.warn({
      path: path.split('.'),
      problem: `is checked but not built yet: ${effect}.`,
      remedy: 'Take it out, or do not rely on it.',
    });
  }
}
