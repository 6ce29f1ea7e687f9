import type { TestWish, TrainWish } from '../../ports/route-trainer.ts';

/** What the thread is asked. */
export interface TrainerCall {
  readonly id: number;
  readonly kind: 'test' | 'train';
  readonly wish: TestWish | TrainWish;
}

/** What it says. */
export interface TrainerReply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}
