import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeFolders } from '../../app/paths.ts';
import type { Connection } from '../connect.ts';
import { CliFailure } from '../failure.ts';
import type { Tool } from './tool.ts';

/** What a tool sends where no key is needed: tools want one all the same. */
const PLACEHOLDER = 'not-needed';
const ANSWER_MS = 10_000;
const NOT_TAKEN = { taken: false, models: [] } as const;

/** The key for a tool, and where it comes from. */
export interface ToolKey {
  readonly key: string;
  /** `new`: to be made (by a dry run) or just made. */
  readonly source: 'given' | 'kept' | 'open' | 'new';
  /** Id of a key that was just made. */
  readonly id?: string;
  /** Names of the models that it reaches. */
  readonly models: readonly string[];
}

/** What the data plane says to a key. */
interface Answer {
  readonly taken: boolean;
  /** Names of the models that the key reaches. */
  readonly models: readonly string[];
}

/** Asks the data plane for its models. Throws {@link CliFailure} when no gateway answers. */
async function ask(url: string, key: string | undefined): Promise<Answer> {
  const answer = await fetch(`${url}/v1/models`, {
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    signal: AbortSignal.timeout(ANSWER_MS),
  }).catch(() => {
    throw new CliFailure(
      'unreachable',
      `No gateway answers at ${url}. Start one with \`sluice start\`, or name its address with --url.`,
    );
  });
  const body: unknown = await answer.json().catch(() => undefined);
  const rows: unknown = typeof body === 'object' && body !== null && 'data' in body ? body.data : undefined;
  if (!Array.isArray(rows) && answer.headers.get('x-sluice-request-id') === null) {
    throw new CliFailure('not_sluice', `What answers at ${url} is not Sluice; check --url.`);
  }
  const models = Array.isArray(rows) ? rows.flatMap((row: { id?: unknown }) => String(row.id ?? '')) : [];
  return { taken: answer.status === 200, models };
}

/** Whom a key is for, and what is known of keys already. */
export interface KeyWish {
  readonly tool: Tool;
  readonly url: string;
  /** Opened only when a key has to be made: that takes an admin key. */
  readonly gateway: () => Connection;
  /** Given by the user. */
  readonly given: string | undefined;
  /** Keys that were given to this tool before; the first that works is used again. */
  readonly earlier: readonly string[];
  readonly dryRun: boolean;
}

/** The key a tool shall use: given, one that it had, none in open mode, else a new one. Throws {@link CliFailure}. */
export async function findToolKey(wish: KeyWish): Promise<ToolKey> {
  const { url, given, tool } = wish;
  if (given !== undefined && given !== '') {
    const { taken, models } = await ask(url, given);
    if (taken) return { key: given, source: 'given', models };
    throw new CliFailure('invalid_key', 'The gateway does not take this key; look at `sluice keys list`.');
  }
  for (const key of new Set(wish.earlier)) {
    const { taken, models } = key.startsWith('sk-sluice-') ? await ask(url, key) : NOT_TAKEN;
    if (taken) return { key, source: 'kept', models };
  }
  const open = await ask(url, undefined);
  if (open.taken) return { key: PLACEHOLDER, source: 'open', models: open.models };
  const gateway = wish.gateway();
  if (wish.dryRun) return { key: 'sk-sluice-…', source: 'new', models: await listedModels(gateway) };
  const made = await gateway.call('createKey', {
    name: `${tool.name} on ${hostname()}`.slice(0, 200),
    metadata: { made_by: 'sluice' },
  });
  const { models } = await ask(url, made.key);
  return { key: made.key, source: 'new', id: made.id, models };
}

async function listedModels(gateway: Connection): Promise<readonly string[]> {
  return (await gateway.call('listModels', {})).data.map(({ id }) => id);
}

const FILE = 'tool-keys.json';

/** Keys by address and tool, as they were given out on this machine before. */
type Kept = Record<string, string>;

function readKept(dataDir: string): Kept {
  try {
    const kept: unknown = JSON.parse(readFileSync(join(dataDir, FILE), 'utf8'));
    return typeof kept === 'object' && kept !== null && !Array.isArray(kept) ? (kept as Kept) : {};
  } catch {
    // What cannot be read is made anew.
    return {};
  }
}

/** The key that {@link keepKey} kept. */
export function keptKey(dataDir: string, url: string, tool: Tool): string | undefined {
  const key = readKept(dataDir)[`${tool.name} ${url}`];
  return typeof key === 'string' ? key : undefined;
}

/** Keeps a key that was made, for the next start of the same tool: it is shown nowhere else. */
export function keepKey(
  dataDir: string,
  name: { readonly url: string; readonly tool: Tool },
  key: string,
): void {
  makeFolders(dataDir);
  const path = join(dataDir, FILE);
  const kept = { ...readKept(dataDir), [`${name.tool.name} ${name.url}`]: key };
  writeFileSync(`${path}.new`, `${JSON.stringify(kept, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
