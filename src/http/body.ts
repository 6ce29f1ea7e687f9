import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { badRequest, SluiceError } from '../core/errors/error.ts';
import { isObject, type JsonObject } from '../core/model/index.ts';
import { parseJson, toNumber } from '../core/model/parse-json.ts';
import { repeatedName, type ScanRefusal, scanJson } from '../formats/json-scan.ts';
import type { DeadlineWatch } from '../pipeline/deadline-watch.ts';
import type { ClientRequest } from './client-request.ts';
import { PlainRequest } from './client-request.ts';
import { Reclaim } from './reclaim.ts';

/** Limits on a request body, from the configuration. */
export interface BodyLimits {
  readonly maxBytes: number;
  readonly maxDepth: number;
  readonly maxExpansionRatio: number;
  readonly idleTimeoutMs: number;
  /** Watches that bodies go on arriving. */
  readonly watch: DeadlineWatch;
}

type Decoder = (bytes: Buffer, limits: { maxOutputLength: number }) => Promise<Buffer>;

const DECODERS: ReadonlyMap<string, Decoder> = new Map([
  ['gzip', promisify(gunzip) as unknown as Decoder],
  ['deflate', promisify(inflate) as unknown as Decoder],
  ['br', promisify(brotliDecompress) as unknown as Decoder],
]);

/** Parsing more than this would hold up every other request (bar: 250 ms, RELIABILITY F25; measured on 2 cores). */
const MAX_VALUES = 350_000;
const MAX_MEMBERS = 100_000;
/** Keeping long numbers exact takes a call per value (see `parseJson`). */
const MAX_EXACT_VALUES = 50_000;
/** From this size on a body is read in several turns of the event loop. */
const LARGE_BYTES = 1_048_576;
/** No model has a longer name, and names go into headers and log rows. */
const MAX_MODEL_LENGTH = 256;

function tooLarge(limits: BodyLimits): SluiceError {
  return new SluiceError(
    'body_too_large',
    `The request body is larger than ${Math.floor(limits.maxBytes / 1_048_576)} MB (\`server.max_body_mb\`).`,
  );
}

/** Large bodies that have been. */
const large = new Reclaim();

/** Collects the body's bytes. Throws `body_too_large`, `body_timeout`, `client_closed`. */
function collect(request: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  const { watch, idleTimeoutMs } = limits;
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limits.maxBytes) return Promise.reject(tooLarge(limits));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const fail = (error: SluiceError): void => {
      request.removeAllListeners('data');
      chunks.length = 0;
      watch.forget(arrival);
      reject(error);
    };
    const arrival = {
      slot: -1,
      deadline: watch.now() + idleTimeoutMs,
      expire: () => fail(new SluiceError('body_timeout', 'The request body stopped arriving.')),
    };
    watch.add(arrival);
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      arrival.deadline = watch.now() + idleTimeoutMs;
      if (size > limits.maxBytes) fail(tooLarge(limits));
      else chunks.push(chunk);
    });
    request.on('end', () => {
      watch.forget(arrival);
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
      // The request lives on with its idle connection; the bytes must not.
      chunks.length = 0;
    });
    request.on('error', () => fail(new SluiceError('client_closed', 'The client left.')));
    request.on('close', () => {
      if (!request.complete) fail(new SluiceError('client_closed', 'The client left.'));
    });
  });
}

/** The body of a request that is all there. Throws `body_too_large`. */
function whole({ body }: PlainRequest, limits: BodyLimits): Buffer {
  if (body.length > limits.maxBytes) throw tooLarge(limits);
  return body;
}

async function expand(bytes: Buffer, coding: string, limits: BodyLimits): Promise<Buffer> {
  const decoder = DECODERS.get(coding);
  if (decoder === undefined) {
    throw new SluiceError(
      'unsupported_media_type',
      'Send the body uncompressed or with one of the content encodings gzip, deflate and br (`content-encoding`).',
      { param: 'content-encoding' },
    );
  }
  const maxOutputLength = Math.min(
    limits.maxBytes,
    Math.max(65_536, bytes.length * limits.maxExpansionRatio),
  );
  try {
    return await decoder(bytes, { maxOutputLength });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limits);
    throw badRequest('body', 'The request body is not valid for its content encoding.');
  }
}

const BODY = { param: 'body' } as const;

const REFUSALS: Readonly<Record<ScanRefusal, string>> = {
  depth: 'nests deeper than the limit (`server.max_json_depth`)',
  values: `holds more than ${MAX_VALUES} values`,
  members: `holds more than ${MAX_MEMBERS} object members`,
  number: 'holds a number of more than a thousand digits',
  'escaped-key': 'spells the name of a field with escapes',
};

/** What the parser has to know of a body that was looked over. */
interface Structure {
  readonly topMembers: number;
  /** Numbers have to be kept as they are written. */
  readonly exact: boolean;
}

/** Refuses what is no UTF-8 or would cost too much to parse. */
function inspect(raw: Buffer, maxDepth: number): Structure {
  if (raw.length === 0) throw badRequest('body', 'The request has no body; send a JSON object.');
  if (!isUtf8(raw)) throw new SluiceError('invalid_json', 'The request body is not valid UTF-8.', BODY);
  const limits = { maxDepth, maxValues: MAX_VALUES, maxMembers: MAX_MEMBERS };
  const { refused, topMembers, values, longNumbers } = scanJson(raw, limits);
  if (refused !== undefined) throw badRequest('body', `The request body ${REFUSALS[refused]}.`);
  if (longNumbers && values > MAX_EXACT_VALUES) {
    throw badRequest(
      'body',
      `The request body holds long numbers among more than ${MAX_EXACT_VALUES} values.`,
    );
  }
  return { topMembers, exact: longNumbers };
}

/** Whether it is plain where the body ends: who stands before us may have read other transfer codings in another way. */
export function isDelimited({ headers }: ClientRequest): boolean {
  const transfer = headers['transfer-encoding'];
  return transfer === undefined || transfer.toLowerCase() === 'chunked';
}

/** Reads a body of any type, expanded if it was compressed. Throws in the 4xx range; an absent body is empty. */
export async function readBytes(request: ClientRequest, limits: BodyLimits): Promise<Buffer> {
  if (!isDelimited(request)) {
    throw badRequest('transfer-encoding', 'Send the body with `transfer-encoding: chunked` or a length.');
  }
  const raw = request instanceof PlainRequest ? whole(request, limits) : await collect(request, limits);
  if (raw.length >= LARGE_BYTES) large.note(raw.length);
  const coding = request.headers['content-encoding']?.trim().toLowerCase();
  return coding !== undefined && coding !== 'identity' && raw.length > 0 ? expand(raw, coding, limits) : raw;
}

/** Whether a content type says JSON. */
export function isJsonType(type: string): boolean {
  return /^application\/([a-z0-9.+-]*\+)?json\b/i.test(type);
}

/** Reads and parses a JSON body once. Throws in the 4xx range naming what is wrong. */
export async function readJsonBody(
  request: ClientRequest,
  limits: BodyLimits,
): Promise<{ readonly raw: Buffer; readonly body: JsonObject }> {
  const type = request.headers['content-type'];
  if (type !== undefined && !isJsonType(type)) {
    throw new SluiceError('unsupported_media_type', 'Send the body as `content-type: application/json`.', {
      param: 'content-type',
    });
  }
  const raw = await readBytes(request, limits);
  if (raw.length < LARGE_BYTES) return { raw, body: parseBody(raw, limits) };
  // A large body is gone over several times; others get their turn in between.
  await nextTurn();
  const structure = inspect(raw, limits.maxDepth);
  await nextTurn();
  const body = decode(raw, structure);
  await nextTurn();
  return { raw, body };
}

/** Parses the bytes of a JSON body. Throws in the 4xx range naming what is wrong. */
export function parseBody(raw: Buffer, limits: Pick<BodyLimits, 'maxDepth'>): JsonObject {
  return decode(raw, inspect(raw, limits.maxDepth));
}

function decode(raw: Buffer, { topMembers, exact }: Structure): JsonObject {
  let body: unknown;
  try {
    const text = raw.toString('utf8');
    body = exact ? parseJson(text) : JSON.parse(text);
  } catch {
    throw new SluiceError('invalid_json', 'The request body is not valid JSON.', BODY);
  }
  if (!isObject(body) || toNumber(body) !== body)
    throw new SluiceError('invalid_json', 'The request body must be a JSON object.', BODY);
  // A field named twice could be checked in one place and used from the other.
  if (Object.keys(body).length !== topMembers) {
    const name = repeatedName(raw) ?? 'body';
    throw badRequest(name, `\`${name}\` is given more than once.`);
  }
  const { model } = body;
  if (typeof model === 'string' && model.length > MAX_MODEL_LENGTH) {
    throw badRequest('model', `\`model\` may have at most ${MAX_MODEL_LENGTH} characters.`);
  }
  return body;
}
