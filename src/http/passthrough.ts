import { SluiceError } from '../core/errors/error.ts';
import { modelOfCall } from '../pipeline/reach-provider.ts';
import type { Action } from './call.ts';
import { arrive, runDirect, searchOf } from './direct.ts';

/** Methods that only look or remove: they make no tokens, whatever their answers tell of earlier calls. */
const FREE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'DELETE']);
const METHODS: ReadonlySet<string> = new Set([...FREE, 'POST', 'PUT', 'PATCH']);

/** `ANY /passthrough/{provider}/*`: an endpoint of a configured provider, as it is. */
export const passthrough: Action = async (ports, call) => {
  const rawUrl = call.request.url ?? '';
  // The path as sent: decoding it here would let it be read differently there.
  const [, name = '', path = '/'] = /^\/passthrough\/([^/?]+)(\/[^?]*)/.exec(rawUrl) ?? [];
  const method = call.request.method ?? '';
  if (!METHODS.has(method)) throw new SluiceError('method_not_allowed', `\`${method}\` is not passed on.`);
  const arrived = await arrive(ports, call);
  const provider = arrived.runtime.providers.get(name);
  if (provider === undefined) {
    throw new SluiceError('route_not_found', `There is no provider \`${name.slice(0, 100)}\` here.`, {
      param: 'provider',
    });
  }
  const model = modelOfCall(provider, path, arrived.body);
  const free = FREE.has(method);
  await runDirect(ports, call, {
    arrived,
    format: 'passthrough',
    operation: 'passthrough',
    free,
    target: { provider, method, path, search: searchOf(rawUrl), model, opaque: !free },
  });
};
