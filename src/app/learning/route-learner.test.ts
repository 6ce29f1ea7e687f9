import { describe, expect, it } from 'vitest';
import type { AuditLog } from '../../control/audit.ts';
import { packBytes, unpackBytes } from '../../core/routing/model/bytes.ts';
import { type PromiseState, unproven } from '../../core/routing/promise/route-promise.ts';
import type { LabelStore, RouteVersion } from '../../ports/label-store.ts';
import type { RouteTrainer } from '../../ports/route-trainer.ts';
import type { RouterConfig } from '../config/schema.ts';
import { createScorer } from '../prompt-scorer.ts';
import { RoutingState } from '../routing-state.ts';
import { RouteLearner } from './route-learner.ts';

const scorer = createScorer();
const shipped = scorer();
const examples = Array.from({ length: 40 }, (_, at) =>
  at % 2 === 0
    ? { prompt: `Write a poem about river ${at}.`, weak: 0, strong: 1 }
    : { prompt: `Write a Python function number ${at} that sorts a list.`, weak: 1, strong: 0 },
);
const learned = shipped.model?.learn(examples).serialise() ?? new Uint8Array();
const POEM = { text: 'Write a poem about a river.' };

/** What was learned on the weights of an earlier release: the name of the weights differs, and nothing else. */
function onOlderWeights(bytes: Uint8Array): Uint8Array {
  const id = shipped.version.replace('prior-', '');
  const text = Buffer.from(bytes).toString('latin1');
  expect(text).toContain(`"prior":"${id}"`);
  return new Uint8Array(Buffer.from(text.replace(id, '01234567'), 'latin1'));
}

/** The right name, and then less than a model. */
function damaged(bytes: Uint8Array): Uint8Array {
  const { header } = unpackBytes(bytes);
  return packBytes({ prior: (header as { prior: string }).prior, labels: 40 }, []);
}

const proven = (scoredBy: string): PromiseState => ({
  ...unproven(scoredBy),
  version: 3,
  below: 0.2,
  weakShare: 0.5,
});

/** A learner over these stored versions, with what it writes and says. */
function learnerOver(stored: readonly RouteVersion[]) {
  const written: RouteVersion[] = [];
  const warned: { event: string; count: unknown }[] = [];
  const labels = {
    newest: async () => stored,
    list: async () => [],
    put: async () => {},
    addVersion: async (version: RouteVersion) => void written.push(version),
    version: async () => stored[0],
  } as unknown as LabelStore;
  const state = new RoutingState(scorer);
  const learner = new RouteLearner({
    labels,
    trainer: { close: async () => {} } as unknown as RouteTrainer,
    clock: { now: () => 5000, monotonic: () => 5000, after: () => () => {} },
    log: {
      info: () => {},
      error: () => {},
      warn: (event, fields) => void warned.push({ event, count: fields?.['count'] }),
    },
    audit: {} as AuditLog,
    state,
    router: () =>
      ({
        max_quality_loss_percent: 2,
        confidence_percent: 90,
        shadow: { percent: 0, holdout_percent: 0 },
      }) as unknown as RouterConfig,
  });
  state.routeModels = learner.models;
  return { learner, state, written, warned };
}

describe('what a route has learned', () => {
  it('belongs to its router: another with the same route key goes by what is shipped', async () => {
    const version = { router: 'one', routeKey: 'k', version: 3, state: proven('route-one-k-3'), learned };
    const { learner, state, warned } = learnerOver([version]);
    await learner.load();
    const own = state.scorer.score(POEM, { router: 'one', routeKey: 'k' });
    const other = state.scorer.score(POEM, { router: 'two', routeKey: 'k' });
    expect(own.score).not.toBe(other.score);
    expect(other).toEqual(shipped.score(POEM));
    expect(state.scorer.versionOf?.({ router: 'one', routeKey: 'k' })).toBe('route-one-k-3');
    expect(state.scorer.versionOf?.({ router: 'two', routeKey: 'k' })).toBe(shipped.version);
    expect(warned).toEqual([]);
  });

  it.each([
    ['learned on older weights', onOlderWeights(learned), 'route-one-k-3'],
    ['of no shape we know', Uint8Array.of(1, 2, 3), 'route-one-k-3'],
    ['whole, but of no use', packBytes([], []), 'route-one-k-3'],
    ['learned on the same weights and damaged', damaged(learned), 'route-one-k-3'],
    ['proven with older weights alone', undefined, 'prior-01234567'],
  ])('falls back to what is shipped, said once: %s', async (_, bytes, scoredBy) => {
    const stored = ['a', 'b'].map((routeKey) => ({
      router: 'one',
      routeKey,
      version: 3,
      state: proven(scoredBy),
      learned: bytes,
    }));
    const { learner, state, written, warned } = learnerOver(stored);
    await learner.load();
    expect(warned).toEqual([{ event: 'routers.models_outdated', count: 2 }]);
    for (const { promise } of learner.routes('one'))
      expect(promise.state).toMatchObject({ below: 'none', scorer: shipped.version, cause: 'model_changed' });
    expect(state.scorer.score(POEM, { router: 'one', routeKey: 'a' })).toEqual(shipped.score(POEM));
    // Stored without the stale bytes: the next start has nothing to say.
    expect(written.map(({ version, learned: kept }) => ({ version, kept }))).toEqual([
      { version: 4, kept: undefined },
      { version: 4, kept: undefined },
    ]);
  });

  it('rolls back to a stale version as to nothing proven, and never throws', async () => {
    const stale = onOlderWeights(learned);
    const { learner, warned } = learnerOver(
      ['a', 'b'].map((routeKey) => ({
        router: 'one',
        routeKey,
        version: 3,
        state: proven('route-one-3'),
        learned: stale,
      })),
    );
    await learner.load();
    const moved = await learner.rollBack('one');
    expect(moved).toHaveLength(2);
    expect(moved[0]?.model).toBeUndefined();
    expect(moved[0]?.promise.state).toMatchObject({
      below: 'none',
      scorer: shipped.version,
      cause: 'rolled_back',
    });
    // Once at the start, once at the roll-back, however many routes.
    expect(warned.map(({ count }) => count)).toEqual([2, 2]);
  });
});
