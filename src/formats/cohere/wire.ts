import { SluiceError } from '../../core/errors/error.ts';
import type { Extensions, JsonObject } from '../../core/model/index.ts';

/** This format's id, also the key of its extensions. */
export const FORMAT = 'cohere';

/** Spread into a model object: the fields of this format it has no word for, if any. */
export function extended(fields: JsonObject | undefined): { readonly extensions?: Extensions } {
  return fields === undefined || Object.keys(fields).length === 0 ? {} : { extensions: { [FORMAT]: fields } };
}

/** The fields of this format that a model object brought along. */
export function own(extensions: Extensions | undefined): JsonObject {
  return extensions?.[FORMAT] ?? {};
}

/** Runs a reader of an answer: what would be the client's mistake in a request is the provider's here. */
export function fromUpstream<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'bad_request') throw error;
    throw new SluiceError('upstream_malformed', `The provider's answer is damaged: ${error.message}`);
  }
}
