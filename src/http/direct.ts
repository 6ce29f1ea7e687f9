import type { JsonObject } from '../core/model/index.ts';
import { toNumber } from '../core/model/parse-json.ts';
import type { AnyOperation } from '../core/policy/operations.ts';
import type { Envelope } from '../formats/codec.ts';
import { boundaryOf, formFields, readForm } from '../formats/multipart.ts';
import { envelopeOf } from '../formats/operations/index.ts';
import type { Direct } from '../pipeline/call.ts';
import type { ClientFacts } from '../pipeline/exchange.ts';
import type { Runtime } from '../pipeline/runtime.ts';
import { isJsonType, parseBody, readBytes } from './body.ts';
import type { Call, DataPlanePorts } from './call.ts';
import { hangUp, newFacts } from './chat.ts';
import { readClientFacts } from './client-facts.ts';
import type { ClientRequest } from './client-request.ts';
import { runExchange } from './relay.ts';

/** Client headers that a direct call takes along, besides those that say which version of an API is spoken. */
const HEADERS = ['content-type', 'accept', 'range', 'if-none-match', 'if-modified-since'] as const;

/** A direct call as it came in. */
export interface Arrived {
  readonly startedAt: number;
  readonly startedMono: number;
  readonly runtime: Runtime;
  readonly client: ClientFacts;
  readonly raw: Buffer;
  /** The JSON body or the plain fields of a form; `undefined` for anything else. */
  readonly body: JsonObject | undefined;
}

function fieldsOf(request: ClientRequest, raw: Buffer, maxDepth: number): JsonObject | undefined {
  const type = request.headers['content-type'];
  if (raw.length === 0 || type === undefined) return undefined;
  if (isJsonType(type))
    return /^\s*\{/.test(raw.toString('latin1', 0, 64)) ? parseBody(raw, { maxDepth }) : undefined;
  const boundary = boundaryOf(type);
  return boundary === undefined ? undefined : formFields(raw, readForm(raw, boundary));
}

/** Reads a call that may go to one provider as it is. */
export async function arrive(ports: DataPlanePorts, call: Call): Promise<Arrived> {
  const startedAt = ports.clock.now();
  const startedMono = ports.clock.monotonic();
  const runtime = ports.runtime();
  const client = readClientFacts(call.request, call.query);
  // Nothing of a stranger's body is read.
  ports.admit(client, runtime);
  const limits = ports.bodyLimits();
  const raw = await readBytes(call.request, limits);
  const body = fieldsOf(call.request, raw, limits.maxDepth);
  return { startedAt, startedMono, runtime, client, raw, body };
}

/** The query of a request without the virtual key that may stand in it. */
export function searchOf(rawUrl: string): string {
  const mark = rawUrl.indexOf('?');
  if (mark < 0) return '';
  const kept = rawUrl
    .slice(mark + 1)
    .split('&')
    .filter((pair) => pair !== '' && !new URLSearchParams(pair).has('key'));
  return kept.length === 0 ? '' : `?${kept.join('&')}`;
}

function headersOf(request: ClientRequest, client: ClientFacts): Record<string, string> {
  const headers: Record<string, string> = { ...client.forward };
  for (const name of HEADERS) {
    const value = request.headers[name];
    if (typeof value === 'string' && value !== '') headers[name] = value;
  }
  return headers;
}

/** The largest of these fields: whom it is for may know any of them. */
function count(body: JsonObject | undefined, ...names: readonly string[]): number | undefined {
  const values = names
    .map((name) => toNumber(body?.[name]))
    .filter((value) => typeof value === 'number' && Number.isSafeInteger(value) && value > 0);
  return values.length === 0 ? undefined : Math.max(...(values as number[]));
}

/** What limits and money can tell of a call whose format is not known. */
function envelopeFor(target: Direct['target'], body: JsonObject | undefined): Envelope {
  const { provider, model, path } = target;
  const { maxOutputTokens: _, ...plain } = envelopeOf(
    model === undefined ? provider.name : `${provider.name}/${model}`,
  );
  const limit = count(body, 'max_completion_tokens', 'max_tokens', 'max_output_tokens');
  return {
    ...plain,
    ...(limit === undefined ? {} : { maxOutputTokens: limit }),
    choices: Math.min(128, count(body, 'n') ?? 1),
    stream: body?.['stream'] === true || /:stream|-stream$/.test(path),
  };
}

/** Sends a call on to its provider and the answer back. */
export async function runDirect(
  ports: DataPlanePorts,
  call: Call,
  given: {
    readonly arrived: Arrived;
    /** The dialect's name in the log. */
    readonly format: string;
    readonly operation: AnyOperation;
    readonly free: boolean;
    readonly target: Omit<Direct['target'], 'headers'>;
  },
): Promise<void> {
  const { arrived, format, operation, free } = given;
  const target = { ...given.target, headers: headersOf(call.request, arrived.client) };
  const exchange: Direct = {
    ...arrived,
    id: call.requestId,
    codec: { id: format, encodeError: (error, requestId) => call.codec.encodeError(error, requestId) },
    operation,
    envelope: envelopeFor(target, arrived.body),
    signal: hangUp(call.response),
    facts: { ...newFacts(), free },
    end: undefined,
    target,
  };
  await runExchange(ports, call, { exchange, run: ports.direct });
}
