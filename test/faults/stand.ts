import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReceivedCall } from '../../src/app/simulator/memory.ts';
import { type RunningSimulator, startSimulator } from '../../src/app/simulator.ts';
import { type ControlClient, createControlClient } from '../../src/control/client.ts';
import { type RunningSluice, spawnSluice } from '../e2e/sluice-process.ts';

/** A wire format as the gateway is told about it. */
export interface UpstreamFormat {
  readonly id: string;
  /** Provider type in the configuration. */
  readonly type: string;
  /** Model names begin with it. */
  readonly family: string;
  /** After the simulator's address. */
  readonly base: string;
  readonly hasKey: boolean;
}

/**
 * Every wire format of an upstream. Responses is reached by clients of the same dialect only: each vendor that has it has
 * Chat Completions as well, which is preferred for translated requests.
 */
export const FORMATS: readonly UpstreamFormat[] = [
  { id: 'openai-chat', type: 'openai-compatible', family: 'gpt', base: '/v1', hasKey: true },
  { id: 'openai-responses', type: 'openai', family: 'responses', base: '/v1', hasKey: true },
  { id: 'anthropic-messages', type: 'anthropic', family: 'claude', base: '', hasKey: true },
  { id: 'gemini', type: 'gemini', family: 'gemini', base: '', hasKey: true },
  { id: 'bedrock-converse', type: 'bedrock', family: 'converse', base: '', hasKey: true },
  { id: 'cohere', type: 'cohere', family: 'cohere', base: '', hasKey: true },
  { id: 'ollama', type: 'ollama', family: 'ollama', base: '', hasKey: false },
];

/** Prices of every model, nano-dollars per token. */
export const PRICE = { input: 1000, output: 4000 };
/** Limits of whole and streamed answers in the stand. */
const MAX_ANSWER_MB = 8;
const MAX_STREAM_MB = 16;
/** A credential that must never be seen by a client. */
export const CANARY = 'sk-canary-7f3a1c';
/** Providers with a key of their own per format, so that a key which rests for one test is not missed by another. */
export const ACCOUNTS = 33;

const ADMIN_KEY = 'sk-admin-for-the-fault-matrix';
const BUDGET_USD = 1_000_000;

export const DEAD_ENDS = ['refused', 'reset', 'black_hole', 'unaccepting', 'tls'] as const;

function providerYaml(name: string, format: UpstreamFormat, address: string): string {
  const key = format.hasKey ? `, api_key: "${CANARY}-${name}"` : '';
  const url = `${address}${format.base}`;
  const price = `{ input_usd_per_mtok: ${PRICE.input / 1000}, output_usd_per_mtok: ${PRICE.output / 1000} }`;
  return `  ${name}: { type: ${format.type}, base_url: "${url}"${key}, allow_private_network: true, price: ${price} }\n`;
}

/** Floods take the simulator itself some time to make. */
const PATIENT = ', timeouts: { first_byte_ms: 10000, idle_ms: 10000, total_ms: 15000 }';

interface Addresses {
  readonly faulty: string;
  readonly sound: string;
  readonly dead: Readonly<Record<string, string>>;
}

function configYaml(formats: readonly UpstreamFormat[], at: Addresses): string {
  let providers = '';
  let models = '';
  const model = (pattern: string, deployments: readonly string[], more = ''): void => {
    models += `  "${pattern}": { strategy: priority, retries: { attempts: 0 }, deployments: [${deployments.join(', ')}]${more} }\n`;
  };
  for (const format of formats) {
    const { family } = format;
    const spare = `{ provider: g-${family}, model: ${family}-spare }`;
    const entry = (name: string, address: string, word: string): void => {
      providers += providerYaml(`${name}-${family}`, format, address);
      model(`${family}-${word}-*`, [`{ provider: ${name}-${family}, model: "*" }`]);
      model(`${family}-${word}x-*`, [`{ provider: ${name}-${family}, model: "*" }`, spare]);
    };
    entry('p', at.faulty, 'd');
    model(`${family}-h-*`, [`{ provider: p-${family}, model: "*" }`], PATIENT);
    model(`${family}-hx-*`, [`{ provider: p-${family}, model: "*" }`, spare], PATIENT);
    providers += providerYaml(`g-${family}`, format, at.sound);
    for (let index = 0; index < ACCOUNTS; index++) entry(`a${index}`, at.faulty, `a${index}`);
    for (const kind of DEAD_ENDS) entry(kind, at.dead[kind] ?? '', kind.replace('_', ''));
  }
  return `version: 1
access: { mode: keys }
upstream:
  timeouts: { connect_ms: 500, first_byte_ms: 2000, first_byte_reasoning_ms: 2000, idle_ms: 1500, progress_idle_ms: 2500, total_ms: 6000 }
  max_answer_mb: ${MAX_ANSWER_MB}
  max_stream_mb: ${MAX_STREAM_MB}
providers:
${providers}models:
${models}`;
}

/** Everything a run needs: upstreams, a gateway in a process of its own, and ways to look into both. */
export interface Stand {
  readonly url: string;
  /** The virtual key that clients use. */
  readonly key: string;
  readonly control: ControlClient;
  /** Texts that no client may see: addresses of upstreams. */
  readonly secrets: readonly string[];
  canaryHits(): number;
  /** Calls of one model that the faulty upstream received. */
  calls(model: string): Promise<readonly ReceivedCall[]>;
  allCalls(): Promise<readonly ReceivedCall[]>;
  /** Resident memory of the gateway, bytes; 0 where the system does not tell. */
  residentBytes(): number;
  /** Budget state of the key. */
  budget(): Promise<{ readonly held: number; readonly settled: number }>;
  close(): Promise<void>;
}

async function startCanary(): Promise<{ url: string; hits: () => number; close: () => Promise<void> }> {
  let hits = 0;
  const server = createServer((_request, response) => {
    hits++;
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/canary`,
    hits: () => hits,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function simulatorLog(simulator: RunningSimulator, query: string): Promise<readonly ReceivedCall[]> {
  const answer = await fetch(`${simulator.url}/__sim/log?${query}`);
  return ((await answer.json()) as { data: readonly ReceivedCall[] }).data;
}

function residentBytesOf(pid: number | undefined): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

async function startProcess(folder: string): Promise<{ process: RunningSluice; url: string }> {
  const argv = ['start', '--json', '--port', '0', '--config', join(folder, 'sluice.yaml')];
  argv.push('--data-dir', join(folder, 'data'));
  const process = spawnSluice(argv, { folder, environment: { SLUICE_ADMIN_KEY: ADMIN_KEY } });
  try {
    const { url } = JSON.parse(await process.line((line) => line.includes('"url"'))) as { url: string };
    return { process, url };
  } catch (cause) {
    throw new Error(`the gateway did not start: ${process.stdout().slice(0, 500)}`, { cause });
  }
}

/** Starts simulators, dead ends and a gateway that knows them. */
export async function startStand(formats: readonly UpstreamFormat[]): Promise<Stand> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-faults-'));
  const canary = await startCanary();
  const faulty = await startSimulator({
    latency: 'none',
    deadEnds: true,
    behaviour: { to: canary.url },
  });
  const sound = await startSimulator({ latency: 'none' });
  const dead: Readonly<Record<string, string>> = faulty.deadEnds ?? {};
  writeFileSync(
    join(folder, 'sluice.yaml'),
    configYaml(formats, { faulty: faulty.url, sound: sound.url, dead }),
    { mode: 0o600 },
  );
  const shut = async (): Promise<void> => {
    await Promise.all([faulty.close(), sound.close(), canary.close()]);
    rmSync(folder, { recursive: true, force: true });
  };
  const { process, url } = await startProcess(folder).catch(async (error: unknown) => {
    await shut();
    throw error;
  });
  const control = createControlClient({ baseUrl: url, adminKey: ADMIN_KEY });
  const made = await control.call('createKey', {
    name: 'faults',
    budget: { limit_usd: BUDGET_USD, window: 'total' },
  });
  const addresses = [faulty.url, sound.url, ...Object.values(dead)];
  return {
    url,
    key: made.key,
    control,
    secrets: ['127.0.0.1', 'localhost', ...addresses.map((address) => `:${new URL(address).port}`)],
    canaryHits: canary.hits,
    calls: (model) => simulatorLog(faulty, `model=${encodeURIComponent(model)}&limit=20`),
    allCalls: () => simulatorLog(faulty, 'limit=10000'),
    residentBytes: () => residentBytesOf(process.child.pid),
    async budget() {
      const { budget } = await control.call('getKey', { id: made.id });
      return { held: Number(budget?.held_usd ?? 0), settled: Number(budget?.settled_usd ?? 0) };
    },
    async close() {
      process.child.kill('SIGTERM');
      await process.ended;
      await shut();
    },
  };
}
