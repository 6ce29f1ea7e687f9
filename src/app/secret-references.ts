import { badRequest } from '../core/errors/error.ts';
import type { SecretReference, SecretScheme } from '../ports/secret-source.ts';
import { PROVIDERS } from '../providers/index.ts';
import { type Config, providerType } from './config/index.ts';

const REFERENCE = /^(vault|aws-sm|gcp-sm|azure-kv|file):([^#\s][^#]*)(?:#([\w.@-]{1,128}))?$/;
const CREDENTIAL = /^credential:([a-z0-9][a-z0-9._-]{0,63})$/;

/** A text that names where a secret is kept; `undefined` for the secret itself. */
export function parseReference(text: string): SecretReference | undefined {
  const [, scheme, path, field] = REFERENCE.exec(text) ?? [];
  if (scheme === undefined || path === undefined) return undefined;
  return { scheme: scheme as SecretScheme, path, field };
}

/** The name in `credential:NAME`; `undefined` for everything else. */
export function credentialName(text: string): string | undefined {
  return CREDENTIAL.exec(text)?.[1];
}

/** Whether a text refers to a secret instead of being one. */
export function isReference(text: string): boolean {
  return parseReference(text) !== undefined || credentialName(text) !== undefined;
}

/** Throws `bad_request` for what is no reference to a store. */
export function checkReference(text: string): void {
  if (parseReference(text) !== undefined) return;
  throw badRequest(
    'reference',
    '`reference`: write for example vault:secret/data/openai#api_key, aws-sm:NAME, gcp-sm:PROJECT/SECRET, azure-kv:VAULT/SECRET or file:/run/secrets/openai.',
  );
}

type ProviderConfig = Config['providers'][string];

function* secretsOfProvider(provider: ProviderConfig): Generator<string> {
  if (provider.api_key !== undefined) yield provider.api_key;
  yield* provider.api_keys ?? [];
  for (const value of Object.values(provider.credentials ?? {})) if (value !== undefined) yield value;
  yield* Object.values(provider.headers);
}

/** Every place of a configuration where a secret, or a reference to one, may stand. */
function* secretTexts(config: Config): Generator<string> {
  for (const provider of Object.values(config.providers)) yield* secretsOfProvider(provider);
  for (const { client_secret } of config.sign_in.oidc) if (client_secret !== undefined) yield client_secret;
  for (const sink of config.audit.sinks) {
    if (sink.type !== 'https') continue;
    if (sink.secret !== undefined) yield sink.secret;
    yield* Object.values(sink.headers);
  }
}

/** References of a configuration and of the environment variables that vendors' keys are taken from. */
export function referencesOf(
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
): ReadonlySet<string> {
  const variables = [...PROVIDERS.values()].flatMap(({ env }) => env.map((name) => environment[name] ?? ''));
  return new Set([...secretTexts(config), ...variables].filter(isReference));
}

/** References that one provider needs, of its section or of the environment variables its vendor's keys are taken from. */
export function referencesOfProvider(
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
  name: string,
): readonly string[] {
  const entry = config.providers[name];
  const own = entry === undefined ? [] : [...secretsOfProvider(entry)];
  const variables = PROVIDERS.get(providerType(config, name))?.env ?? [];
  return [...own, ...variables.map((variable) => environment[variable] ?? '')].filter(isReference);
}

/** Secrets that stand in a configuration themselves. */
export function literalSecrets(config: Config): readonly string[] {
  const { aws, azure, google, vault } = config.secrets;
  const stores = [
    vault?.token,
    vault?.secret_id,
    aws?.secret_access_key,
    aws?.session_token,
    azure?.client_secret,
    google?.service_account_json,
    config.access.admin_key,
  ];
  return [...secretTexts(config), ...stores].flatMap((text) =>
    text === undefined || isReference(text) ? [] : [text],
  );
}
