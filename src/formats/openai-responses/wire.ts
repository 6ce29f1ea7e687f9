import type { Extensions, JsonObject } from '../../core/model/index.ts';

/** This codec's format id. */
export const FORMAT = 'openai-responses';

/** Whose opaque reasoning state the format's own `encrypted_content` is. */
export const HOME_ISSUER = 'openai';

/** The include value that makes the vendor hand out reasoning state (official SDK, `ResponseIncludable`). */
export const INCLUDE_REASONING = 'reasoning.encrypted_content';
export const INCLUDE_LOGPROBS = 'message.output_text.logprobs';

/**
 * Key under `extensions['openai-responses']` of the last text or refusal part of a message item: the item's own fields
 * (`id`, `phase`, …). It also says that the item ends there; the canonical model has no items inside a turn.
 */
export const ITEM = 'item';

/** Key under which a reasoning part keeps how its text lay in `summary` and `content`: `[[type, length], …]`. */
export const PIECES = 'pieces';

/** Key of an opaque part that stood inside a message's content and is no item of its own. */
export const IN_CONTENT = 'in_content';

/** `{ extensions }` to spread into a part, or nothing. */
export function ownExtensions(fields: JsonObject | undefined): { readonly extensions?: Extensions } {
  return fields === undefined ? {} : { extensions: { [FORMAT]: fields } };
}

/** This format's extension fields of a part, message, tool or request. */
export function ownFields(holder: { readonly extensions?: Extensions }): JsonObject | undefined {
  return holder.extensions?.[FORMAT];
}

/** Fields that Chat spells and means alike, so that a Chat request brings them along. */
export const SHARED_WITH_CHAT: ReadonlySet<string> = new Set(['safety_identifier', 'prompt_cache_retention']);

/** Collects the names for `x-sluice-dropped`, each once, in the order met. */
export class Dropped {
  readonly #names = new Set<string>();

  add(name: string): void {
    this.#names.add(name);
  }

  /** Names extension fields that belong to other formats. */
  addForeign(holder: { readonly extensions?: Extensions }, where = ''): void {
    for (const [format, fields] of Object.entries(holder.extensions ?? {})) {
      if (format === FORMAT) continue;
      for (const key of Object.keys(fields ?? {})) {
        if (where === '' && format === 'openai-chat' && SHARED_WITH_CHAT.has(key)) continue;
        this.#names.add(where === '' ? key : `${where}.${key}`);
      }
    }
  }

  list(): readonly string[] {
    return [...this.#names];
  }
}
