import { SluiceError } from '../core/errors/error.ts';
import type { Extensions, FormatId, JsonObject } from '../core/model/index.ts';

/** Keeping and finding the fields that only one format knows. */
export interface OwnFields {
  /** Spread into a model object: the fields of this format it has no word for, if any. */
  extended(fields: JsonObject | undefined): { readonly extensions?: Extensions };
  /** The fields of this format that a model object brought along. */
  own(extensions: Extensions | undefined): JsonObject;
}

/** {@link OwnFields} of one format. */
export function ownFieldsOf(format: FormatId): OwnFields {
  return {
    extended: (fields) =>
      fields === undefined || Object.keys(fields).length === 0 ? {} : { extensions: { [format]: fields } },
    own: (extensions) => extensions?.[format] ?? {},
  };
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
