import { SluiceError } from '../../core/errors/error.ts';
import type { Upstream, UpstreamRequest } from '../../ports/upstream.ts';
import { evenTimeouts } from '../http1/timeouts.ts';

/** A secret is small; what is larger is something else. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/** How a store is reached over HTTP. */
export interface StoreAddress {
  /** For sentences, for example `Vault`. */
  readonly store: string;
  readonly upstream: Upstream;
  readonly timeoutMs: number;
  /** Loopback and private addresses. */
  readonly allowPrivateNetwork: boolean;
}

/** One call to a store. */
export interface Question {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface StoreAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A sentence about a store, as an error that nobody is blamed for but the store. */
export function storeFault(sentence: string, cause?: unknown): SluiceError {
  return new SluiceError('upstream_auth', sentence, cause === undefined ? {} : { cause });
}

/** The request of a question, with its timers. */
export function requestOf(address: StoreAddress, question: Question): UpstreamRequest {
  const { timeoutMs, allowPrivateNetwork } = address;
  const { origin, pathname, search } = new URL(question.url);
  return {
    method: question.method,
    origin,
    path: pathname + search,
    headers: { accept: 'application/json', ...question.headers },
    body: question.body,
    timeouts: evenTimeouts(timeoutMs),
    allowPrivateNetwork,
  };
}

/** Sends a request and reads its JSON. Throws a sentence for a store that does not answer, or not with JSON. */
export async function ask(
  { store, upstream }: StoreAddress,
  request: UpstreamRequest,
  signal: AbortSignal,
): Promise<StoreAnswer> {
  let status: number;
  let text: string;
  try {
    const answer = await upstream.send(request, signal);
    status = answer.status;
    text = Buffer.from(await answer.bytes(MAX_ANSWER_BYTES)).toString('utf8');
  } catch (error) {
    const code = error instanceof SluiceError ? error.code : 'internal';
    const refused = /allow_private_network/.test(error instanceof Error ? error.message : '');
    throw storeFault(
      refused
        ? `${store} is on a private network; set \`allow_private_network: true\` where it is configured.`
        : `${store} could not be reached (${code}).`,
    );
  }
  try {
    const body = text === '' ? {} : (JSON.parse(text) as unknown);
    return { status, body: isObject(body) ? body : {} };
  } catch {
    if (status >= 400) return { status, body: {} };
    throw storeFault(`${store} did not answer with JSON.`);
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Text of a secret, or one field of a secret that is a JSON object. Throws a sentence where there is none. */
export function pick(secret: unknown, field: string | undefined, where: string): string {
  if (field === undefined) {
    if (typeof secret === 'string' && secret !== '') return secret;
    throw storeFault(`${where} holds no text; name a field with \`#FIELD\`.`);
  }
  const value = isObject(secret) ? secret : parsed(secret);
  const found = isObject(value) && Object.hasOwn(value, field) ? value[field] : undefined;
  if (typeof found !== 'string' || found === '') throw storeFault(`${where} has no field \`${field}\`.`);
  return found;
}

function parsed(text: unknown): unknown {
  try {
    return typeof text === 'string' ? (JSON.parse(text) as unknown) : undefined;
  } catch {
    return undefined;
  }
}
