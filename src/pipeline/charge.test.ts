import { describe, expect, it } from 'vitest';
import { completePrice } from '../core/cost/complete-price.ts';
import type { PriceTerms } from '../core/cost/price.ts';
import { UNKNOWN_USAGE, type Usage } from '../core/model/index.ts';
import { billedCalls, callCount, chargeExchange, finalUsage, ownCalls } from './charge.ts';
import type { BilledCall, Exchange } from './exchange.ts';
import { helperDeployment } from './helper-models.ts';
import type { Deployment, Runtime } from './runtime.ts';

/** A deployment at so many nano-dollars a token, in and out; without: its price is not known. */
function at(
  model: string,
  nano: number | undefined,
  place: { provider?: string; region?: string; vendor?: object; terms?: PriceTerms } = {},
): Deployment {
  const { provider = 'claude', region, vendor = {}, terms } = place;
  const source = 'statesCost' in vendor ? 'catalog' : 'config';
  const price =
    nano === undefined
      ? undefined
      : {
          price: { ...completePrice({ input: nano * 1000, output: nano * 1000 }), ...(terms && { terms }) },
          source,
          asOf: '',
        };
  return {
    id: `${provider}/${model}`,
    model,
    provider: { name: provider, region, vendor },
    price,
  } as unknown as Deployment;
}

const usage = (input: number, output: number, more: Partial<Usage> = {}): Usage => ({
  ...UNKNOWN_USAGE,
  input,
  output,
  source: 'reported',
  ...more,
});

const called = at('sonnet', 1);
/** What is known of the provider's models without any configuration. */
const KNOWN: Readonly<Record<string, number>> = { opus: 10, haiku: 100 };

function exchange(
  told: Usage | undefined,
  more: object = {},
  configured: readonly Deployment[] = [],
): Exchange {
  return {
    operation: 'chat',
    raw: Buffer.from('{}'),
    envelope: { media: 0, choices: 1 },
    runtime: {
      deployments: configured,
      reach: (provider: string, model: string) => ({ deployments: [at(model, KNOWN[model], { provider })] }),
    },
    facts: {
      deployment: called,
      usage: told,
      finish: { reason: 'stop' },
      deliveredBytes: 0,
      usageAt: 1,
      ...more,
    },
  } as unknown as Exchange;
}

const total = (one: Exchange) => chargeExchange(one).cost?.total;
const advice = usage(5, 5);

describe('a call in which the vendor called others', () => {
  it('costs what each of them costs', () => {
    const told = usage(100, 10, { helpers: [{ model: 'opus', usage: advice }], raw: { said: true } });
    const one = exchange(told);
    expect(total(one)).toBe(110 + 100);
    expect(finalUsage(one)).toEqual(usage(105, 15, { raw: { said: true } }));
    expect(chargeExchange(one).usage).toEqual(finalUsage(one));
    expect(billedCalls(one).map(({ deployment, within }) => [deployment.id, within])).toEqual([
      ['claude/sonnet', undefined],
      ['claude/opus', true],
    ]);
    expect(callCount(billedCalls(one))).toBe(1);
    expect(callCount()).toBe(0);
  });

  it('a helper without a price costs what the called model does, as one without a name', () => {
    const helpers = [{ model: 'mystery', usage: advice }, { usage: advice }];
    expect(total(exchange(usage(100, 10, { helpers })))).toBe(110 + 10 + 10);
  });

  it('the counts of another model that answered are at its price', () => {
    const told = usage(100, 10, { servedBy: 'opus', helpers: [{ model: 'sonnet', usage: advice }] });
    expect(total(exchange(told))).toBe(1100 + 10);
    expect(total(exchange(usage(100, 10, { servedBy: 'opus' })))).toBe(1100);
    expect(finalUsage(exchange(usage(100, 10, { servedBy: 'opus' })))).toEqual(usage(100, 10));
  });

  it('is billed beside further calls', () => {
    const billed: BilledCall[] = [{ deployment: at('haiku', 100), usage: usage(1, 1) }];
    const told = usage(100, 10, { helpers: [{ model: 'opus', usage: advice }], raw: {} });
    const one = exchange(told, { billed });
    expect(total(one)).toBe(110 + 100 + 200);
    expect(finalUsage(one)).toEqual(usage(106, 16));
  });

  it('is under the terms of the answer, like the call it helped', () => {
    const terms = { fast: [2, 1] } as const;
    const opus = at('opus', 10, { terms });
    const told = { helpers: [{ model: 'opus', usage: advice }], terms: ['fast'] };
    const facts = { deployment: at('sonnet', 1, { terms }) };
    expect(total(exchange(usage(100, 10, told), facts, [opus]))).toBe(220 + 200);
    expect(total(exchange(usage(100, 10, { ...told, terms: [] }), facts, [opus]))).toBe(110 + 100);
  });

  it('is in what the vendor states, and billed apart where that does not count', () => {
    const vendor = { statesCost: 'usd' };
    const told = (cost: number) =>
      usage(100, 10, { helpers: [{ model: 'opus', usage: advice }], raw: { cost } });
    const stating = { deployment: at('sonnet', 1, { vendor }) };
    expect(total(exchange(told(0.000005), stating))).toBe(5000);
    expect(total(exchange(told(0), stating))).toBe(110 + 100);
    const priced = { ...stating.deployment, price: called.price };
    expect(total(exchange(told(0.000005), { deployment: priced }))).toBe(110 + 100);
  });

  it('costs nothing where no call was made', () => {
    const told = usage(100, 10, { helpers: [{ model: 'opus', usage: advice }] });
    expect(total(exchange(told, { deployment: undefined }))).toBe(0);
    expect(ownCalls(exchange(told, { deployment: undefined }))).toEqual([]);
    expect(total(exchange(told, { free: true }))).toBe(0);
    expect(billedCalls(exchange(told, { free: true }))).toEqual([]);
  });

  it('alone is as ever', () => {
    const told = usage(100, 10);
    expect(finalUsage(exchange(told))).toBe(told);
    expect(total(exchange(told))).toBe(110);
    expect(total(exchange(told, { deployment: at('sonnet', undefined) }))).toBeUndefined();
  });
});

describe('the deployment of a helper', () => {
  const find = (model: string, configured: readonly Deployment[], from = called) =>
    helperDeployment(exchange(undefined, {}, configured).runtime as Runtime, from, model);
  const eu = at('opus', 7, { region: 'eu' });
  const us = at('opus', 8, { region: 'us' });

  it('is a configured one of the same provider, of the same region where there is one', () => {
    const configured = [at('opus', 9, { provider: 'other' }), at('opus', undefined), us, eu];
    expect(find('opus', configured)).toBe(us);
    expect(find('opus', configured, at('sonnet', 1, { region: 'eu' }))).toBe(eu);
    expect(find('opus', [at('opus', 9, { provider: 'other' })]).price?.price.input).toBe(10_000);
  });

  it('is found by the full name that the vendor answers with', () => {
    expect(find('opus-20260615', [us])).toBe(us);
    expect(find('sonnet-20260615', [us])).toBe(called);
  });

  it('has the price of the called one where none is known', () => {
    expect(find('mystery', [])).toMatchObject({ id: 'claude/mystery', price: called.price });
    const runtime = { reach: () => undefined } as unknown as Runtime;
    expect(helperDeployment(runtime, called, 'opus')).toEqual({
      ...called,
      id: 'claude/opus',
      model: 'opus',
    });
  });
});
