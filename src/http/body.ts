import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { badRequest, SluiceError } from '../core/errors/error.ts';
import { isObject, type JsonObject } from '../core/model/index.ts';
import { parseJson } from '../core/model/parse-json.ts';
import { mentions, topLevelValues } from '../formats/patch-json.ts';

/** Limits on a request body, from the configuration. */
export interface BodyLimits {
  readonly maxBytes: number;
  readonly maxDepth: number;
  readonly maxExpansionRatio: number;
  readonly idleTimeoutMs: number;
}

type Decoder = (bytes: Buffer, limits: { maxOutputLength: number }) => Promise<Buffer>;

const DECODERS: Readonly<Record<string, Decoder>> = {
  gzip: promisify(gunzip) as unknown as Decoder,
  deflate: promisify(inflate) as unknown as Decoder,
  br: promisify(brotliDecompress) as unknown as Decoder,
};

function tooLarge(limits: BodyLimits): SluiceError {
  return new SluiceError(
    'body_too_large',
    `The request body is larger than ${Math.floor(limits.maxBytes / 1_048_576)} MB (\`server.max_body_mb\`).`,
  );
}

/** Collects the body's bytes. Throws `body_too_large`, `body_timeout`, `client_closed`. */
function collect(request: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > limits.maxBytes) return Promise.reject(tooLarge(limits));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const { socket } = request;
    const fail = (error: SluiceError): void => {
      request.removeAllListeners('data');
      socket.off('timeout', stalled);
      reject(error);
    };
    const stalled = (): void => fail(new SluiceError('body_timeout', 'The request body stopped arriving.'));
    socket.setTimeout(limits.idleTimeoutMs, stalled);
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limits.maxBytes) fail(tooLarge(limits));
      else chunks.push(chunk);
    });
    request.on('end', () => {
      socket.setTimeout(0);
      socket.off('timeout', stalled);
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
    });
    request.on('error', () => fail(new SluiceError('client_closed', 'The client left.')));
    request.on('close', () => {
      if (!request.complete) fail(new SluiceError('client_closed', 'The client left.'));
    });
  });
}

async function expand(bytes: Buffer, coding: string, limits: BodyLimits): Promise<Buffer> {
  const decoder = DECODERS[coding];
  if (decoder === undefined) {
    throw new SluiceError(
      'unsupported_media_type',
      'Send the body uncompressed or with one of the content encodings gzip, deflate and br.',
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

/** Throws when arrays and objects nest deeper than `limit`; works without recursion. */
function checkDepth(root: JsonObject, limit: number): void {
  let level: unknown[] = [root];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > limit) throw badRequest('body', `The request body nests deeper than ${limit} levels.`);
    const next: unknown[] = [];
    for (const node of level) {
      if (Array.isArray(node)) {
        for (const child of node) if (typeof child === 'object' && child !== null) next.push(child);
      } else {
        const object = node as JsonObject;
        for (const key in object) {
          const child = object[key];
          if (typeof child === 'object' && child !== null) next.push(child);
        }
      }
    }
    level = next;
  }
}

/** Reads a body of any type, expanded if it was compressed. Throws in the 4xx range; an absent body is empty. */
export async function readBytes(request: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  const raw = await collect(request, limits);
  const coding = request.headers['content-encoding'];
  return coding !== undefined && coding !== 'identity' && raw.length > 0 ? expand(raw, coding, limits) : raw;
}

/** Whether a content type says JSON. */
export function isJsonType(type: string): boolean {
  return /^application\/([a-z0-9.+-]*\+)?json\b/i.test(type);
}

/** Reads and parses a JSON body once. Throws in the 4xx range naming what is wrong. */
export async function readJsonBody(
  request: IncomingMessage,
  limits: BodyLimits,
): Promise<{ readonly raw: Buffer; readonly body: JsonObject }> {
  const type = request.headers['content-type'];
  if (type !== undefined && !isJsonType(type)) {
    throw new SluiceError('unsupported_media_type', 'Send the body as `content-type: application/json`.');
  }
  const raw = await readBytes(request, limits);
  return { raw, body: parseBody(raw, limits) };
}

/** Parses the bytes of a JSON body. Throws in the 4xx range naming what is wrong. */
export function parseBody(raw: Buffer, limits: Pick<BodyLimits, 'maxDepth'>): JsonObject {
  if (raw.length === 0) throw badRequest('body', 'The request has no body; send a JSON object.');
  if (!isUtf8(raw)) throw new SluiceError('invalid_json', 'The request body is not valid UTF-8.');
  let body: unknown;
  try {
    body = parseJson(raw.toString('utf8'));
  } catch {
    throw new SluiceError('invalid_json', 'The request body is not valid JSON.');
  }
  if (!isObject(body)) throw new SluiceError('invalid_json', 'The request body must be a JSON object.');
  checkDepth(body, limits.maxDepth);
  // A model named twice could be checked in one place and used from the other.
  if (mentions(raw, 'model') > 1 && topLevelValues(raw, 'model').length > 1) {
    throw badRequest('model', '`model` is given more than once.');
  }
  return body;
}
