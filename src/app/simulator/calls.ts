import type { IncomingMessage } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { SluiceError } from '../../core/errors/error.ts';
import { type FormatId, isObject, type JsonObject } from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import type { ClientDialect, Reply } from '../../formats/codec.ts';
import { geminiJsonArray } from '../../formats/gemini/index.ts';
import { openaiCompletions } from '../../formats/openai-completions/index.ts';
import { CODECS } from '../../formats/registry.ts';
import {
  checkRules,
  collectOptions,
  createDice,
  hashHex,
  headerOptions,
  type KnownPrefix,
  type Options,
  type Pace,
  parseModelName,
  type Route,
  type Simulated,
  think,
} from '../../providers/simulator/index.ts';

/** Every format that can be spoken to a caller. */
const DIALECTS: Readonly<Record<FormatId, ClientDialect>> = {
  ...CODECS,
  'openai-completions': openaiCompletions,
};

const MAX_BODY_BYTES = 64 * 1024 * 1024;

/** The whole body of a request. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new SluiceError('body_too_large', 'Request body is too large.');
    chunks.push(chunk);
  }
  const body = chunks.length === 1 ? (chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(chunks);
  return request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
}

/** A JSON object out of bytes. Throws `invalid_json`. */
export function parseBody(bytes: Buffer): JsonObject {
  try {
    const value = parseJson(bytes.toString('utf8'));
    if (isObject(value)) return value;
  } catch {
    // Told below.
  }
  throw new SluiceError('invalid_json', 'We could not parse the JSON body of your request.');
}

/** A chat call, understood. */
export interface ChatCall {
  readonly codec: ClientDialect;
  readonly format: FormatId;
  readonly model: string;
  readonly stream: boolean;
  readonly options: Options;
  readonly simulated: Simulated;
  readonly reply: Reply;
}

type ChatRoute = Extract<Route, { kind: 'chat' }>;

/** Reads model, stream flag and options without a full decode, so that faults work on any body. */
export function readHead(
  route: ChatRoute,
  body: JsonObject,
  request: IncomingMessage,
): { readonly model: string; readonly stream: boolean; readonly options: readonly Options[] } {
  const model = route.model ?? (typeof body['model'] === 'string' ? body['model'] : '');
  // Ollama streams unless told otherwise (Ollama API reference).
  const isStreamed = route.format === 'ollama' ? body['stream'] !== false : body['stream'] === true;
  return { model, stream: route.stream ?? isStreamed, options: [headerOptions(request.headers)] };
}

/** An id as the vendor makes it; equal requests get different ones. */
function replyId(format: FormatId, serial: string): string {
  const dice = createDice(`reply ${serial}`);
  switch (format) {
    case 'anthropic-messages':
      return `msg_01${dice.word(22)}`;
    case 'openai-responses':
      return `resp_${hashHex(`a${serial}`)}${hashHex(`b${serial}`)}${hashHex(`c${serial}`)}`;
    case 'openai-completions':
      return `cmpl-${dice.word(29)}`;
    case 'openai-chat':
      return `chatcmpl-${dice.word(29)}`;
    case 'gemini':
      return dice.word(22);
    default:
      return `00000000-0000-4000-8000-${serial.padStart(12, '0')}`;
  }
}

/** Where a call stands besides its content. */
export interface CallPlace {
  readonly head: ReturnType<typeof readHead>;
  readonly defaults: Options;
  readonly known: KnownPrefix;
  /** Unique, hexadecimal. */
  readonly serial: string;
  /** Unix seconds. */
  readonly created: number;
}

/**
 * Decodes a call and has it answered.
 * @throws SluiceError `bad_request` as the vendor would refuse
 */
export function answerCall(route: ChatRoute, body: JsonObject, place: CallPlace): ChatCall {
  const { head } = place;
  const codec = route.isArray === true ? geminiJsonArray : DIALECTS[route.format];
  const pathFields = route.model === undefined ? {} : { model: head.model, stream: head.stream };
  const request = codec.decodeRequest({ ...body, ...pathFields });
  checkRules(route.format, body, request);
  const options = collectOptions(head.model, request, [place.defaults, ...head.options]);
  const simulated = think({ request, format: route.format, options, known: place.known });
  const reply: Reply = {
    id: replyId(route.format, place.serial),
    model: parseModelName(head.model).name,
    created: place.created,
    includeUsage: request.includeUsage,
    request,
  };
  return { codec, format: route.format, model: head.model, stream: head.stream, options, simulated, reply };
}

/** Latency of a whole server: lively for people, none for tests and load. */
export type Latency = 'none' | 'lively' | Partial<Pace>;

const PACES: Readonly<Record<'none' | 'lively', Pace>> = {
  none: { ttftMs: 0, tps: 0, chunk: 24 },
  lively: { ttftMs: 280, tps: 80, chunk: 6 },
};

/** The pace of one answer: its options, else the server's. */
export function paceOf(latency: Latency, options: Options): Pace {
  const base = typeof latency === 'string' ? PACES[latency] : { ...PACES.none, ...latency };
  return {
    ttftMs: options.ttftMs ?? base.ttftMs,
    tps: options.tps ?? base.tps,
    chunk: Math.max(1, options.chunk ?? base.chunk),
  };
}
