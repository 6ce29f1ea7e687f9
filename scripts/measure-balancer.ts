/**
 * What the balancer's decision costs, per strategy and number of deployments: `choose-route` as it stands in the pipeline,
 * the mark of the conversation, health, priority groups and expected cost included. Microseconds, of 20,000 decisions.
 * Run: node scripts/measure-balancer.ts
 */
import { completePrice } from '../src/core/cost/complete-price.ts';
import { UNRESTRICTED } from '../src/core/policy/policy.ts';
import { CostHistory } from '../src/core/resilience/cost-history.ts';
import { Fleet } from '../src/core/resilience/fleet.ts';
import { Sessions } from '../src/core/resilience/sessions.ts';
import { Turns } from '../src/core/resilience/turns.ts';
import { createChooseRoute } from '../src/pipeline/stages/choose-route.ts';

type Chosen = Parameters<ReturnType<typeof createChooseRoute>>[0];

const WARM_UP = 20_000;
const DECISIONS = 20_000;
const STRATEGIES = ['weighted', 'round_robin', 'least_busy', 'lowest_latency', 'lowest_cost', 'priority'];

const outliers = {
  errorPercent: 30,
  latencyFactor: 5,
  minRequests: 20,
  ejectMs: 30_000,
  maxEjectMs: 300_000,
};
const circuit = {
  failures: 5,
  failurePercent: 50,
  minRequests: 20,
  windowMs: 10_000,
  openMs: 30_000,
  maxOpenMs: 300_000,
};
const price = { price: completePrice({ input: 100, output: 400 }), source: 'config', asOf: '2026' };

function exchange(strategy: string, count: number): Chosen {
  const deployments = Array.from({ length: count }, (_, index) => ({
    id: `provider-${index}/gpt-4o`,
    model: 'gpt-4o',
    weight: 1 + (index % 3),
    priority: 1 + (index % 2),
    circuit,
    price,
    provider: {
      name: `provider-${index}`,
      credentials: ['k1', 'k2'],
      region: 'eu-west-1',
      vendor: { id: 'openai' },
    },
  }));
  const messages = [
    { role: 'system', content: 'You are a helpful assistant that answers briefly. '.repeat(20) },
    { role: 'user', content: 'Say hello.' },
    { role: 'assistant', content: 'Hello.' },
    { role: 'user', content: 'And again.' },
  ];
  // Only what the stage reads.
  return {
    operation: 'chat',
    principal: { key: undefined, scopes: [], policy: { ...UNRESTRICTED, regions: new Set(['eu']) } },
    grant: { route: { name: 'm', deployments, strategy, outliers, fallbacks: [], fallbacksOn: {} } },
    client: { fallback: true },
    envelope: { stream: true, media: 0 },
    raw: new Uint8Array(4000),
    body: { messages },
    runtime: { resolve: () => undefined },
  } as unknown as Chosen;
}

function measure(strategy: string, count: number): readonly number[] {
  const fleet = new Fleet();
  const silent = () => undefined;
  const choose = createChooseRoute({
    fleet,
    sessions: new Sessions(),
    costs: new CostHistory(),
    turns: new Turns(),
    log: { info: silent, warn: silent, error: silent },
    clock: { now: () => Date.now(), monotonic: () => performance.now(), after: () => silent },
    random: { uniform: Math.random, bytes: () => new Uint8Array(), id: (prefix) => prefix },
  });
  const asked = exchange(strategy, count);
  for (const { deployment } of choose(asked).candidates) {
    const call = fleet.begin(deployment, { index: 0, tokens: { prompt: 1, output: 1 } }, performance.now());
    call.answered(50 + 50 * Math.random(), true, performance.now());
    call.end({ kind: 'good' }, performance.now());
  }
  for (let n = 0; n < WARM_UP; n++) choose(asked);
  const times = Array.from({ length: DECISIONS }, () => {
    const from = performance.now();
    choose(asked);
    return (performance.now() - from) * 1000;
  });
  return times.sort((a, b) => a - b);
}

console.log('strategy         deployments  median µs   p99 µs');
for (const count of [2, 6, 20]) {
  for (const strategy of STRATEGIES) {
    const times = measure(strategy, count);
    const at = (share: number) => (times[Math.floor(DECISIONS * share)] ?? Number.NaN).toFixed(1).padStart(9);
    console.log(`${strategy.padEnd(16)} ${String(count).padStart(11)}  ${at(0.5)} ${at(0.99)}`);
  }
}
