import { badRequest, SluiceError } from '../core/errors/error.ts';
import type { JsonObject } from '../core/model/index.ts';
import type { AuthScheme, Endpoint, Provider } from './provider.ts';

/** What a URL is made from besides the provider's data. */
export interface Place {
  /** The upstream's name of the model. */
  readonly model: string;
  /** Absent: the provider's first region. */
  readonly region?: string | undefined;
  /** The operator's base URL; absent: the provider's own. */
  readonly baseUrl?: string | undefined;
  /** Google Cloud project, where the path names one. */
  readonly project?: string | undefined;
  readonly stream?: boolean;
}

/**
 * The absolute URL of a call. A base URL that already ends with the beginning of the endpoint's path is taken as it is,
 * so `https://host` and `https://host/v1` both work where the path starts with `/v1`.
 * @throws SluiceError `no_provider` when a part of the address is missing, `bad_request` on a model name that would
 *   leave its place in the path
 */
export function endpointUrl(provider: Provider, endpoint: Endpoint, place: Place): string {
  const region = place.region ?? provider.regions?.[0];
  const usual = region === 'global' ? (provider.globalBaseUrl ?? provider.baseUrl) : provider.baseUrl;
  const base = place.baseUrl ?? usual;
  if (base === undefined) throw missing(provider, 'base_url');
  const path = place.stream ? (endpoint.streamPath ?? endpoint.path) : endpoint.path;
  const model = place.model.replace(/^(?:models\/)?/, '');
  if (path.includes('{model}') && /^\.{0,2}$/.test(model))
    throw badRequest('model', 'The model name is empty or no name.');
  const values: Readonly<Record<string, string | undefined>> = { model, region, project: place.project };
  const filled = (template: string): string =>
    template.replace(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name];
      if (value === undefined || value === '') throw missing(provider, name);
      // `@` is legal in a path and stands in Vertex's model names; `:` must be escaped or SigV4 signs another path.
      return encodeURIComponent(value).replaceAll('%40', '@');
    });
  return join(filled(base), filled(path));
}

function missing(provider: Provider, what: string): SluiceError {
  return new SluiceError(
    'no_provider',
    `The provider \`${provider.id}\` needs \`${what}\`: set it under \`providers\` in the configuration.`,
  );
}

/** Joins the two without repeating the segments with which one ends and the other begins. */
function join(base: string, path: string): string {
  const trimmed = base.replace(/\/+$/, '');
  const queryAt = path.indexOf('?');
  const segments = (queryAt < 0 ? path : path.slice(0, queryAt)).split('/').filter(Boolean);
  const query = queryAt < 0 ? '' : path.slice(queryAt);
  const existing = trimmed
    .replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '')
    .split('/')
    .filter(Boolean);
  let shared = Math.min(existing.length, segments.length);
  while (shared > 0 && existing.slice(-shared).join('/') !== segments.slice(0, shared).join('/')) shared -= 1;
  return `${[trimmed, ...segments.slice(shared)].join('/')}${query}`;
}

/**
 * The headers that carry a credential. Key pairs (`sigv4`) and service accounts (`google-oauth`) are turned into headers
 * by an adapter; a plain string given for them is a Bedrock API key or an access token, and goes as a bearer token.
 * No credential, no header: a local server may need none.
 */
export function authHeaders(
  auth: AuthScheme,
  credential: string | undefined,
): Readonly<Record<string, string>> {
  if (credential === undefined || credential === '' || auth.type === 'none') return {};
  if (auth.type === 'header') return { [auth.header]: credential };
  return { authorization: `Bearer ${credential}` };
}

/** The chat endpoints that serve a model, in order of preference. */
export function chatEndpoints(provider: Provider, model: string): readonly Endpoint[] {
  return provider.endpoints.chat.filter(
    ({ models }) => models === undefined || new RegExp(models, 'i').test(model),
  );
}

/** Whether bodies have to pass through `adaptBody`, so that a client's bytes cannot be forwarded unread. */
export function changesBody(endpoint: Endpoint): boolean {
  return endpoint.body !== undefined;
}

/** A body as this surface takes it: Claude on Vertex and Bedrock names its version in the body and its model in the path. */
export function adaptBody(endpoint: Endpoint, body: JsonObject): JsonObject {
  if (endpoint.body === undefined) return body;
  const { set = {}, omit = [] } = endpoint.body;
  const kept = Object.entries(body).filter(([name]) => !omit.includes(name));
  return Object.fromEntries([...Object.entries(set), ...kept]);
}

/** What may not stand in a path that is passed on: it would be read differently further on. */
const UNSAFE = /[^\x21-\x7e]|[\\#?]/;

/** Whether some reading of a path, percent-decoded again and again, holds a `.` or `..` segment. */
function hasDotSegment(path: string): boolean {
  let text = path;
  for (let round = 0; round < 4; round++) {
    if (text.split(/[/\\]/).some((segment) => /^\.{1,2}(?:;|$)/.test(segment))) return true;
    const next = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    if (next === text) return false;
    text = next;
  }
  // Encoded more often than any real name is.
  return true;
}

/**
 * The URL of a client's own path below a provider's base URL. Throws `bad_request` for a path that could leave it, and
 * `no_provider` when a part of the base URL is missing.
 */
export function directUrl(provider: Provider, path: string, place: Place): URL {
  const unsafe = UNSAFE.test(path) || path.includes('//') || !path.startsWith('/') || hasDotSegment(path);
  if (unsafe) throw badRequest('path', 'The path holds `..`, `//` or characters that do not belong in it.');
  const base = endpointUrl(provider, { format: 'openai', path: '/' }, place);
  const url = new URL(join(base, path));
  const root = new URL(base);
  const home = root.pathname.replace(/\/+$/, '');
  if (url.origin !== root.origin || !(url.pathname === home || url.pathname.startsWith(`${home}/`))) {
    throw badRequest('path', 'The path leads out of the provider’s base URL.');
  }
  return url;
}
