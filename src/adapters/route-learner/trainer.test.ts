import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { RouteTrainer } from '../../ports/route-trainer.ts';
import { systemClock } from '../system/clock.ts';
import { openTrainer } from './trainer.ts';

const PRIOR = fileURLToPath(new URL('../../core/routing/model/router-prior.bin', import.meta.url));
const PROMISE = { epsilon: 0.3, delta: 0.4 };
const GROUND = { share: 1, bias: 0 };

let trainer: RouteTrainer;
afterEach(() => trainer.close());

/** Prompts of two kinds: the weak model fails at one of them. */
function labelled(at: number) {
  const hard = at % 2 === 0;
  const prompt = hard
    ? `Prove theorem ${at} about compact groups.`
    : `Translate the word number ${at} please.`;
  return { prompt, weak: hard ? 0 : 1, strong: 1 };
}

describe('the thread that learns', () => {
  it('tests, and learns from one half what proves more on the other', async () => {
    trainer = openTrainer(systemClock, PRIOR);
    const examples = Array.from({ length: 80 }, (_, at) => labelled(at));
    const heldBack = Array.from({ length: 80 }, (_, at) => {
      const { prompt, weak, strong } = labelled(1000 + at);
      return { exchangeId: `exc_${at}`, at, score: 0, loss: strong - weak, scorer: '', prompt };
    });
    const trained = await trainer.train({
      examples,
      heldBack,
      promise: PROMISE,
      ground: GROUND,
      scorer: 'route-1',
    });
    expect(trained?.learned.length).toBeGreaterThan(1000);
    const scores = (even: boolean) =>
      (trained?.compared ?? []).filter((_, at) => (at % 2 === 0) === even).map(({ score }) => score);
    expect(Math.min(...scores(true))).toBeGreaterThan(Math.max(...scores(false)));
    expect(trained?.found.weakShare).toBeGreaterThan(0.3);
    const blind = heldBack.map(({ prompt: _, ...pair }) => pair);
    expect(await trainer.test({ compared: blind, promise: PROMISE, ground: GROUND })).toMatchObject({
      weakShare: 0,
    });
  });

  it('says that there is nothing to learn on, and rejects when it is closed', async () => {
    trainer = openTrainer(systemClock, undefined);
    const wish = { examples: [], heldBack: [], promise: PROMISE, ground: GROUND, scorer: 'r' };
    expect(await trainer.train(wish)).toBeUndefined();
    const lost = expect(trainer.test({ compared: [], promise: PROMISE, ground: GROUND })).rejects;
    const told = lost.toThrow('closed');
    await trainer.close();
    await told;
  });
});
