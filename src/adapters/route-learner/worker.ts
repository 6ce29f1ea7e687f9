import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { PromptModel } from '../../core/routing/model/index.ts';
import { type Deployment, provenThreshold } from '../../core/routing/risk/index.ts';
import type { TestWish, Trained, TrainWish } from '../../ports/route-trainer.ts';
import type { TrainerCall, TrainerReply } from './protocol.ts';

const { priorPath } = workerData as { readonly priorPath: string | undefined };
let opened: PromptModel | undefined;

function prior(): PromptModel | undefined {
  if (priorPath !== undefined) opened ??= PromptModel.load(readFileSync(priorPath));
  return opened;
}

function test({ compared, promise, ground }: TestWish): Deployment {
  return provenThreshold(compared, promise, ground);
}

function train({ examples, heldBack, promise, ground, scorer }: TrainWish): Trained | undefined {
  const model = prior()?.learn(examples);
  if (model === undefined) return undefined;
  const compared = heldBack.map(({ prompt, ...pair }) => ({
    ...pair,
    score: model.score({ text: prompt }).score,
    scorer,
  }));
  return { learned: model.serialise(), compared, found: test({ compared, promise, ground }) };
}

parentPort?.on('message', ({ id, kind, wish }: TrainerCall) => {
  let reply: TrainerReply;
  try {
    reply = { id, value: kind === 'test' ? test(wish as TestWish) : train(wish as TrainWish) };
  } catch (error) {
    reply = { id, error: error instanceof Error ? error.message : 'unknown' };
  }
  parentPort?.postMessage(reply);
});
