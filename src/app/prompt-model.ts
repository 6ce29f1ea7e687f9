import { readFileSync } from 'node:fs';
import { SluiceError } from '../core/errors/error.ts';
import { PromptModel } from '../core/routing/model/index.ts';
import { shippedFile } from './paths.ts';

export type { Example, PromptModel, PromptScore } from '../core/routing/model/index.ts';

/**
 * The prompt model with the shipped prior; reads 1.3 MB and takes some milliseconds, so open it when it is first needed.
 * @param learned what a route has learned on top, as `serialise` wrote it
 * Throws `internal` when the file is missing, `RangeError` when one of the two was made for another version.
 */
export function openPromptModel(learned?: Uint8Array): PromptModel {
  const path = shippedFile('./router-prior.bin', '../core/routing/model/router-prior.bin');
  if (path === undefined)
    throw new SluiceError('internal', 'The router’s weights are missing; run `npm run build`.');
  return PromptModel.load(readFileSync(path), learned);
}
