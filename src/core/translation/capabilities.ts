import { SluiceError, unsupported } from '../errors/error.ts';
import type { ModelProfile } from '../model/index.ts';

/** What is known of a request without decoding it. */
export interface Demand {
  readonly model: string;
  /** Bytes of the whole body. */
  readonly bytes: number;
  readonly tools: number;
  /** Images, documents and audio in the prompt, a count. */
  readonly media: number;
}

/** No text makes fewer tokens: runs of white space reach some eight bytes to a token, prose four. */
const MAX_BYTES_PER_TOKEN = 16;

/**
 * Refuses what the catalog says a model cannot do, before a call is wasted. Only for models the catalog knows at this vendor: of
 * others nothing is assumed. Throws `unsupported_feature` or `context_overflow`.
 */
export function refuseIncapable(demand: Demand, profile: ModelProfile): void {
  const name = demand.model.slice(0, 200);
  if (demand.tools > 0 && !profile.tools) {
    throw unsupported('tools', `\`${name}\` does not take tools. Leave them out, or use a model that does.`);
  }
  const textOnly = profile.input.length === 1 && profile.input[0] === 'text';
  if (demand.media > 0 && textOnly) {
    throw unsupported(
      'messages',
      `\`${name}\` reads text only. Leave images, documents and audio out, or use a model that takes them.`,
    );
  }
  const { contextTokens } = profile;
  if (
    contextTokens !== undefined &&
    demand.media === 0 &&
    demand.bytes > contextTokens * MAX_BYTES_PER_TOKEN
  ) {
    throw new SluiceError(
      'context_overflow',
      `The prompt of ${demand.bytes} bytes cannot fit into the ${contextTokens} tokens of \`${name}\`. Shorten it or use a model with a larger window.`,
      { param: 'messages' },
    );
  }
}
