import { openUpstream } from '../../src/adapters/http1/upstream.ts';
import { createMemoryMetrics } from '../../src/adapters/memory/metrics.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { createAuthorizers } from '../../src/app/authorization.ts';
import type { ConfigInput } from '../../src/app/config/schema.ts';
import { createResilience } from '../../src/app/resilience.ts';
import type { AttemptRecord, Cost } from '../../src/core/cost/exchange.ts';
import { SluiceError } from '../../src/core/errors/error.ts';
import type { JsonObject, Usage } from '../../src/core/model/index.ts';
import { BudgetBook } from '../../src/core/policy/budget.ts';
import { UNRESTRICTED } from '../../src/core/policy/policy.ts';
import { CODECS } from '../../src/formats/registry.ts';
import { chargeExchange } from '../../src/pipeline/charge.ts';
import type { Answered, Candidate, Routed } from '../../src/pipeline/exchange.ts';
import type { ModelRoute, Runtime } from '../../src/pipeline/runtime.ts';
import { createAttempt } from '../../src/pipeline/stages/attempt.ts';
import { runtimeOf } from './attempts.ts';

/** What became of one request. */
export interface Outcome {
  /** Text delivered, reasoning left out. */
  readonly text: string;
  /** As the client would get it, for streams that are forwarded as they are. */
  readonly wire: string;
  /** Before or after content. */
  readonly error: SluiceError | undefined;
  /** Content had gone out when it failed. */
  readonly begun: boolean;
  readonly attempts: readonly AttemptRecord[];
  readonly skipped: readonly AttemptRecord[];
  readonly provider: string | undefined;
  readonly cost: Cost | undefined;
  readonly usage: Usage;
  /** Until the answer had begun. Milliseconds. */
  readonly beganMs: number;
}

/** One request. */
export interface Wish {
  readonly dialect?: keyof typeof CODECS;
  readonly body?: JsonObject;
  readonly model?: string;
  readonly fallback?: boolean;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Budget of the key, nano-dollars, and what is held of it. */
  readonly budget?: { readonly limitNano: number; readonly heldNano: number };
}

/** The attempt stage with the real transport, asked as chat requests come to it. */
export interface Trials {
  readonly runtime: Runtime;
  readonly resilience: ReturnType<typeof createResilience>;
  ask(wish?: Wish): Promise<Outcome>;
  close(): Promise<void>;
}

const BODIES: Readonly<Record<string, JsonObject>> = {
  'openai-chat': { messages: [{ role: 'user', content: 'Say hello.' }] },
  'anthropic-messages': { max_tokens: 50, messages: [{ role: 'user', content: 'Say hello.' }] },
  'openai-responses': { input: 'Say hello.' },
  gemini: { contents: [{ role: 'user', parts: [{ text: 'Say hello.' }] }] },
};

let serial = 0;

function exchangeOf(runtime: Runtime, wish: Wish): Routed {
  const { dialect = 'openai-chat', model = 'm' } = wish;
  const codec = CODECS[dialect];
  const body: JsonObject = { model, ...BODIES[dialect], ...wish.body };
  const route = runtime.resolve(model);
  if (route === undefined) throw new Error(`no model ${model}`);
  const candidatesOf = (of: ModelRoute): Candidate[] =>
    of.deployments.map((deployment) => ({ deployment, route: of }));
  const named = (names: readonly string[]): Candidate[] =>
    wish.fallback === false ? [] : names.flatMap((name) => candidatesOf(runtime.resolve(name) ?? route));
  const request = () => codec.decodeRequest(body);
  const exchange: Partial<Record<keyof Routed, unknown>> = {
    id: `exc_${serial++}`,
    startedAt: Date.now(),
    startedMono: systemClock.monotonic(),
    codec,
    operation: 'chat',
    runtime,
    client: { forward: {}, tags: {}, fallback: wish.fallback ?? true, timeoutMs: wish.timeoutMs },
    principal: { key: undefined, scopes: [], policy: UNRESTRICTED, ownCredential: undefined },
    grant: { route, objective: undefined },
    raw: Buffer.from(JSON.stringify(body)),
    body,
    envelope: codec.envelope(body),
    signal: wish.signal ?? new AbortController().signal,
    facts: { attempts: [], dropped: [], deliveredBytes: 0 },
    decoded: request,
    needsContent: false,
    remember: () => undefined,
    issued: () => undefined,
    issuerOf: () => undefined,
    hold: { amountNano: wish.budget?.heldNano ?? 0, budgetId: undefined, charges: undefined },
    candidates: [...candidatesOf(route), ...named(route.fallbacks)],
    candidatesOn: (cause: string) => named(route.fallbacksOn[cause] ?? []),
  };
  return exchange as unknown as Routed;
}

async function deliver(
  answered: Answered,
  told: { text: string; wire: string; begun: boolean },
): Promise<void> {
  const { answer } = answered;
  told.begun = true;
  if (answer.kind === 'bytes') told.wire = Buffer.from(answer.bytes).toString('utf8');
  if (answer.kind === 'whole') {
    for (const part of answer.response.choices[0]?.parts ?? [])
      if (part.type === 'text') told.text += part.text;
  }
  if (answer.kind === 'byte-stream') {
    for await (const chunk of answer.chunks) told.wire += Buffer.from(chunk).toString('utf8');
  }
  if (answer.kind !== 'event-stream') return;
  const spoken = new Set<number>();
  for await (const events of answer.events) {
    for (const event of events) {
      if (event.type === 'part_start' && event.head.type === 'text') spoken.add(event.part);
      if (event.type === 'delta' && spoken.has(event.part)) told.text += event.text;
    }
  }
}

/** Compiles the configuration and sets the stage up. */
export function openTrials(config: ConfigInput): Trials {
  const runtime = runtimeOf(config);
  const upstream = openUpstream({ maxConnections: 16 });
  const resilience = createResilience({ clock: systemClock, metrics: createMemoryMetrics() });
  const book = new BudgetBook();
  const attempt = createAttempt({
    upstream,
    authorizers: createAuthorizers({ clock: systemClock, upstream }),
    clock: systemClock,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    ...resilience,
    book,
    journal: async () => undefined,
    random: { uniform: () => 0, bytes: () => new Uint8Array(), id: (prefix) => prefix },
  });
  return {
    runtime,
    resilience,
    async ask(wish = {}) {
      const exchange = exchangeOf(runtime, wish);
      if (wish.budget !== undefined) {
        const { limitNano, heldNano } = wish.budget;
        book.define(exchange.id, { limitNano, window: 'total' }, { now: 0 });
        const reservation = { holdId: exchange.id, budgetIds: [exchange.id], amountNano: heldNano };
        book.reserve({ ...reservation, expiresAt: Number.POSITIVE_INFINITY }, 0);
      }
      const told = { text: '', wire: '', begun: false };
      let beganMs = Number.NaN;
      let error: SluiceError | undefined;
      try {
        const answered = await attempt(exchange);
        beganMs = systemClock.monotonic() - exchange.startedMono;
        await deliver(answered, told);
      } catch (thrown) {
        if (!(thrown instanceof SluiceError)) throw thrown;
        error = thrown;
      }
      const { facts } = exchange;
      const { place } = exchange as { place?: { end(outcome: { kind: 'neutral' }): void } };
      place?.end({ kind: 'neutral' });
      const { cost, usage } = chargeExchange(exchange);
      const { attempts, skipped = [] } = facts;
      return {
        ...told,
        error,
        attempts,
        skipped,
        provider: facts.deployment?.provider.name,
        cost,
        usage,
        beganMs,
      };
    },
    close: () => upstream.close(),
  };
}
