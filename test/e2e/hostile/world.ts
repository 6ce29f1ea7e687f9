import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type Server,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningSluice, spawnSluice } from '../sluice-process.ts';
import type { Case } from './case.ts';

/** Secrets that must be found nowhere. */
export interface Secrets {
  readonly provider: string;
  readonly admin: string;
  readonly key: string;
  readonly canary: string;
}

/** One request as a provider got it. */
export interface Sent {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** What the gateway's process knows of itself. */
export interface Inside {
  /** CPU time of the longest turn of the event loop, milliseconds. */
  readonly longestMs: number;
  readonly ticks: number;
  /** Bytes. */
  readonly heapUsed: number;
  readonly external: number;
}

/** An answer of the gateway. */
export interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A gateway in a process of its own, providers that answer anything, and a place nobody may call. */
export interface World {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly secrets: Secrets;
  readonly sent: Sent[];
  /** Calls of the place nobody may call. */
  readonly canaryHits: string[];
  readonly gateway: RunningSluice;
  readonly folder: string;
  ask(given: Case): Promise<Got>;
  /** Collects the gateway's garbage and tells what `inside.mjs` saw since the last time. */
  inside(): Promise<Inside>;
  /** Every file of the data directory. */
  files(): { name: string; bytes: Buffer }[];
  close(): Promise<void>;
}

const ANSWERS: readonly (readonly [RegExp, object])[] = [
  [
    /messages$/,
    {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [{ type: 'text', text: 'ok' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: { input_tokens: 3, output_tokens: 1 },
    },
  ],
  [
    /responses$/,
    {
      id: 'resp_1',
      object: 'response',
      created_at: 1,
      status: 'completed',
      model: 'm',
      output: [
        {
          id: 'msg_1',
          type: 'message',
          role: 'assistant',
          status: 'completed',
          content: [{ type: 'output_text', text: 'ok', annotations: [] }],
        },
      ],
      usage: { input_tokens: 3, output_tokens: 1, total_tokens: 4 },
    },
  ],
  [
    /generateContent$/,
    {
      candidates: [{ index: 0, content: { role: 'model', parts: [{ text: 'ok' }] }, finishReason: 'STOP' }],
      usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 1, totalTokenCount: 4 },
    },
  ],
];

const CHAT_ANSWER = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 },
};

/** Headers of a provider that are none of the client's business. */
export const PROVIDER_HEADERS = {
  'set-cookie': 'session=of-the-provider',
  'access-control-allow-origin': '*',
  server: 'provider/1.0',
  'openai-organization': 'org-secret',
  'x-sluice-cost-usd': '0',
  'x-powered-by': 'provider',
  'strict-transport-security': 'max-age=1',
  connection: 'close, x-hop',
  'x-hop': 'a',
  'alt-svc': 'h3=":443"',
};

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function providers(sent: Sent[]): Server {
  return createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = request.url ?? '';
      sent.push({ path, headers: request.headers, text: Buffer.concat(chunks).toString('utf8') });
      const answer =
        ANSWERS.find(([pattern]) => pattern.test(path.split('?', 1)[0] ?? ''))?.[1] ?? CHAT_ANSWER;
      response.writeHead(200, { 'content-type': 'application/json', ...PROVIDER_HEADERS });
      response.end(JSON.stringify(answer));
    });
  });
}

function yamlFor(url: string, extra: string): string {
  const base = (path: string) =>
    `base_url: "${url}${path}", api_key: "\${CANARY_KEY}", allow_private_network: true`;
  return `
version: 1
server: { header_timeout_ms: 1500, body_idle_timeout_ms: 1500 }
access: { mode: keys, max_auth_failures_per_minute: 100000 }
log: { level: debug }
providers:
  compatible: { type: openai-compatible, ${base('/v1')} }
  openai: { type: openai, ${base('/v1')} }
  anthropic: { type: anthropic, ${base('')} }
  gemini: { type: gemini, ${base('')} }
models:
  chat: { deployments: ["compatible/m"] }
  responses: { deployments: ["openai/gpt-4.1-mini"] }
  claude: { deployments: ["anthropic/claude-haiku-4-5"] }
  gem: { deployments: ["gemini/gemini-2.5-flash"] }
${extra}`;
}

function asker(port: number, key: string): (given: Case) => Promise<Got> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  return (given) =>
    new Promise((resolve, reject) => {
      const { path, method = 'POST', body } = given;
      const headers: OutgoingHttpHeaders = {};
      const usual = {
        host: `127.0.0.1:${port}`,
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
      };
      for (const [name, value] of Object.entries({ ...usual, ...given.headers })) {
        if (value !== undefined) headers[name] = typeof value === 'string' ? value : [...value];
      }
      if (body !== undefined) headers['content-length'] = String(Buffer.byteLength(body));
      const call = httpRequest({ host: '127.0.0.1', port, path, method, agent, headers });
      const timer = setTimeout(() => call.destroy(new Error(`no answer within 10 s: ${given.name}`)), 10_000);
      let answered = false;
      call.on('response', (response) => {
        answered = true;
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('close', () => {
          clearTimeout(timer);
          const text = Buffer.concat(chunks).toString('utf8');
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
        });
        response.on('error', () => undefined);
      });
      call.on('error', (error) => {
        clearTimeout(timer);
        if (!answered) reject(new Error(`${given.name}: ${error.message}`));
      });
      call.end(body);
    });
}

/** Opens all of it. `extra` is more of `sluice.yaml`. */
export async function openWorld(extra = ''): Promise<World> {
  const sent: Sent[] = [];
  const canaryHits: string[] = [];
  const upstream = providers(sent);
  const forbidden = createServer((request, response) => {
    canaryHits.push(request.url ?? '');
    response.end('{}');
  });
  const upstreamUrl = await listen(upstream);
  const canary = await listen(forbidden);
  const folder = mkdtempSync(join(tmpdir(), 'sluice-hostile-'));
  const provider = 'sk-canary-provider-5e3f9a71c2d84b60';
  const admin = 'canary-admin-7b1d40e9a6c25f38-of-the-operator';
  const config = join(folder, 'sluice.yaml');
  writeFileSync(config, yamlFor(upstreamUrl, extra), { mode: 0o600 });
  const data = join(folder, 'data');
  const report = join(folder, 'report.json');
  const gateway = spawnSluice(['start', '--config', config, '--port', '0', '--data-dir', data, '--json'], {
    folder,
    environment: {
      CANARY_KEY: provider,
      SLUICE_ADMIN_KEY: admin,
      NODE_OPTIONS: `--import ${new URL('./inside.mjs', import.meta.url).href}`,
      HOSTILE_REPORT: report,
    },
  });
  const { url, pid } = JSON.parse(await gateway.line((line) => line.startsWith('{"url"'))) as {
    url: string;
    pid: number;
  };
  const made = await fetch(`${url}/api/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'hostile' }),
  });
  const { key } = (await made.json()) as { key: string };
  const port = Number(new URL(url).port);
  return {
    url,
    port,
    pid,
    secrets: { provider, admin, key, canary },
    sent,
    canaryHits,
    gateway,
    folder,
    ask: asker(port, key),
    async inside() {
      rmSync(report, { force: true });
      process.kill(pid, 'SIGUSR2');
      while (!existsSync(report)) await new Promise((resolve) => setTimeout(resolve, 20));
      await new Promise((resolve) => setTimeout(resolve, 50));
      return JSON.parse(readFileSync(report, 'utf8')) as Inside;
    },
    files: () =>
      readdirSync(data, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => ({ name: entry.name, bytes: readFileSync(join(entry.parentPath, entry.name)) })),
    async close() {
      gateway.child.kill('SIGKILL');
      await gateway.ended;
      for (const server of [upstream, forbidden]) {
        server.closeAllConnections();
        server.close();
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Resident memory of a process, megabytes; `undefined` where the system does not tell. */
export function residentMb(pid: number): number | undefined {
  try {
    const kb = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return kb === undefined ? undefined : Number(kb) / 1024;
  } catch {
    return undefined;
  }
}
