import { timingSafeEqual } from 'node:crypto';
import { SluiceError } from '../core/errors/error.ts';
import { isObject, type Json, type JsonObject } from '../core/model/index.ts';

/**
 * Ids of objects that live at one provider (files, batches), as clients see them: `<provider's id>.<provider>.<mark>`. The
 * mark is a keyed hash over owner, provider and id, so that nothing has to be stored, and a key can reach only what came
 * back to it: all keys of the gateway share one account there.
 */
export class ObjectIds {
  readonly #sign: (text: string) => string;
  readonly #owner: string;

  /** `owner`: id of the virtual key, or empty in open mode. */
  constructor(sign: (text: string) => string, owner: string) {
    this.#sign = sign;
    this.#owner = owner;
  }

  #mark(id: string, provider: string): string {
    return this.#sign(JSON.stringify([this.#owner, provider, id])).slice(0, 16);
  }

  wrap(id: string, provider: string): string {
    return `${id}.${provider}.${this.#mark(id, provider)}`;
  }

  /** The provider's own id and whose it is. Throws `not_found` for an id that did not come from here to this owner. */
  unwrap(wrapped: string, providers: Iterable<string>): { readonly id: string; readonly provider: string } {
    const dot = wrapped.lastIndexOf('.');
    const [rest, mark] = [wrapped.slice(0, Math.max(0, dot)), wrapped.slice(dot + 1)];
    for (const provider of providers) {
      if (!rest.endsWith(`.${provider}`)) continue;
      const id = rest.slice(0, -provider.length - 1);
      if (/^[A-Za-z0-9_-]{1,256}$/.test(id) && same(this.#mark(id, provider), mark)) return { id, provider };
    }
    throw new SluiceError(
      'not_found',
      'There is no such object for this key. Use the id as this gateway returned it to the same key.',
      { param: 'id' },
    );
  }

  /** An object or list of objects as a provider sent it, its ids wrapped. */
  wrapAll(body: JsonObject, provider: string): JsonObject {
    const told: JsonObject = { ...body };
    for (const name of ID_FIELDS) {
      const id = told[name];
      if (typeof id === 'string' && id !== '') told[name] = this.wrap(id, provider);
    }
    if (Array.isArray(told['data'])) {
      told['data'] = told['data'].map(
        (entry): Json => (isObject(entry) ? this.wrapAll(entry, provider) : entry),
      );
    }
    return told;
  }
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

const ID_FIELDS = ['id', 'input_file_id', 'output_file_id', 'error_file_id', 'first_id', 'last_id'] as const;
