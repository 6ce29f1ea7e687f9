// What authentication, authorisation, policy, limits and budgets cost per request, from memory and with the durable hold:
//   node scripts/measure-policy.mjs [requests]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../src/adapters/journal/journal.ts';
import { openSecretBox } from '../src/adapters/secret-box/secret-box.ts';
import { systemClock } from '../src/adapters/system/clock.ts';
import { BudgetBook } from '../src/core/policy/budget.ts';
import { KeyIndex } from '../src/core/policy/key-index.ts';
import { createPolicySnapshot, KeyCompiler, NO_PLACES } from '../src/core/policy/policy-snapshot.ts';
import { RateLimiter } from '../src/core/policy/rate.ts';
import { ScopeIndex } from '../src/core/policy/scope-index.ts';
import { createAuthenticate } from '../src/pipeline/stages/authenticate.ts';
import { createAuthorize } from '../src/pipeline/stages/authorize.ts';
import { createEnforcePolicy } from '../src/pipeline/stages/enforce-policy.ts';
import { createLimitRate } from '../src/pipeline/stages/limit-rate.ts';
import { createReserveBudget } from '../src/pipeline/stages/reserve-budget.ts';
import { createSettleCost } from '../src/pipeline/stages/settle-cost.ts';

const REQUESTS = Number(process.argv[2] ?? 100_000);
const KEYS = 100_000;
const BUDGETS = 10_000;
const TEAMS = 1000;
/** Keys that call again and again; the rest is there and silent. */
const ACTIVE = 1000;
/** Requests in flight at once: what one turn of the event loop groups. */
const BURST = 20;

const folder = mkdtempSync(join(tmpdir(), 'sluice-measure-policy-'));
const secrets = openSecretBox(folder);
const book = new BudgetBook();
const now = Date.now();

const team = (n) => ({
  id: `team_${n}`,
  organizationId: 'org_default',
  name: `t${n}`,
  blocked: false,
  policy: { models: ['m*'], limits: { rpm: 1e9, tpm: 1e12 } },
  metadata: {},
  createdAt: now,
});
const places = {
  ...NO_PLACES,
  teams: new Map(Array.from({ length: TEAMS }, (_, n) => [`team_${n}`, team(n)])),
};
const keys = new KeyIndex(new KeyCompiler(places));
const hashes = Array.from({ length: KEYS }, (_, n) => secrets.hashKey(`sk-sluice-${n}`));
hashes.forEach((hash, n) => {
  keys.put({
    id: `key_${n}`,
    name: `k${n}`,
    hash,
    hint: '0000',
    createdAt: now,
    blocked: false,
    organizationId: 'org_default',
    teamId: `team_${n % TEAMS}`,
    policy: {},
    limitedBy: [],
    limits: { rpm: 1e9, tpm: 1e12, concurrency: 1e6 },
    budget: undefined,
    metadata: {},
  });
});
const snapshot = createPolicySnapshot(keys, places, 1);

function scopeOf(n) {
  if (n === 0) return { kind: 'organization', id: 'org_default' };
  if (n <= TEAMS) return { kind: 'team', id: `team_${n - 1}` };
  return { kind: 'key', id: `key_${n - TEAMS - 1}` };
}
const budgets = Array.from({ length: BUDGETS }, (_, n) => ({
  id: `budget_${n}`,
  name: `b${n}`,
  scope: scopeOf(n),
  organizationId: undefined,
  limitNano: 9e15,
  window: 'month',
  timeZone: n % 2 === 0 ? undefined : 'Europe/Berlin',
  thresholds: [80, 100],
  action: 'block',
  downgradeTo: undefined,
  hard: false,
  source: 'api',
  createdAt: now,
}));
for (const budget of budgets) book.define(budget.id, budget, { now });
const index = new ScopeIndex(budgets);
const noRules = new ScopeIndex([]);

const rates = {
  input: 1e6,
  cacheRead: 1e5,
  cacheWrite5m: 1e6,
  cacheWrite1h: 2e6,
  output: 2e6,
  audioInput: 0,
  audioOutput: 0,
  image: 0,
  request: 0,
};
const route = {
  name: 'm',
  deployments: [
    {
      id: 'one/m',
      model: 'm',
      provider: { name: 'one', region: 'eu' },
      profile: {},
      price: { price: rates },
    },
  ],
  fallbacks: [],
  fallbacksOn: {},
};
const runtime = { accessMode: 'keys', resolve: () => route, suggest: () => [], demo: false };
const raw = new Uint8Array(600);
const signal = new AbortController().signal;

let serial = 0;

function exchangeOf(n) {
  return {
    id: `exc_${serial++}`,
    startedAt: now,
    startedMono: 0,
    codec: { id: 'openai-chat' },
    operation: 'chat',
    runtime,
    raw,
    signal,
    client: { credential: `sk-sluice-${n % KEYS}`, address: '127.0.0.1', tags: {}, fallback: true },
    envelope: {
      model: 'm',
      stream: false,
      maxOutputTokens: 100,
      choices: 1,
      includeUsage: false,
      tools: 0,
      media: 0,
    },
    facts: { attempts: [], free: undefined, deployment: undefined },
    end: undefined,
  };
}

function stagesWith(ledger) {
  const ports = {
    keys: () => snapshot,
    places: () => snapshot,
    rateRules: () => noRules,
    budgets: () => index,
    approvals: { pass: async () => '' },
    policyOf: () => undefined,
    secrets,
    clock: systemClock,
    limiter: new RateLimiter(),
    book,
    ledger,
  };
  const settle = createSettleCost(ports);
  const [authenticate, authorize] = [createAuthenticate(ports), createAuthorize()];
  const [enforce, limit, reserve] = [
    createEnforcePolicy(ports),
    createLimitRate(ports),
    createReserveBudget(ports),
  ];
  return async (n) => {
    const exchange = await reserve(limit(enforce(authorize(authenticate(exchangeOf(n))))));
    settle(exchange, { kind: 'answered' });
  };
}

async function measure(name, run, spread = (n) => n % ACTIVE) {
  for (let n = 0; n < 20_000; n += BURST)
    await Promise.all(Array.from({ length: BURST }, (_, at) => run(n + at)));
  const cpu = process.cpuUsage();
  const started = performance.now();
  for (let n = 0; n < REQUESTS; n += BURST) {
    await Promise.all(Array.from({ length: BURST }, (_, at) => run(spread(n + at))));
  }
  const wall = ((performance.now() - started) * 1000) / REQUESTS;
  const { user, system } = process.cpuUsage(cpu);
  const each = (user + system) / REQUESTS;
  console.log(`${name}: ${each.toFixed(1)} us CPU, ${wall.toFixed(1)} us wall per request`);
  return { cpu: each, wall };
}

console.log(
  `${KEYS} keys, ${BUDGETS} budgets (two or three apply to each key), ${REQUESTS} requests, ${BURST} at once`,
);
const nothing = await measure('making the exchange alone', async (n) => void exchangeOf(n));
const resolved = Promise.resolve();
const firsts = await measure(
  'every request from another key, from memory',
  stagesWith({ hold: () => resolved }),
  (n) => 20_000 + n * 7919,
);
const memory = await measure('authentication to budget, from memory', stagesWith({ hold: () => resolved }));
const journal = openJournal({ directory: join(folder, 'journal'), clock: systemClock });
const durable = await measure('the same with the durable hold', stagesWith(journal));
await journal.close();
rmSync(folder, { recursive: true, force: true });
console.log(`from memory, every key for the first time: ${(firsts.cpu - nothing.cpu).toFixed(1)} us of CPU`);
console.log(`from memory: ${(memory.cpu - nothing.cpu).toFixed(1)} us of CPU (bar: 30)`);
console.log(`durable hold: ${(durable.wall - memory.wall).toFixed(1)} us amortised (bar: 100)`);
