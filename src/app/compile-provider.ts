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
  const wanted =
    given.length > 0 || entry !== undefined || fromEnvironment === undefined ? given : [fromEnvironment];
  // What its store has not told yet is left out: a reference must never be sent in place of a key.
  const credentials = wanted.flatMap((text) => secretOf(text) ?? []);
  const settings = read({ ...entry?.credentials, api_version: entry?.api_version }, secretOf);
  const headers = read(entry?.headers ?? {}, secretOf);
  // One key of a pool is enough. Of the rest every part counts: half a credential would be completed from elsewhere.
  const unreadable =
    (wanted.length > 0 && credentials.length === 0) || settings.unreadable || headers.unreadable;
  return {
    name,
    vendor,
    baseUrl:
      entry?.base_url ?? (vendor.baseUrlEnv === undefined ? undefined : environment[vendor.baseUrlEnv]),
    quirks: vendor.quirks ?? {},
    headers: { ...vendor.headers, ...lowerCase(headers.values) },
    allowPrivateNetwork:
      entry?.allow_private_network === true || vendor.local === true || isLocal(entry?.base_url),
    ...(entry === undefined ? {} : { maxConnections: entry.max_connections }),
    ...completeCredentials(
      vendor,
      { credentials, settings: settings.values, region: entry?.region },
      environment,
    ),
    ...(unreadable ? { unreadable } : {}),
  };
}

/** An operator who writes a loopback address into the file has allowed it by that. */
function isLocal(baseUrl: string | undefined): boolean {
  if (baseUrl === undefined) return false;
  return URL.canParse(baseUrl) && isLoopbackHost(new URL(baseUrl).hostname);
}

/** Texts with the secrets they stand for, and whether one of them is not known. */
function read(
  texts: Readonly<Record<string, string | undefined>>,
  secretOf: (text: string) => string | undefined,
): { readonly values: Readonly<Record<string, string>>; readonly unreadable: boolean } {
  const values: Record<string, string> = {};
  let unreadable = false;
  for (const [name, text] of Object.entries(texts)) {
    if (text === undefined) continue;
    const secret = secretOf(text);
    if (secret === undefined) unreadable = true;
    else values[name] = secret;
  }
  return { values, unreadable };
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
