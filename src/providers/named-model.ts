import type { Endpoint, Provider } from './provider.ts';

function templatesOf(provider: Provider): readonly string[] {
  const { chat, ...others } = provider.endpoints;
  const endpoints: readonly Endpoint[] = [...chat, ...Object.values(others)];
  return endpoints
    .flatMap(({ path, streamPath }) => [path, streamPath ?? path])
    .filter((path) => path.includes('{model}'));
}

/** The end of a path that a template describes, with the model's segment caught. */
function patternOf(template: string): RegExp {
  const [path = ''] = template.split('?', 1);
  const source = path
    .replace(/[.*+?^$()|[\]\\]/g, '\\$&')
    .replace(/\{(\w+)\}/g, (_, name: string) => (name === 'model' ? '([^/:]+)' : '[^/]+'));
  return new RegExp(`${source}$`);
}

/** Whether this vendor names models in its paths, so that a model in a body says nothing. */
export function namesModelInPath(provider: Provider): boolean {
  return templatesOf(provider).length > 0;
}

/** The model that a path of this vendor names, percent-decoded; `undefined` where it is no endpoint we know. */
export function modelInPath(provider: Provider, path: string): string | undefined {
  for (const template of templatesOf(provider)) {
    const found = patternOf(template).exec(path)?.[1];
    if (found === undefined) continue;
    try {
      return decodeURIComponent(found);
    } catch {
      return undefined;
    }
  }
  return undefined;
}
