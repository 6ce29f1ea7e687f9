import { CONTRACT, type EndpointName, type InputOf, type OutputOf } from './contract.ts';
import type { Endpoint } from './endpoint.ts';

/** An answer of the admin API that is an error: `{ error: { code, message } }`. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string;
  /** The field of the input that is at fault, as a path: `budget.limit_usd`; absent when it is none. */
  readonly param: string | undefined;

  constructor(status: number, code: string, said: { readonly message: string; readonly param?: string }) {
    super(said.message);
    this.status = status;
    this.code = code;
    this.param = said.param;
  }
}

/** How to reach the gateway. */
export interface ClientAddress {
  /** Without a trailing slash; empty for the page's own origin. */
  readonly baseUrl: string;
  /** The admin key; absent in the portal, where the session cookie speaks. */
  readonly adminKey?: string;
}

/** A typed caller of the admin API. */
export interface ControlClient {
  /** Throws {@link ApiError} for an error answer, TypeError when the gateway cannot be reached. */
  call<Name extends EndpointName>(name: Name, input: InputOf<Name>): Promise<OutputOf<Name>>;
  /** The URL of an endpoint with its input in path and query, for EventSource and links. */
  url(name: EndpointName, input: Readonly<Record<string, unknown>>): string;
  /** Rows of a `lines` endpoint, until the last. Throws as `call` does. */
  lines<Name extends EndpointName>(name: Name, input: InputOf<Name>): AsyncIterable<OutputOf<Name>>;
  /** Rows of a `stream` endpoint as they come. Ends when `signal` aborts. */
  watch<Name extends EndpointName>(name: Name, signal: AbortSignal): AsyncIterable<OutputOf<Name>>;
}

interface Split {
  readonly path: string;
  readonly rest: Record<string, unknown>;
}

function splitInput(name: EndpointName, input: Readonly<Record<string, unknown>>): Split {
  const rest = { ...input };
  const path = CONTRACT[name].path.replaceAll(/:([a-z_]+)/g, (_, key: string) => {
    const value = rest[key];
    delete rest[key];
    return encodeURIComponent(String(value));
  });
  return { path, rest };
}

function withQuery(path: string, rest: Readonly<Record<string, unknown>>): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(rest)) if (value !== undefined) query.set(key, String(value));
  const text = query.toString();
  return text === '' ? path : `${path}?${text}`;
}

async function toError(answer: Response): Promise<ApiError> {
  const body = (await answer.json().catch(() => ({}))) as {
    error?: { code?: string; message?: string; details?: { param?: string } };
  };
  const message = body.error?.message ?? `The gateway answered with HTTP ${answer.status}.`;
  const param = body.error?.details?.param;
  return new ApiError(answer.status, body.error?.code ?? 'unknown', {
    message,
    ...(typeof param === 'string' ? { param } : {}),
  });
}

/** Lines of a text; the last one, which no line break ends, is left out. */
async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

/** Calls the admin API with `fetch`; the same code serves CLI and portal. */
export function createControlClient(address: ClientAddress): ControlClient {
  const headers: Record<string, string> =
    address.adminKey === undefined ? {} : { authorization: `Bearer ${address.adminKey}` };

  async function call<Name extends EndpointName>(name: Name, input: InputOf<Name>): Promise<OutputOf<Name>> {
    const { method } = CONTRACT[name];
    const { path, rest } = splitInput(name, input);
    const inQuery = method === 'GET' || method === 'DELETE';
    const answer = await fetch(address.baseUrl + (inQuery ? withQuery(path, rest) : path), {
      method,
      headers: inQuery ? headers : { ...headers, 'content-type': 'application/json' },
      ...(inQuery ? {} : { body: JSON.stringify(rest) }),
    });
    if (!answer.ok) throw await toError(answer);
    const text = (CONTRACT[name] as Endpoint).answer === 'csv';
    return (text ? await answer.text() : await answer.json()) as OutputOf<Name>;
  }

  return {
    call,
    url(name, input) {
      const { path, rest } = splitInput(name, input);
      return address.baseUrl + withQuery(path, rest);
    },
    async *lines(name, input) {
      const { path, rest } = splitInput(name, input);
      const answer = await fetch(address.baseUrl + withQuery(path, rest), { headers });
      if (!answer.ok || answer.body === null) throw await toError(answer);
      for await (const line of linesOf(answer.body)) yield JSON.parse(line);
    },
    async *watch(name, signal) {
      const answer = await fetch(address.baseUrl + CONTRACT[name].path, { headers, signal });
      if (!answer.ok || answer.body === null) throw await toError(answer);
      // An event stream's `data:` fields.
      for await (const line of linesOf(answer.body)) {
        if (line.startsWith('data: ')) yield JSON.parse(line.slice(6));
      }
    },
  };
}
