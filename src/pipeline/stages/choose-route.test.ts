import { describe, expect, it } from 'vitest';
import { completePrice } from '../../core/cost/complete-price.ts';
import { type EffectivePolicy, UNRESTRICTED } from '../../core/policy/policy.ts';
import { CostHistory } from '../../core/resilience/cost-history.ts';
import { Fleet } from '../../core/resilience/fleet.ts';
import { Sessions } from '../../core/resilience/sessions.ts';
import { Turns } from '../../core/resilience/turns.ts';
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

function deployment(name: string, more: Partial<Deployment> & { region?: string } = {}): Deployment {
  const { region, ...rest } = more;
  const made: Partial<Deployment> = { id: `${name}/m`, model: 'm', weight: 1, circuit: CIRCUIT, ...rest };
  const provider = { name, credentials: ['k'], region, vendor: { id: name } };
  return { ...made, provider } as unknown as Deployment;
}

const DEPLOYMENTS = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => deployment(name));

interface Scene {
  readonly strategy?: ModelRoute['strategy'];
  readonly count?: number;
  readonly session?: string;
  readonly body?: object;
  readonly objective?: Grant['objective'];
  readonly fallback?: ModelRoute;
  readonly deployments?: readonly Deployment[];
  readonly policy?: Partial<EffectivePolicy>;
  readonly regions?: readonly string[];
  readonly issuer?: string;
  readonly outliers?: ModelRoute['outliers'];
}

function scene(given: Scene = {}) {
  let now = 0;
  let draws = 1;
  const fleet = new Fleet();
  const sessions = new Sessions();
  const costs = new CostHistory();
  const logged: string[] = [];
  const choose = createChooseRoute({
    fleet,
    sessions,
    costs,
    turns: new Turns(),
    log: { info: () => undefined, warn: (event) => void logged.push(event), error: () => undefined },
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
    deployments: given.deployments ?? DEPLOYMENTS.slice(0, given.count ?? 3),
    outliers: given.outliers,
    strategy: given.strategy ?? 'priority',
    retries: { attempts: 0, backoffMs: 0, maxBackoffMs: 0 },
    fallbacks: given.fallback === undefined ? [] : [given.fallback.name],
    fallbacksOn: {},
  };
  const exchange = {
    operation: 'chat',
    principal: {
      key: undefined,
      scopes: [],
      policy: { ...UNRESTRICTED, ...given.policy },
      ownCredential: undefined,
    },
    grant: { route, objective: given.objective },
    client: { fallback: true, session: given.session, regions: given.regions },
    envelope: { stream: true, media: 0, promptTokens: undefined, maxOutputTokens: undefined },
    raw: new Uint8Array(4000),
    issuerOf: () => given.issuer,
    body: given.body ?? { messages: [{ role: 'user', content: 'Say hello.' }] },
    runtime: { resolve: () => given.fallback },
  } as unknown as Exchange & { principal: Principal; grant: Grant };
  return {
    fleet,
    sessions,
    costs,
    logged,
    pass: (ms: number) => {
      now += ms;
    },
    fail(of: Deployment | undefined, times = 5) {
      if (of === undefined) throw new Error('no such deployment');
      for (let n = 0; n < times; n++) {
        fleet.begin(of, { index: 0, tokens: { prompt: 1, output: 1 } }, now).end({ kind: 'bad' }, now);
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
    const begin = (of: Deployment) => fleet.begin(of, { index: 0, tokens: { prompt: 1, output: 1 } }, 0);
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
    sessions.keep('m\n\n=s1', { deployment: 'c/m', credential: undefined }, 0);
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
    later.sessions.keep(session ?? '', { deployment: 'b/m', credential: undefined }, 0);
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
    fleet.begin(a, { index: 0, tokens: { prompt: 1, output: 1 } }, 0).answered(900, true, 0);
    fleet.begin(b, { index: 0, tokens: { prompt: 1, output: 1 } }, 0).answered(100, true, 0);
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

const EU = deployment('eu', { region: 'eu-west-1' });
const US = deployment('us', { region: 'us-east-1' });
const NOWHERE = deployment('nowhere');

describe('where a request may be processed', () => {
  const allowed = (given: Scene) => scene({ deployments: [US, NOWHERE, EU], ...given }).order();

  it('is kept to for the model and for fallbacks, by region, area and provider', () => {
    expect(allowed({})).toEqual(['us', 'nowhere', 'eu']);
    expect(allowed({ policy: { regions: new Set(['eu-west-1']) } })).toEqual(['eu']);
    expect(allowed({ policy: { regions: new Set(['EU']) } })).toEqual(['eu']);
    expect(() => allowed({ policy: { regions: new Set(['e']) } })).toThrow(/`e`/);
    expect(allowed({ policy: { providers: new Set(['us', 'nowhere']) } })).toEqual(['us', 'nowhere']);
  });

  it('is narrowed by the request, never widened', () => {
    expect(allowed({ regions: ['us'] })).toEqual(['us']);
    const both = scene({ deployments: [US, EU], regions: ['us'], policy: { regions: new Set(['eu']) } });
    expect(() => both.run()).toThrow(/`eu`.*`us`/);
  });

  it('refuses with what is allowed when nothing is left', () => {
    const { run } = scene({ deployments: [US, NOWHERE], policy: { regions: new Set(['eu', 'ch']) } });
    expect(run).toThrow(expect.objectContaining({ code: 'region_refused', status: 403 }));
    expect(run).toThrow(/`eu`, `ch`/);
    const named = scene({ deployments: [US], policy: { providers: new Set(['eu']) } });
    expect(named.run).toThrow(/providers `eu`/);
  });

  it('holds for fallback models, too', () => {
    const other: ModelRoute = { ...scene().run().grant.route, name: 'other', deployments: [US, EU] };
    const { order } = scene({
      deployments: [EU],
      fallback: other,
      policy: { regions: new Set(['us']) },
    });
    expect(order()).toEqual(['us']);
  });
});

describe('expected cost and outliers', () => {
  const priced = (name: string, input: number) =>
    deployment(name, {
      price: {
        price: completePrice({ input, cacheRead: input / 10, output: input * 4 }),
        source: 'config',
        asOf: '2026',
      },
    });

  it('lowest_cost counts what this route really reads from each cache', () => {
    const { order, costs } = scene({
      strategy: 'lowest_cost',
      deployments: [priced('a', 120), priced('b', 100)],
    });
    const most = () => {
      const firsts = Array.from({ length: 50 }, () => order()[0]);
      return firsts.filter((name) => name === 'a').length > 25 ? 'a' : 'b';
    };
    expect(most()).toBe('b');
    const usage = { prompt: 10_000, output: 100 };
    for (let n = 0; n < 20; n++) {
      costs.add({ route: 'm', deployment: 'a/m', scope: '' }, { ...usage, cacheRead: 9000 }, 0);
      costs.add({ route: 'm', deployment: 'b/m', scope: '' }, { ...usage, cacheRead: 0 }, 0);
    }
    expect(most()).toBe('a');
  });

  it('leaves an outlier out, comes back to it slowly, and says so', () => {
    const outliers = {
      errorPercent: 30,
      latencyFactor: 5,
      minRequests: 20,
      ejectMs: 30_000,
      maxEjectMs: 300_000,
    };
    const slowly = { ...CIRCUIT, failures: 1000, failurePercent: 100, slowStartMs: 30_000 };
    const deployments = ['a', 'b', 'c'].map((name) => deployment(name, { circuit: slowly }));
    const { order, fleet, pass, logged } = scene({ strategy: 'round_robin', deployments, outliers });
    const [a, b, c] = deployments as [Deployment, Deployment, Deployment];
    const call = (of: Deployment, kind: 'good' | 'bad', now: number) =>
      fleet.begin(of, { index: 0, tokens: { prompt: 1, output: 1 } }, now).end({ kind }, now);
    for (let n = 0; n < 24; n++)
      for (const one of [a, b, c]) call(one, one === a && n % 2 === 0 ? 'bad' : 'good', 0);
    const last = () => Array.from({ length: 30 }, () => order()).filter((names) => names[2] === 'a').length;
    expect(last()).toBe(30);
    expect(logged).toEqual(['outlier.ejected']);
    pass(30_500);
    for (let n = 0; n < 24; n++) for (const one of [a, b, c]) call(one, 'good', 30_500);
    const firsts = Array.from({ length: 300 }, () => order()[0]).filter((name) => name === 'a').length;
    expect(firsts).toBeGreaterThan(5);
    expect(firsts).toBeLessThan(40);
    pass(30_000);
    const later = Array.from({ length: 300 }, () => order()[0]).filter((name) => name === 'a').length;
    expect(later).toBe(100);
  });
});

describe('what only its issuer can continue', () => {
  const stored = { input: 'And then?', previous_response_id: 'resp_1' };

  it('goes to the deployment that keeps the state, and nowhere else', () => {
    const fallback: ModelRoute = { ...scene().run().grant.route, name: 'other', deployments: [EU] };
    const { run, order, fail } = scene({ body: stored, issuer: 'b/m', fallback });
    expect(order()).toEqual(['b']);
    expect(run().tie).toEqual({ deployment: 'b/m', credential: undefined, kind: 'state' });
    fail(DEPLOYMENTS[1]);
    expect(order()).toEqual(['b']);
  });

  it('goes home with encrypted reasoning whatever the strategy, and else only to other vendors', async () => {
    const { sessionOf } = await import('../affinity.ts');
    const turns = [
      { role: 'user', content: 'Prove it.' },
      { type: 'reasoning', id: 'rs_1', encrypted_content: 'gAAAA' },
      { role: 'assistant', content: 'Done.' },
      { role: 'user', content: 'Again.' },
    ];
    const twin = {
      ...DEPLOYMENTS[2],
      provider: { ...DEPLOYMENTS[2]?.provider, vendor: { id: 'b' } },
    } as Deployment;
    const deployments = [DEPLOYMENTS[0], DEPLOYMENTS[1], twin] as Deployment[];
    const first = scene({ body: { input: turns.slice(0, 1) }, deployments });
    const session = sessionOf(first.run(), first.run().grant.route) ?? expect.fail('no session');
    const later = scene({ body: { input: turns }, deployments });
    later.sessions.keep(session, { deployment: 'b/m', credential: 'k1' }, 0);
    expect(later.order()).toEqual(['b', 'a']);
    expect(later.run().tie).toEqual({ deployment: 'b/m', credential: 'k1', kind: 'sealed' });
    // Without it the strategy decides: the listed order.
    const open = scene({ body: { input: turns.filter((turn) => turn.type !== 'reasoning') }, deployments });
    open.sessions.keep(session, { deployment: 'b/m', credential: 'k1' }, 0);
    expect(open.order()).toEqual(['a', 'b', 'c']);
  });
});
