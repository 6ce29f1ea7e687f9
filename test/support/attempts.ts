import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openUpstream } from '../../src/adapters/http1/upstream.ts';
import { createMemoryMetrics } from '../../src/adapters/memory/metrics.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { createAuthorizers } from '../../src/app/authorization.ts';
import { compileRuntime } from '../../src/app/compile.ts';
import { type ConfigInput, configSchema } from '../../src/app/config/schema.ts';
import { createResilience } from '../../src/app/resilience.ts';
import { createCatalog, parseCatalog } from '../../src/core/catalog/index.ts';
import type { JsonObject } from '../../src/core/model/index.ts';
import { BudgetBook } from '../../src/core/policy/budget.ts';
import { CODECS } from '../../src/formats/registry.ts';
import { newFacts } from '../../src/http/chat.ts';
import type { Answer, Routed } from '../../src/pipeline/exchange.ts';
import type { Runtime } from '../../src/pipeline/runtime.ts';
import { createAttempt } from '../../src/pipeline/stages/attempt.ts';

/** What a loopback server received. */
export interface Got {
  readonly method: string;
  /** Path and query as they stood on the wire. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A server on this machine that keeps what it receives and answers as told. */
export interface Loopback {
  readonly url: string;
  readonly got: Got[];
  close(): void;
}

/** Listens on a free port of this machine. */
export async function listenLoopback(
  answer: (got: Got, response: ServerResponse) => void,
): Promise<Loopback> {
  const got: Got[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = '', url: path = '', headers } = request;
    const received = { method, path, headers, body: Buffer.concat(chunks) };
    got.push(received);
    answer(received, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    got,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A runtime as the gateway compiles it from this configuration and environment. */
export function runtimeOf(given: ConfigInput, environment: Record<string, string> = {}): Runtime {
  const data = new URL('../../src/core/catalog/catalog.generated.json', import.meta.url);
  return compileRuntime({
    config: configSchema.parse(given),
    catalog: createCatalog(parseCatalog(readFileSync(data, 'utf8'))),
    environment,
    overrides: new Map(),
    demo: undefined,
    now: Date.now(),
  });
}

/** An OpenAI chat request that stands before the attempt stage. */
export function routed(
  runtime: Runtime,
  body: JsonObject,
  more: { readonly signal?: AbortSignal; readonly ownCredential?: string } = {},
): Routed {
  const codec = CODECS['openai-chat'];
  const route = runtime.resolve(String(body['model']));
  if (route === undefined) throw new Error('The model does not resolve.');
  const exchange: Partial<Record<keyof Routed, unknown>> = {
    codec,
    runtime,
    client: { forward: {} },
    principal: { key: undefined, ownCredential: more.ownCredential },
    grant: { route, objective: undefined },
    raw: Buffer.from(JSON.stringify(body)),
    body,
    envelope: codec.envelope(body),
    signal: more.signal ?? new AbortController().signal,
    facts: newFacts(),
    decoded: () => codec.decodeRequest(body),
    needsContent: false,
    remember: () => undefined,
    candidates: route.deployments.map((deployment) => ({ deployment, route })),
    candidatesOn: () => [],
  };
  return exchange as unknown as Routed;
}

/** Runs the attempt stage with the real authorizers and the real upstream, and reads the answer's text to its end. */
export async function attemptText(exchange: Routed): Promise<string> {
  const upstream = openUpstream({ maxConnections: 4 });
  const attempt = createAttempt({
    upstream,
    authorizers: createAuthorizers({ clock: systemClock, upstream }),
    clock: systemClock,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    ...createResilience({ clock: systemClock, metrics: createMemoryMetrics() }),
    book: new BudgetBook(),
    journal: async () => undefined,
    random: { uniform: () => 0, bytes: () => new Uint8Array(), id: (prefix) => prefix },
  });
  try {
    return await textOf((await attempt(exchange)).answer);
  } finally {
    await upstream.close();
  }
}

async function textOf(answer: Answer): Promise<string> {
  if (answer.kind === 'whole') {
    const parts = answer.response.choices[0]?.parts ?? [];
    return parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
  }
  if (answer.kind !== 'event-stream') throw new Error(`Unexpected answer: ${answer.kind}`);
  let text = '';
  for await (const events of answer.events) {
    for (const event of events) if (event.type === 'delta') text += event.text;
  }
  return text;
}
