import type { ConfiguredProvider } from '../pipeline/runtime.ts';
import { PROVIDERS } from '../providers/index.ts';
import { completeCredentials, isSigningVariable } from './authorization.ts';
import type { CompileInput } from './compile.ts';
import { isLoopbackHost, providerKeys, providerType } from './config/index.ts';

/** A provider as the configuration has it; `undefined` for a vendor nobody knows. */
export function compileProvider(
  input: Pick<CompileInput, 'config' | 'environment' | 'secretOf'>,
  name: string,
): ConfiguredProvider | undefined {
  const { config, environment, secretOf = (text: string) => text } = input;
  const vendor = PROVIDERS.get(providerType(config, name));
  if (vendor === undefined) return undefined;
  const entry = config.providers[name];
  const fromEnvironment = vendor.env
    .filter((variable) => !isSigningVariable(vendor, variable))
    .map((variable) => environment[variable])
    .find((value) => value !== undefined && value !== '');
  const given = providerKeys(config, name);
  // What its store has not told yet is left out: a reference must never be sent in place of a key.
  const resolved = (texts: readonly string[]) => texts.flatMap((text) => secretOf(text) ?? []);
  const settings: Record<string, string> = {};
  for (const [key, value] of Object.entries({ ...entry?.credentials, api_version: entry?.api_version })) {
    const secret = value === undefined ? undefined : secretOf(value);
    if (secret !== undefined) settings[key] = secret;
  }
  const credentials = resolved(
    given.length > 0 || entry !== undefined || fromEnvironment === undefined ? given : [fromEnvironment],
  );
  return {
    name,
    vendor,
    baseUrl:
      entry?.base_url ?? (vendor.baseUrlEnv === undefined ? undefined : environment[vendor.baseUrlEnv]),
    quirks: vendor.quirks ?? {},
    headers: { ...vendor.headers, ...lowerCase(entry?.headers ?? {}, secretOf) },
    allowPrivateNetwork:
      entry?.allow_private_network === true || vendor.local === true || isLocal(entry?.base_url),
    ...(entry === undefined ? {} : { maxConnections: entry.max_connections }),
    ...completeCredentials(vendor, { credentials, settings, region: entry?.region }, environment),
  };
}

/** An operator who writes a loopback address into the file has allowed it by that. */
function isLocal(baseUrl: string | undefined): boolean {
  if (baseUrl === undefined) return false;
  return URL.canParse(baseUrl) && isLoopbackHost(new URL(baseUrl).hostname);
}

function lowerCase(
  headers: Readonly<Record<string, string>>,
  secretOf: (text: string) => string | undefined,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const secret = secretOf(value);
      return secret === undefined ? [] : [[name.toLowerCase(), secret]];
    }),
  );
}
