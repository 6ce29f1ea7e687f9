import { timingSafeEqual } from 'node:crypto';
import { SluiceError } from '../core/errors/error.ts';
import { isObject, type Json, type JsonObject } from '../core/model/index.ts';
import type { ObjectKind, OwnedObjects } from '../ports/owned-objects.ts';

/**
 * Ids of objects that live at one provider (files, batches), as clients see them: `<provider's id>.<provider>.<mark>`. The
 * mark is a keyed hash over owner, provider and id, so that a key can reach only what came back to it: all keys of the
 * gateway share one account there. What came back is noted, for lists.
 */
export class ObjectIds {
  readonly #objects: OwnedObjects;
  readonly #owner: string;
  readonly #kind: ObjectKind;

  /** `owner`: id of the virtual key, or empty in open mode. */
  constructor(objects: OwnedObjects, owner: string, kind: ObjectKind) {
    this.#objects = objects;
    this.#owner = owner;
    this.#kind = kind;
  }

  #mark(id: string, provider: string): string {
    return this.#objects.sign(JSON.stringify([this.#owner, provider, id])).slice(0, 16);
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
      if (typeof id !== 'string' || id === '') continue;
      told[name] = this.wrap(id, provider);
      this.#note(name, id, { provider, gone: body['deleted'] === true });
    }
    if (Array.isArray(told['data'])) {
      told['data'] = told['data'].map(
        (entry): Json => (isObject(entry) ? this.wrapAll(entry, provider) : entry),
      );
    }
    return told;
  }

  /** The provider's own ids of what this owner has there. */
  owned(provider: string): Promise<ReadonlySet<string>> {
    return this.#objects.owned({ owner: this.#owner, provider, kind: this.#kind });
  }

  /** A list of everybody's objects as this owner may see it, at most `limit` of his own, ids wrapped. */
  wrapOwn(
    body: JsonObject,
    provider: string,
    { owned, limit }: { readonly owned: ReadonlySet<string>; readonly limit: number },
  ): JsonObject {
    const all = Array.isArray(body['data']) ? body['data'] : [];
    const own = all.filter((entry) => isObject(entry) && owned.has(String(entry['id'])));
    const data = own.slice(0, limit);
    const idOf = (entry: Json | undefined): Json => (isObject(entry) ? (entry['id'] ?? null) : null);
    return this.wrapAll(
      {
        ...body,
        data,
        first_id: idOf(data[0]),
        last_id: idOf(data.at(-1)),
        has_more: own.length > limit || body['has_more'] === true,
      },
      provider,
    );
  }

  #note(
    field: (typeof ID_FIELDS)[number],
    id: string,
    { provider, gone }: { readonly provider: string; readonly gone: boolean },
  ): void {
    if (this.#owner === '' || field === 'first_id' || field === 'last_id') return;
    const place = { owner: this.#owner, provider, kind: field === 'id' ? this.#kind : 'files' } as const;
    if (gone) this.#objects.forget(place, id);
    else this.#objects.remember(place, id);
  }
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

const ID_FIELDS = ['id', 'input_file_id', 'output_file_id', 'error_file_id', 'first_id', 'last_id'] as const;
