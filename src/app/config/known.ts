import type { Provider } from '../../providers/provider.ts';

/** What the rest of the program knows, against which names in the file are checked. */
export interface KnownNames {
  /** The provider registry. */
  readonly providers: ReadonlyMap<
    string,
    Pick<Provider, 'id' | 'baseUrl' | 'auth' | 'local' | 'regions' | 'env'>
  >;
  /** Whether the catalog has a model of this plain name. */
  readonly hasModel: (name: string) => boolean;
  /** What is wrong with a router rule's condition; `undefined` when it is sound. Without it conditions are not checked. */
  readonly checkCondition?: (
    condition: string,
  ) => string | { readonly problem: string; readonly remedy: string } | undefined;
  /** What is wrong with a guardrail's pattern; `undefined` when it is sound. Without it patterns are not checked. */
  readonly checkPattern?: (pattern: string) => string | undefined;
}

/** Suffixes of a model name that ask for an objective. */
export const OBJECTIVE_SUFFIX = /:(cost|fast|quality)$/;

/** Whether a pattern of `models` (with `*` for any text) covers a name. */
export function matchesPattern(pattern: string, name: string): boolean {
  const parts = pattern.split('*');
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  if (parts.length === 1) return pattern === name;
  if (!name.startsWith(first) || name.length < first.length + last.length || !name.endsWith(last))
    return false;
  let from = first.length;
  const end = name.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, from);
    if (found < 0 || found + part.length > end) return false;
    from = found + part.length;
  }
  return true;
}
