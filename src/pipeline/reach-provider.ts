import { SluiceError } from '../core/errors/error.ts';
import type { JsonObject } from '../core/model/index.ts';
import { modelInPath, namesModelInPath } from '../providers/named-model.ts';
import type { Operation } from '../providers/provider.ts';
import type { ConfiguredProvider, Runtime } from './runtime.ts';

/** Fields behind which other requests or models stand, that the body itself does not show. */
const INDIRECT = ['input_file_id', 'requests', 'assistant_id'] as const;

/** The model a direct call uses, where path or body say so beyond doubt. */
export function modelOfCall(
  provider: ConfiguredProvider,
  path: string,
  body: JsonObject | undefined,
): string | undefined {
  if (namesModelInPath(provider.vendor)) return modelInPath(provider.vendor, path);
  if (body === undefined || INDIRECT.some((name) => name in body)) return undefined;
  const { model } = body;
  return typeof model === 'string' && model !== '' ? model : undefined;
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `\`${name}\``).join(', ');
}

/**
 * The provider for a call that is pinned to one: the one named, or the only configured one that serves the operation.
 * Throws `unsupported_feature` or `bad_request` with what to send.
 */
export function pinnedProvider(
  runtime: Runtime,
  operation: Operation,
  named: string | undefined,
): ConfiguredProvider {
  const able = [...runtime.providers.values()].filter(
    ({ vendor }) => vendor.endpoints[operation as 'files'] !== undefined,
  );
  if (named !== undefined) {
    const found = able.find(({ name }) => name === named);
    if (found !== undefined) return found;
    throw new SluiceError(
      'unsupported_feature',
      `\`${named.slice(0, 100)}\` is no configured provider that serves ${operation}.`,
      { param: 'x-sluice-provider' },
    );
  }
  const [only, ...more] = able;
  if (only !== undefined && more.length === 0) return only;
  if (only === undefined) {
    throw new SluiceError('unsupported_feature', `No configured provider serves ${operation}.`);
  }
  throw new SluiceError(
    'bad_request',
    `Several providers serve ${operation}: name one of ${quoted(able.map(({ name }) => name))} in \`x-sluice-provider\`.`,
    { param: 'x-sluice-provider' },
  );
}
