import type { TestWish, TrainWish } from '../../ports/route-trainer.ts';

/** What the thread is asked. */
export type TrainerCall =
  | { readonly id: number; readonly kind: 'test'; readonly wish: TestWish }
  | { readonly id: number; readonly kind: 'train'; readonly wish: TrainWish }
  /** Labels of a `train` of the same id that is to come. */
  | { readonly id: number; readonly kind: 'part'; readonly examples: TrainWish['examples'] };

/** What it says. */
export interface TrainerReply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}
