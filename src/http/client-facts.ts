import { badRequest, SluiceError } from '../core/errors/error.ts';
import { isObject } from '../core/model/index.ts';
import type { ClientFacts } from '../pipeline/exchange.ts';
import { addressOf } from './client-address.ts';
import { type ClientRequest, PlainRequest } from './client-request.ts';
import { askedPriority, askedRegions } from './request-wishes.ts';

/** Headers that may stand only once: Node silently keeps the first of several (RELIABILITY T6). */
const SINGLE: ReadonlyMap<string, number> = new Map(
  [
    'authorization',
    'x-api-key',
    'x-goog-api-key',
    'host',
    'content-type',
    'content-length',
    'content-encoding',
    'transfer-encoding',
    'origin',
  ].map((name, index) => [name, 1 << index]),
);

/** No client sends nearly as many; each costs a look-up or more. */
const MAX_HEADERS = 100;

/** Client headers that may travel to a provider of the same format. */
const FORWARD = ['anthropic-version', 'anthropic-beta', 'openai-beta', 'idempotency-key'] as const;

const MAX_TAGS = 20;
const MAX_METADATA = 4096;

/** Refuses repeated credentials and framing headers, and too many headers. Throws `bad_request` naming the header. */
export function refuseDuplicates(request: ClientRequest): void {
  // Such a request with more of them is not plain.
  if (request instanceof PlainRequest) return;
  if (request.rawHeaders.length > 2 * MAX_HEADERS) {
    throw new SluiceError('bad_request', `A request may have at most ${MAX_HEADERS} headers.`, {
      param: 'headers',
      status: 431,
    });
  }
  let seen = 0;
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const name = request.rawHeaders[index]?.toLowerCase() ?? '';
    const bit = SINGLE.get(name);
    if (bit === undefined) continue;
    if ((seen & bit) !== 0) throw badRequest(name, `The header \`${name}\` is sent more than once.`);
    seen |= bit;
  }
}

function header(request: ClientRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The credential of an `Authorization: Bearer` header (RFC 6750); `undefined` for anything else. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return authorization === undefined ? undefined : /^Bearer +(\S+)$/i.exec(authorization)?.[1];
}

function bearer(request: ClientRequest): string | undefined {
  const value = header(request, 'authorization');
  if (value === undefined) return undefined;
  const token = bearerToken(value);
  if (token === undefined) throw badRequest('authorization', 'Write `Authorization: Bearer <key>`.');
  return token;
}

function theSame(found: string | undefined, value: string | undefined): string | undefined {
  if (value === undefined || value === '' || value === found) return found;
  if (found === undefined) return value;
  throw new SluiceError('conflicting_credentials', 'The request carries two different keys; send one.', {
    param: 'authorization',
  });
}

/** The one credential of a request. `x-api-key` wins over Bearer only when both say the same; else they conflict. */
export function credentialOf(request: ClientRequest, query: URLSearchParams | undefined): string | undefined {
  let found = theSame(undefined, bearer(request));
  found = theSame(found, header(request, 'x-api-key'));
  found = theSame(found, header(request, 'x-goog-api-key'));
  return query === undefined ? found : theSame(found, query.get('key') ?? undefined);
}

/** `feature=support,env=prod` as a map. */
function tagsOf(text: string | undefined): Readonly<Record<string, string>> {
  const tags: Record<string, string> = Object.create(null) as Record<string, string>;
  if (text === undefined) return tags;
  const pairs = text.split(',');
  if (pairs.length > MAX_TAGS) throw badRequest('x-sluice-tags', `At most ${MAX_TAGS} tags may be sent.`);
  for (const pair of pairs) {
    const match = /^\s*([A-Za-z0-9_.-]{1,64})=([^,]{1,128}?)\s*$/.exec(pair);
    if (match?.[1] === undefined || match[2] === undefined) {
      throw badRequest('x-sluice-tags', 'Write `x-sluice-tags: name=value,name=value`.');
    }
    tags[match[1]] = match[2];
  }
  return tags;
}

function metadataOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  if (text.length > MAX_METADATA) {
    throw badRequest(
      'x-sluice-metadata',
      `\`x-sluice-metadata\` may have at most ${MAX_METADATA} characters.`,
    );
  }
  try {
    if (isObject(JSON.parse(text))) return text;
  } catch {
    // Said below.
  }
  throw badRequest('x-sluice-metadata', '`x-sluice-metadata` must be a JSON object.');
}

function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Number(text);
  if (!Number.isSafeInteger(ms) || ms < 1 || ms > 3_600_000) {
    throw badRequest(
      'x-sluice-timeout-ms',
      '`x-sluice-timeout-ms` must be a whole number from 1 to 3600000.',
    );
  }
  return ms;
}

function fallbackOf(text: string | undefined): boolean {
  const wish = text?.toLowerCase();
  if (wish === undefined || wish === 'on') return true;
  if (wish === 'off') return false;
  throw badRequest('x-sluice-fallback', 'Write `x-sluice-fallback: off` or `on`.');
}

function short(request: ClientRequest, name: string): string | undefined {
  const value = header(request, name);
  if (value !== undefined && value.length > 200)
    throw badRequest(name, `\`${name}\` may have at most 200 characters.`);
  return value;
}

/** Nothing for nearly every request. */
function approvalOf(request: ClientRequest): Pick<ClientFacts, 'approval' | 'approvalWaitMs'> {
  const approval = short(request, 'x-sluice-approval');
  const wait = header(request, 'x-sluice-approval-wait-ms');
  if (approval === undefined && wait === undefined) return NO_APPROVAL;
  const waitMs = wait === undefined ? undefined : Number(wait);
  if (waitMs !== undefined && (!Number.isSafeInteger(waitMs) || waitMs < 0 || waitMs > 600_000)) {
    const name = 'x-sluice-approval-wait-ms';
    throw badRequest(name, `\`${name}\` must be a whole number from 0 to 600000.`);
  }
  return {
    ...(approval === undefined ? {} : { approval }),
    ...(waitMs === undefined ? {} : { approvalWaitMs: waitMs }),
  };
}

const NO_APPROVAL = Object.freeze({});

/** What the headers say about caller and call. Throws `bad_request` naming the header. */
export function readClientFacts(request: ClientRequest, query: URLSearchParams | undefined): ClientFacts {
  const forward: Record<string, string> = {};
  for (const name of FORWARD) {
    const value = header(request, name);
    if (value !== undefined) forward[name] = value;
  }
  const cache = short(request, 'x-sluice-cache');
  if (cache !== undefined && !/^(no-store|no-cache|ttl=\d{1,9})$/.test(cache)) {
    throw badRequest('x-sluice-cache', 'Write `x-sluice-cache: no-store`, `no-cache` or `ttl=SECONDS`.');
  }
  return {
    credential: credentialOf(request, query),
    address: addressOf(request),
    clientRequestId: short(request, 'x-request-id'),
    tags: tagsOf(header(request, 'x-sluice-tags')),
    user: short(request, 'x-sluice-user'),
    session: short(request, 'x-sluice-session'),
    metadata: metadataOf(header(request, 'x-sluice-metadata')),
    timeoutMs: timeoutOf(header(request, 'x-sluice-timeout-ms')),
    fallback: fallbackOf(header(request, 'x-sluice-fallback')),
    priority: askedPriority(request),
    regions: askedRegions(request),
    cache,
    forward,
    version: header(request, 'anthropic-version'),
    ...approvalOf(request),
  };
}
