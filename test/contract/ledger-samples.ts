import { LineBuffer } from '../../src/adapters/journal/line.ts';
import { NO_COST } from '../../src/core/cost/cost.ts';
import type { ExchangeRecord, HoldRecord } from '../../src/core/cost/exchange.ts';
import type { VirtualKey } from '../../src/core/policy/virtual-key.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Ledger } from '../../src/ports/ledger.ts';
import type { Log } from '../../src/ports/log-sink.ts';
import type { Store } from '../../src/ports/store.ts';

/** 2026-01-05, a Monday, at noon UTC. */
export const NOON = Date.UTC(2026, 0, 5, 12);

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/** A log that keeps what it is told. */
export function recordingLog(): Log & { readonly events: string[] } {
  const events: string[] = [];
  const add = (event: string) => void events.push(event);
  return { events, info: add, warn: add, error: add };
}

/** A log that says nothing. */
export const quietLog: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A hold of 5,000 nano-dollars. */
export function hold(id: string, change: Partial<HoldRecord> = {}): HoldRecord {
  return {
    id,
    startedAt: NOON,
    keyId: 'key_1',
    model: 'gpt-4o',
    format: 'openai-chat',
    stream: false,
    clientRequestId: undefined,
    heldNano: 5000,
    tags: {},
    ...change,
  };
}

/** An answered exchange that cost 1,000 nano-dollars. */
export function exchange(id: string, change: Partial<ExchangeRecord> = {}): ExchangeRecord {
  return {
    id,
    clientRequestId: undefined,
    startedAt: NOON,
    keyId: 'key_1',
    operation: 'chat',
    model: 'gpt-4o',
    provider: 'openai',
    upstreamModel: 'gpt-4o-2024-08-06',
    format: 'openai-chat',
    upstreamFormat: 'openai-chat',
    stream: false,
    status: 200,
    outcome: 'answered',
    error: undefined,
    finishReason: 'stop',
    usage: {
      input: 100,
      cacheRead: 20,
      cacheWrite5m: 3,
      cacheWrite1h: 4,
      output: 50,
      reasoning: 10,
      audioInput: 0,
      audioOutput: 0,
      images: 0,
      source: 'reported',
    },
    cost: { ...NO_COST, input: 400, output: 600, total: 1000 },
    price: undefined,
    latencyMs: 120,
    firstByteMs: 80,
    attempts: [
      {
        provider: 'openai',
        upstreamModel: 'gpt-4o-2024-08-06',
        startedAt: NOON,
        latencyMs: 110,
        status: 200,
      },
    ],
    cache: 'miss',
    plan: 'bytes',
    dropped: [],
    tags: {},
    user: undefined,
    session: undefined,
    metadata: undefined,
    receipt: undefined,
    ...change,
  };
}

/** A record as a line of the journal, with its newline. */
export function lineOf(kind: 'hold' | 'settle', record: HoldRecord | ExchangeRecord): string {
  const lines = new LineBuffer();
  if (kind === 'hold') lines.hold(record as HoldRecord);
  else lines.settle(record as ExchangeRecord);
  return lines.bytes().toString();
}

/** A key without limits. */
export function virtualKey(id: string, change: Partial<VirtualKey> = {}): VirtualKey {
  return {
    id,
    name: `key ${id}`,
    hash: `hash-${id}`,
    hint: 'abcd',
    previousHash: undefined,
    previousHashExpiresAt: undefined,
    createdAt: NOON,
    expiresAt: undefined,
    blocked: false,
    revokedAt: undefined,
    organizationId: 'org_default',
    serviceAccountId: undefined,
    policy: {},
    limitedBy: [],
    rotation: undefined,
    teamId: undefined,
    projectId: undefined,
    userId: undefined,
    models: undefined,
    limits: {},
    budget: undefined,
    metadata: {},
    ...change,
  };
}

/** A store under test, with the ledger that feeds it. `dispose` closes both and cleans up. */
export interface StoreUnderTest {
  readonly store: Store;
  readonly ledger: Ledger;
  dispose(): Promise<void>;
}

/** What spend is told apart by, read from the exchange itself. */
export const SPEND_VALUES: Readonly<Record<string, (record: ExchangeRecord) => string | undefined>> = {
  model: ({ model }) => model,
  provider: ({ provider }) => provider,
  key: ({ keyId }) => keyId,
  user: ({ user }) => user,
  team: ({ place }) => place?.teamId,
  project: ({ place }) => place?.projectId,
  organization: ({ place }) => place?.organizationId ?? 'org_default',
  session: ({ session }) => session,
  'tag:feature': ({ tags }) => tags['feature'],
  'tag:env': ({ tags }) => tags['env'],
};
