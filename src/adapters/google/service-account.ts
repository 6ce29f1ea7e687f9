import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';

/** What is used of a service account's JSON. */
export interface ServiceAccount {
  readonly email: string;
  readonly privateKey: string;
  readonly projectId: string | undefined;
  /** Where tokens are had for it. */
  readonly tokenUri: string;
}

/** Why a service account cannot be used, as the end of a sentence; holds nothing of its content. */
export class ServiceAccountFault extends Error {
  override readonly name = 'ServiceAccountFault';
}

/** A key file is about 2.5 kB; what is larger is something else. */
const MAX_BYTES = 64 * 1024;
const TOKEN_URI = 'https://oauth2.googleapis.com/token';

/** Tokens are worth as much as a key, so they travel in the clear on this machine only. */
function isSafe(uri: string): boolean {
  if (!URL.canParse(uri)) return false;
  const { protocol, hostname } = new URL(uri);
  const own = hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
  return protocol === 'https:' || (protocol === 'http:' && own);
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/**
 * Reads a service account from the JSON Google hands out for it.
 * @throws ServiceAccountFault
 */
export function parseServiceAccount(json: string): ServiceAccount {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    throw new ServiceAccountFault('is not valid JSON');
  }
  if (typeof parsed !== 'object' || parsed === null) throw new ServiceAccountFault('is not a JSON object');
  const fields = parsed as Readonly<Record<string, unknown>>;
  const type = text(fields['type']);
  if (type !== undefined && type !== 'service_account') {
    const kind = /^\w{1,40}$/.test(type) ? ` \`${type}\`` : ' other';
    throw new ServiceAccountFault(`holds${kind} credentials; only those of a service account can be used`);
  }
  const email = text(fields['client_email']);
  const privateKey = text(fields['private_key']);
  const tokenUri = text(fields['token_uri']) ?? TOKEN_URI;
  if (email === undefined || privateKey === undefined) {
    throw new ServiceAccountFault('has no `client_email` or no `private_key`');
  }
  if (!isSafe(tokenUri)) throw new ServiceAccountFault('has a `token_uri` that is not https');
  return { email, privateKey, projectId: text(fields['project_id']), tokenUri };
}

/**
 * The service account of a provider's settings (`service_account_json`, else `service_account_file`). The file is read
 * anew each time, so that a replaced key counts from the next token on. `undefined` when neither is set.
 * @throws ServiceAccountFault
 */
export async function loadServiceAccount(
  settings: Readonly<Record<string, string>>,
): Promise<ServiceAccount | undefined> {
  const { service_account_json: json, service_account_file: path } = settings;
  if (json) return parseServiceAccount(json);
  if (!path) return undefined;
  return parseServiceAccount(await readSmall(path));
}

async function readSmall(path: string): Promise<string> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch {
    throw new ServiceAccountFault('cannot be read');
  }
  try {
    const facts = await file.stat();
    if (!facts.isFile() || facts.size > MAX_BYTES) throw new ServiceAccountFault('is no small file');
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/**
 * The settings tokens are had and addresses made with: those given, a service account from
 * `GOOGLE_APPLICATION_CREDENTIALS` where none is given, and as `project` the one given, else that of the account's JSON.
 * Reads the file at once; one that is missing or broken is left to the first token to complain about.
 */
export function googleSettings(
  given: Readonly<Record<string, string>>,
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const own = given['service_account_json'] ?? given['service_account_file'];
  const file = own === undefined ? environment['GOOGLE_APPLICATION_CREDENTIALS'] : undefined;
  const settings = file ? { ...given, service_account_file: file } : given;
  if (settings['project']) return settings;
  const project = projectOf(settings) ?? environment['GOOGLE_CLOUD_PROJECT'];
  return project ? { ...settings, project } : settings;
}

function projectOf(settings: Readonly<Record<string, string>>): string | undefined {
  const { service_account_json: json, service_account_file: path } = settings;
  try {
    const content = json || (path ? readFileSync(path, 'utf8') : undefined);
    return content === undefined ? undefined : parseServiceAccount(content).projectId;
  } catch {
    return undefined;
  }
}
