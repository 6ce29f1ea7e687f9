import type { CatalogModel, Rule } from './data.ts';

/** Finds a provider's model by name; the first model in the list that fits wins, as in the price library. */
export interface ModelIndex {
  /** `name` in lower case. */
  find(name: string): CatalogModel | undefined;
}

/** Builds the index of one provider's models: a map for exact names, a short list for rules. */
export function indexModels(models: readonly CatalogModel[]): ModelIndex {
  const exact = new Map<string, number>();
  const ruled: { readonly position: number; readonly test: (name: string) => boolean }[] = [];
  models.forEach((model, position) => {
    const names = model.e ?? (model.r === undefined ? [model.i.toLowerCase()] : []);
    for (const name of names) if (!exact.has(name)) exact.set(name, position);
    for (const rule of model.r ?? []) ruled.push({ position, test: compile(rule) });
  });
  return {
    find(name) {
      const limit = exact.get(name) ?? Number.POSITIVE_INFINITY;
      // Rules stand in list order, so the first that fits is the best one; past the exact hit none can win.
      const hit = ruled.find(({ position, test }) => position >= limit || test(name));
      const position = Math.min(limit, hit?.position ?? limit);
      return models[position];
    },
  };
}

function compile(rule: Rule): (name: string) => boolean {
  if (rule[0] === '&') {
    const tests = (rule.slice(1) as [string, string][]).map(([kind, text]) => simple(kind, text));
    return (name) => tests.every((test) => test(name));
  }
  return simple(rule[0], rule[1]);
}

function simple(kind: string, text: string): (name: string) => boolean {
  switch (kind) {
    case '^':
      return (name) => name.startsWith(text);
    case '*':
      return (name) => name.includes(text);
    case '$':
      return (name) => name.endsWith(text);
    case '=':
      return (name) => name === text;
    default: {
      const pattern = new RegExp(text);
      return (name) => pattern.test(name);
    }
  }
}
