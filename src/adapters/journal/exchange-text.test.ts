import fc from 'fast-check';
import { expect, test } from 'vitest';
import { exchange, hold } from '../../../test/contract/ledger-samples.ts';
import type { ExchangeRecord, HoldRecord } from '../../core/cost/exchange.ts';
import type { PriceSnapshot } from '../../core/cost/price.ts';
import {
  decodeExchange,
  decodeHead,
  decodeHold,
  decodeWho,
  encodeExchange,
  encodeHold,
  whoText,
} from './exchange-text.ts';

const rates = {
  input: 1,
  cacheRead: 2,
  cacheWrite5m: 3,
  cacheWrite1h: 4,
  output: 5,
  audioInput: 6,
  audioOutput: 7,
  image: 8,
  request: 9,
};
const price: PriceSnapshot = {
  price: { ...rates, tiers: [{ above: 200_000, rates: { ...rates, input: 10, request: 11 } }] },
  source: 'override',
  asOf: '2026-01-05T12:00:00Z',
};

/** Every field is set, and no two to the same, so that none can stand in another's place. */
const FULL: ExchangeRecord = {
  id: 'exc_full',
  clientRequestId: 'req',
  startedAt: 1_767_614_400_123,
  keyId: 'key',
  operation: 'embeddings',
  model: 'model',
  provider: 'provider',
  upstreamModel: 'upstream',
  format: 'format',
  upstreamFormat: 'upstream-format',
  stream: true,
  status: 502,
  outcome: 'cut',
  error: 'upstream_error',
  finishReason: 'length',
  usage: {
    input: 11,
    cacheRead: 12,
    cacheWrite5m: 13,
    cacheWrite1h: 14,
    output: 15,
    reasoning: 16,
    audioInput: 17,
    audioOutput: 18,
    images: 19,
    source: 'estimated',
    raw: { prompt_tokens: 20, details: [null, { text: 'tab\tand\nnewline' }] },
  },
  cost: {
    input: 21,
    cacheRead: 22,
    cacheWrite5m: 23,
    cacheWrite1h: 24,
    output: 25,
    audioInput: 26,
    audioOutput: 27,
    images: 28,
    requests: 29,
    total: 30,
  },
  price,
  latencyMs: 31.0625,
  firstByteMs: 32.5,
  attempts: [
    { provider: 'one', upstreamModel: 'a', startedAt: 33, latencyMs: 34, error: 'timeout' },
    { provider: 'two', upstreamModel: 'b', startedAt: 35, latencyMs: 36, status: 200 },
    ...(['retry', 'failover', 'fallback', 'hedge', 'restart', 'skipped'] as const).map((kind, at) => ({
      provider: kind,
      upstreamModel: 'c',
      startedAt: 37 + at,
      latencyMs: 38,
      kind,
    })),
  ],
  cache: 'semantic',
  plan: 'canonical',
  dropped: ['seed', 'logit_bias'],
  tags: { feature: 'search', 'tab\t': '' },
  user: 'ann',
  session: 'session',
  metadata: '{"a":1}',
  receipt: '{"tier":"easy"}',
};

test('an exchange with every field comes back as it was', () => {
  expect(decodeExchange(FULL.id, encodeExchange(FULL))).toStrictEqual(FULL);
});

test('an exchange with no optional field comes back as it was, absent fields absent', () => {
  const bare: ExchangeRecord = {
    ...exchange('exc_bare', { keyId: undefined, provider: undefined, upstreamModel: undefined }),
    upstreamFormat: undefined,
    finishReason: undefined,
    firstByteMs: undefined,
    cost: undefined,
    plan: undefined,
    attempts: [],
  };
  expect(decodeExchange('exc_bare', encodeExchange(bare))).toStrictEqual(bare);
});

test('null is a vendor usage of its own', () => {
  const sample = exchange('exc_1');
  const record = { ...sample, usage: { ...sample.usage, raw: null } };
  expect(decodeExchange('exc_1', encodeExchange(record))).toStrictEqual(record);
});

test('text of any kind survives, on one line and apart from the tabs between parts', () => {
  const words = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(words, words, words, words, (model, user, value, receipt) => {
      const record = exchange('exc_1', { model, user, receipt, tags: { name: value } });
      const text = encodeExchange(record);
      expect(text).not.toContain('\n');
      expect(decodeExchange('exc_1', text)).toStrictEqual(record);
      expect(decodeHead(text)[13]).toBe(record.latencyMs);
      expect(decodeWho(whoText(text))[1]).toBe(model);
    }),
  );
});

test('a hold comes back as it was', () => {
  const full: Required<HoldRecord> = {
    id: 'exc_1',
    startedAt: 1,
    keyId: 'key',
    model: 'model',
    format: 'format',
    stream: true,
    clientRequestId: 'req',
    heldNano: 2,
    tags: { a: 'b' },
    operation: 'chat',
    user: 'ann',
    charges: '0@budget_1\n1767571200000@key_1',
    place: { organizationId: 'org_1', teamId: 'team_1', projectId: undefined, ownerId: 'user_1' },
  };
  expect(decodeHold('exc_1', encodeHold(full))).toStrictEqual(full);
  expect(decodeHold('exc_1', encodeHold(hold('exc_1')))).toEqual(hold('exc_1'));
});

test('text that is not ours is refused', () => {
  for (const text of ['', 'x', '[1', '[1]\t']) {
    expect(() => decodeExchange('exc_1', text)).toThrow();
  }
  expect(() => decodeHead('[1')).toThrow();
});
