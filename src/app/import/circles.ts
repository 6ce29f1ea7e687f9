import type { Draft, Tree } from './draft.ts';
import type { Ledger } from './source.ts';

/** Where a model's fallbacks of one kind stand. */
const KINDS = [
  ['fallbacks'],
  ['fallbacks_on', 'context_overflow'],
  ['fallbacks_on', 'content_filter'],
] as const;

type Kind = (typeof KINDS)[number];

function listOf(model: Tree | undefined, [first, second]: Kind): readonly string[] {
  const found = second === undefined ? model?.[first] : (model?.[first] as Tree | undefined)?.[second];
  return (found as readonly string[] | undefined) ?? [];
}

function setList(model: Tree, [first, second]: Kind, list: readonly string[]): void {
  const holder = second === undefined ? model : { ...(model[first] as Tree) };
  const key = second ?? first;
  if (list.length === 0) delete holder[key];
  else holder[key] = list;
  if (second === undefined) return;
  if (Object.keys(holder).length === 0) delete model[first];
  else model[first] = holder;
}

/** Fallbacks that lead back to where they came from are taken out: a request must come to an end. */
export function breakCircles(draft: Draft, ledger: Ledger): void {
  for (const kind of KINDS) {
    const edges = new Map<string, string[]>();
    const reaches = (from: string, target: string): boolean => {
      const seen = new Set<string>([from]);
      for (const name of seen) {
        if (name === target) return true;
        for (const next of edges.get(name) ?? []) seen.add(next);
      }
      return false;
    };
    for (const [name, model] of Object.entries(draft.models)) {
      const kept: string[] = [];
      for (const other of listOf(model, kind)) {
        if (reaches(other, name)) {
          const why = `leads back to ${name}; a request must come to an end, so ${other} is left out.`;
          ledger.approximated(`models.${name}.${kind.join('.')}`, `models.${name}.${kind.join('.')}`, why);
        } else kept.push(other);
        edges.set(name, kept);
      }
      if (listOf(model, kind).length > 0) setList(model, kind, kept);
    }
  }
}
