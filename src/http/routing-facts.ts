import type { JsonObject } from '../core/model/index.ts';
import type { Routing } from '../pipeline/routing.ts';
import { firstOfModels } from '../pipeline/stages/decide-route.ts';
import type { ClientRequest } from './client-request.ts';

/** Ours, read whatever the configuration allows. */
const OWN = ['x-sluice-max-price-usd', 'x-sluice-min-quality'] as const;
const MAX_VALUE = 1024;

/** The headers of a request that its router may read. */
export function routingHeaders(request: ClientRequest, routing: Routing): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of [...OWN, ...routing.headers]) {
    const value = request.headers[name];
    if (typeof value === 'string') found[name] = value.slice(0, MAX_VALUE);
  }
  return found;
}

/** OpenRouter lets `models` stand alone: its first entry is the model asked for. */
export function adoptModels(dialect: string, body: JsonObject): void {
  if (!dialect.startsWith('openai')) return;
  const first = firstOfModels(body);
  if (first !== undefined) body['model'] = first;
}
