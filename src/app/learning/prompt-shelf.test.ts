import { describe, expect, it } from 'vitest';
import type { RouteLabel } from '../../core/routing/promise/label.ts';
import { PromptShelf } from './prompt-shelf.ts';

const DAY_MS = 86_400_000;

function labelled(exchangeId: string, at = 0): RouteLabel {
  return {
    id: `l-${exchangeId}`,
    at,
    router: 'auto',
    routeKey: 'r',
    exchangeId,
    source: 'shadow',
    outcomes: {},
    weight: 1,
    propensity: 1,
    score: 0,
    forecasts: {},
    versions: { router: '', thresholds: '', promptModel: null, upstream: {} },
  };
}

const texts = (shelf: PromptShelf, route: string) => shelf.of(route).map(({ prompt }) => prompt);

describe('prompts to learn from', () => {
  it('are bounded by number a route, the oldest go first', () => {
    const shelf = new PromptShelf({ perRoute: 3 });
    for (let at = 0; at < 10; at++) shelf.put('one', { prompt: `p${at}`, label: labelled(`e${at}`) });
    shelf.put('two', { prompt: 'other', label: labelled('f') });
    expect(texts(shelf, 'one')).toEqual(['p7', 'p8', 'p9']);
    expect(texts(shelf, 'two')).toEqual(['other']);
  });

  it('are bounded by bytes over all routes', () => {
    const shelf = new PromptShelf({ bytes: 100_000 });
    for (let at = 0; at < 2000; at++)
      shelf.put(`route ${at % 500}`, { prompt: 'x'.repeat(3000), label: labelled(`e${at}`) });
    expect(shelf.bytes).toBeLessThanOrEqual(100_000);
    expect(shelf.size).toBe(Math.floor(100_000 / (6000 + 1024)));
    expect(texts(shelf, 'route 499')).toHaveLength(1);
    expect(texts(shelf, 'route 0')).toHaveLength(0);
  });

  it('are forgotten after a week, and with their route', () => {
    const shelf = new PromptShelf();
    shelf.put('one', { prompt: 'old', label: labelled('a', 0) });
    shelf.put('one', { prompt: 'new', label: labelled('b', 5 * DAY_MS) });
    shelf.put('two', { prompt: 'kept', label: labelled('c', 5 * DAY_MS) });
    shelf.sweep(8 * DAY_MS);
    expect(texts(shelf, 'one')).toEqual(['new']);
    shelf.drop('one');
    expect(texts(shelf, 'one')).toEqual([]);
    expect(texts(shelf, 'two')).toEqual(['kept']);
    shelf.drop('two');
    expect([shelf.size, shelf.bytes]).toEqual([0, 0]);
  });

  it('are kept once an exchange', () => {
    const shelf = new PromptShelf();
    shelf.put('one', { prompt: 'first', label: labelled('a') });
    shelf.put('one', { prompt: 'again', label: labelled('a') });
    expect(texts(shelf, 'one')).toEqual(['again']);
  });
});
