import type { Example } from '../core/routing/model/types.ts';
import type { Compared } from '../core/routing/promise/route-promise.ts';
import type { Deployment, Ground, QualityPromise } from '../core/routing/risk/index.ts';

/** Pairs to be tested. */
export interface TestWish {
  readonly compared: readonly Compared[];
  readonly promise: QualityPromise;
  readonly ground: Ground;
}

/** Labels to learn from, and pairs kept back to test what was learned. */
export interface TrainWish extends Omit<TestWish, 'compared'> {
  readonly examples: readonly Example[];
  readonly heldBack: readonly (Compared & { readonly prompt: string })[];
  /** Name of what is learned. */
  readonly scorer: string;
}

/** What a route learned, and what the pairs that were kept back prove with it. */
export interface Trained {
  readonly learned: Uint8Array;
  readonly compared: readonly Compared[];
  readonly found: Deployment;
}

/** Computes what takes longer than a request may wait, in a thread of its own. Rejects when it is gone. */
export interface RouteTrainer {
  test(wish: TestWish): Promise<Deployment>;
  /** `undefined` where no weights are shipped to learn on. */
  train(wish: TrainWish): Promise<Trained | undefined>;
  close(): Promise<void>;
}
