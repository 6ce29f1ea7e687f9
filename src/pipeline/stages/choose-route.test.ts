import { describe, expect, it } from 'vitest';
import { Fleet } from '../../core/resilience/fleet.ts';
import { Sessions } from '../../core/resilience/sessions.ts';
import type { Exchange, Grant, Principal } from '../exchange.ts';
import type { Deployment, ModelRoute } from '../runtime.ts';
import { createChooseRoute } from './choose-route.ts';

const CIRCUIT = {
  failures: 5,
  failurePercent: 50,
  minRequests: 20,
  windowMs: 10_000,
  openMs: 30_000,
  maxOpenMs: 300_000,
};

function deployment(name: string): Deployment {
  const made: Partial<Deployment> = { id: `${name}/m`, model: 'm', weight: 1, circuit: CIRCUIT };
  return { ...made, provider: { name, credentials: ['k'] } } as unknown as Deployment;
}

const DEPLOYMENTS = ['a', 'b', 'c', 'd', 'e', 'f'].map(deployment);

interface Scene {
  readonly strategy?: ModelRoute['strategy'];
  readonly count?: number;
  readonly session?: string;
  readonly body?: object;
  readonly objective?: Grant['objective'];
  readonly fallback?: ModelRoute;
}

function scene(given: Scene = {}) {
  let now = 0;
  let draws = 1;
  const fleet = new Fleet();
  const sessions = new Sessions();
  const choose = createChooseRoute({
    fleet,
    sessions,
    clock: { now: () => now, monotonic: () => now, after: () => () => undefined },
    random: {
      uniform: () => {
        draws = (draws * 48_271) % 2_147_483_647;
        return draws / 2_147_483_647;
      },
      bytes: () => new Uint8Array(),
      id: (prefix) => prefix,
    },
  });
  const route: ModelRoute = {
    name: 'm',
    deployments: DEPLOYMENTS.slice(0, given.count ?? 3),
    strategy: given.strategy ?? 'priority',
    retries: { attempts: 0, backoffMs: 0, maxBackoffMs: 0 },
    fallbacks: given.fallback === undefined ? [] : [given.fallback.name],
    fallbacksOn: {},
  };
  const exchange = {
    operation: 'chat',
    principal: { key: undefined, ownCredential: undefined },
    grant: { route, objective: given.objective },
    client: { fallback: true, session: given.session },
    envelope: { stream: true },
    body: given.body ?? { messages: [{ role: 'user', content: 'Say hello.' }] },
    runtime: { resolve: () => given.fallback },
  } as unknown as Exchange & { principal: Principal; grant: Grant };
  return {
    fleet,
    sessions,
    pass: (ms: number) => {
      now += ms;
    },
    fail(of: Deployment | undefined, times = 5) {
      if (of === undefined) throw new Error('no such deployment');
      for (let n = 0; n < times; n++) {
        fleet.begin(of, { index: 0, tokens: 0 }, now).end({ kind: 'bad' }, now);
      }
    },
    order: () => choose(exchange).candidates.map((candidate) => candidate.deployment.provider.name),
    run: () => choose(exchange),
  };
}

const conversation = {
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Say hello.' },
    { role: 'assistant', content: 'Hello.' },
    { role: 'user', content: 'Again.' },
  ],
};

describe('choose route', () => {
  it('leaves an open circuit out until it may be probed', () => {
    const { fail, order, pass } = scene();
    fail(DEPLOYMENTS[0]);
    expect(order()).toEqual(['b', 'c']);
    pass(30_000);
    expect(order()).toEqual(['a', 'b', 'c']);
  });

  it('tries all as they stand when every circuit is open', () => {
    const { fail, order } = scene();
    for (const each of DEPLOYMENTS.slice(0, 3)) fail(each);
    expect(order()).toEqual(['a', 'b', 'c']);
  });

  it('goes to the fallback model when the model’s own deployments are open', () => {
    const fallback: ModelRoute = { ...scene().run().grant.route, name: 'other' };
    const { fail, order } = scene({
      count: 1,
      fallback: { ...fallback, deployments: DEPLOYMENTS.slice(1, 2) },
    });
    expect(order()).toEqual(['a', 'b']);
    fail(DEPLOYMENTS[0]);
    expect(order()).toEqual(['b']);
  });

  it('puts what rests after a 429 behind, and what was refused last', () => {
    const { fleet, order } = scene();
    const begin = (of: Deployment) => fleet.begin(of, { index: 0, tokens: 0 }, 0);
    const [a, b] = DEPLOYMENTS as [Deployment, Deployment];
    begin(b).end({ kind: 'refused', here: false }, 0);
    begin(a).end({ kind: 'limited', restMs: 2000 }, 0);
    expect(order()).toEqual(['c', 'a', 'b']);
  });
});

describe('choose route for a session or an objective', () => {
  it('keeps a session where it was last, while that is healthy', () => {
    const { sessions, order, fail } = scene({ session: 's1' });
    expect(order()).toEqual(['a', 'b', 'c']);
    sessions.keep('m\n\n=s1', 'c/m', 0);
    expect(order()).toEqual(['c', 'a', 'b']);
    fail(DEPLOYMENTS[2]);
    expect(order()).toEqual(['a', 'b']);
  });

  it('spreads first turns by weight, and keeps later turns of a conversation together', async () => {
    const { sessionOf } = await import('../affinity.ts');
    const first = scene({ strategy: 'weighted' });
    expect(new Set(Array.from({ length: 50 }, () => first.order()[0])).size).toBe(3);
    const later = scene({ strategy: 'weighted', body: conversation });
    const session = sessionOf(later.run(), later.run().grant.route);
    later.sessions.keep(session ?? '', 'b/m', 0);
    expect(new Set(Array.from({ length: 50 }, () => later.order()[0]))).toEqual(new Set(['b']));
    // The first turn of the same conversation has the same mark.
    const begun = scene({ strategy: 'weighted', body: { messages: conversation.messages.slice(0, 2) } });
    expect(sessionOf(begun.run(), begun.run().grant.route)).toBe(session);
    const other = scene({
      strategy: 'weighted',
      body: { messages: [{ role: 'user', content: 'Say hellp.' }, ...conversation.messages.slice(2)] },
    });
    expect(sessionOf(other.run(), other.run().grant.route)).not.toBe(session);
  });

  it(':fast goes by measured latency whatever the strategy', () => {
    const { fleet, order } = scene({ objective: 'fast', count: 2 });
    const [a, b] = DEPLOYMENTS as [Deployment, Deployment];
    fleet.begin(a, { index: 0, tokens: 0 }, 0).answered(900, true, 0);
    fleet.begin(b, { index: 0, tokens: 0 }, 0).answered(100, true, 0);
    const firsts = Array.from({ length: 100 }, () => order()[0]);
    expect(firsts.filter((name) => name === 'b').length).toBeGreaterThan(90);
  });

  it('decides within 20 µs for six deployments, the conversation’s mark included', () => {
    const figures: string[] = [];
    for (const strategy of ['weighted', 'least_busy', 'lowest_latency', 'lowest_cost', 'priority'] as const) {
      const { run } = scene({ strategy, count: 6, body: conversation });
      for (let n = 0; n < 3000; n++) run();
      const times: number[] = [];
      for (let n = 0; n < 2000; n++) {
        const from = performance.now();
        run();
        times.push((performance.now() - from) * 1000);
      }
      const median = times.sort((a, b) => a - b)[1000] ?? Number.NaN;
      figures.push(`${strategy} ${median.toFixed(1)} µs`);
      expect(median).toBeLessThan(20);
    }
    process.stdout.write(`choose-route, median of 2000: ${figures.join(', ')}\n`);
  });
});
