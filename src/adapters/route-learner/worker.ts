import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { PromptModel } from '../../core/routing/model/index.ts';
import type { Example } from '../../core/routing/model/types.ts';
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

/** Labels that came so far, by the id of their question. */
const parts = new Map<number, Example[]>();

function answer(call: Exclude<TrainerCall, { kind: 'part' }>): Deployment | Trained | undefined {
  if (call.kind === 'test') return test(call.wish);
  const examples = parts.get(call.id) ?? [];
  parts.delete(call.id);
  return train({ ...call.wish, examples });
}

parentPort?.on('message', (call: TrainerCall) => {
  const { id } = call;
  if (call.kind === 'part') {
    parts.set(id, [...(parts.get(id) ?? []), ...call.examples]);
    return;
  }
  let reply: TrainerReply;
  try {
    reply = { id, value: answer(call) };
  } catch (error) {
    reply = { id, error: error instanceof Error ? error.message : 'unknown' };
  }
  parentPort?.postMessage(reply);
});
