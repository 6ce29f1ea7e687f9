import { randomUUID } from 'node:crypto';
import { linkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { stringify } from 'yaml';
import { CliFailure } from './failure.ts';

/** What a new configuration file says. */
export interface ConfigurationDraft {
  readonly providers: readonly {
    readonly id: string;
    readonly settings: Readonly<Record<string, unknown>>;
  }[];
  readonly port: number;
  /** `automatic`: open on loopback while no virtual key exists, else keys. */
  readonly access: 'automatic' | 'open' | 'keys';
}

const ACCESS_TEXT = {
  automatic: [
    '# Calls need no virtual key until the first one exists; then every call needs one.',
    '# access: { mode: keys }',
  ],
  open: ['access:', '  mode: open          # no virtual key needed; on this machine only'],
  keys: ['access:', '  mode: keys          # every call needs a virtual key: `sluice keys create NAME`'],
} as const;

function providerLines(providers: ConfigurationDraft['providers']): readonly string[] {
  if (providers.length === 0) {
    return [
      '# No provider is set up: a built-in simulator answers. Take the marks off and set the variable to change that.',
      '# providers:',
      '#   openai:',
      `#     api_key: "\${OPENAI_API_KEY}"`,
    ];
  }
  const tree = Object.fromEntries(providers.map(({ id, settings }) => [id, settings]));
  return [
    '# Upstream accounts. Keys are taken from the environment, so that this file holds no secret.',
    ...stringify({ providers: tree }, { defaultStringType: 'QUOTE_DOUBLE', defaultKeyType: 'PLAIN' })
      .trimEnd()
      .split('\n'),
  ];
}

/** The text of `sluice.yaml`. */
export function configurationText(draft: ConfigurationDraft): string {
  return `${[
    '# Configuration of Sluice. `sluice check` names every problem in it; a running gateway takes changes by itself.',
    'version: 1',
    '',
    'server:',
    '  host: 127.0.0.1',
    `  port: ${draft.port}`,
    '',
    ...ACCESS_TEXT[draft.access],
    '',
    ...providerLines(draft.providers),
  ].join('\n')}\n`;
}

/**
 * Writes a file only its owner can read, whole or not at all. Without `replace` an existing one is left alone, also when
 * it appears in this very moment. Throws {@link CliFailure} `exists` or `unwritable`.
 */
export function writePrivately(path: string, text: string, replace: boolean): void {
  const draft = `${path}.${randomUUID().slice(0, 8)}.tmp`;
  try {
    writeFileSync(draft, text, { mode: 0o600, flag: 'wx' });
    if (replace) renameSync(draft, path);
    else linkSync(draft, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new CliFailure('unwritable', `${path} cannot be written: the disk is full. Make room.`);
    if (code === 'EISDIR' || code === 'ENOTEMPTY')
      throw new CliFailure('unwritable', `${path} is a folder. Name the file in it.`);
    if (code !== 'EEXIST') {
      throw new CliFailure(
        'unwritable',
        `${path} cannot be written: its folder is missing, or this user may not write there. Name another file.`,
      );
    }
    throw new CliFailure(
      'exists',
      `${path} exists already; add --force to replace it, or name another with --config.`,
    );
  } finally {
    rmSync(draft, { force: true });
  }
}
