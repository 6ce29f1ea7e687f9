import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { SluiceError } from '../core/errors/error.ts';
import type { FormatId, JsonObject, Usage } from '../core/model/index.ts';
import {
  answerSide,
  errorBody,
  errorHeaders,
  FAULTS,
  findRoute,
  type Options,
  parseModelName,
  parseOptions,
  type Route,
  type Script,
  type Telling,
  type TellingFacts,
  tell,
  type VendorError,
  vendorHeaders,
} from '../providers/simulator/index.ts';
import { answerCall, type Latency, paceOf, parseBody, readBody, readHead } from './simulator/calls.ts';
import { DEAD_ENDS, type DeadEnd, type RunningDeadEnds, startDeadEnds } from './simulator/dead-ends.ts';
import { type Billed, billed, type ReceivedCall, SimulatorMemory } from './simulator/memory.ts';
import { play } from './simulator/player.ts';

/** How to start a simulator. */
export interface SimulatorOptions {
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port?: number;
  /** Default `lively`: first token after 280 ms, then 80 tokens a second. */
  readonly latency?: Latency;
  /** Defaults for every call, as `POST /__sim/behaviour` sets them. */
  readonly behaviour?: Options;
  /** Also opens addresses that fail below HTTP, each on a free port of its own. */
  readonly deadEnds?: boolean;
}

/** A simulator that listens. */
export interface RunningSimulator {
  /** Without a trailing slash. */
  readonly url: string;
  /** Addresses that fail below HTTP, where they were asked for. */
  readonly deadEnds: Readonly<Record<DeadEnd, string>> | undefined;
  close(): Promise<void>;
}

type ChatRoute = Extract<Route, { kind: 'chat' }>;
type SideRoute = Extract<Route, { kind: 'side' }>;
type Head = ReturnType<typeof readHead>;

/** One request on its connection. */
interface Place {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly bytes: Buffer;
}

class SimulatorServer {
  readonly #memory = new SimulatorMemory();
  readonly #sockets = new Set<Socket>();
  readonly #connections = new WeakMap<Socket, number>();
  #connectionSerial = 0;
  readonly #server: Server;
  #latency: Latency;
  #defaults: Options;
  #serial = 0;
  #deadEnds: RunningDeadEnds | undefined;

  constructor(options: SimulatorOptions) {
    this.#latency = options.latency ?? 'lively';
    this.#defaults = options.behaviour ?? {};
    this.#server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      this.#serve(request, response).catch((error: unknown) => this.#broken(response, error));
    });
    this.#server.on('connection', (socket) => {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      this.#connections.set(socket, ++this.#connectionSerial);
      socket.on('close', () => this.#sockets.delete(socket));
      // Faults reset connections under their own feet.
      socket.on('error', () => socket.destroy());
    });
  }

  async listen(host: string, port: number, deadEnds: boolean): Promise<RunningSimulator> {
    if (deadEnds) this.#deadEnds = await startDeadEnds(host);
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, host, () => resolve());
    });
    const { port: bound } = this.#server.address() as AddressInfo;
    const name = host.includes(':') ? `[${host}]` : host;
    return {
      url: `http://${name}:${bound}`,
      deadEnds: this.#deadEnds?.urls,
      close: () => this.#close(),
    };
  }

  async #close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([closed, this.#deadEnds?.close()]);
  }

  #broken(response: ServerResponse, error: unknown): void {
    if (response.headersSent) response.destroy();
    else this.#json(response, 500, { error: { message: String(error), type: 'simulator_defect' } });
  }

  #json(response: ServerResponse, status: number, body: unknown): void {
    const text = JSON.stringify(body);
    response.writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    });
    response.end(text);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://simulator');
    if (url.pathname.startsWith('/__sim/')) return this.#control(request, response, url);
    const route = findRoute(request.method ?? '', url.pathname, url.searchParams);
    if (route === undefined) {
      request.resume();
      return this.#json(response, 404, {
        error: { message: `Invalid URL (${request.method} ${url.pathname})` },
      });
    }
    const bytes = request.method === 'GET' ? Buffer.alloc(0) : await readBody(request);
    const place: Place = { request, response, path: url.pathname, bytes };
    if (route.kind === 'side') this.#side(route, place);
    else await this.#chat(route, place);
  }

  #receive(place: Place, facts: Pick<ReceivedCall, 'model' | 'format' | 'stream' | 'fault'>): ReceivedCall {
    this.#serial++;
    const call: ReceivedCall = {
      id: `req_${this.#serial.toString(16)}`,
      at: new Date().toISOString(),
      method: place.request.method ?? '',
      path: place.path,
      request_bytes: place.bytes.length,
      connection: this.#connections.get(place.request.socket) ?? 0,
      ...facts,
      status: 0,
      usage: null,
      client_closed: false,
      done: false,
      ended_at: null,
    };
    this.#memory.add(call);
    return call;
  }

  /** What to answer: the fault, the answer, or the vendor's refusal of a request it cannot read. */
  #prepare(route: ChatRoute, place: Place): { script: Script; call: ReceivedCall; usage: Usage | undefined } {
    const { format } = route;
    let head: Head = { model: route.model ?? '', stream: route.stream ?? false, options: [] };
    const now = Date.now();
    try {
      const body = parseBody(place.bytes);
      head = readHead(route, body, place.request);
      const answer = answerCall(route, body, {
        head,
        defaults: this.#defaults,
        known: (hash) => this.#memory.isWarm(hash, now),
        serial: (this.#serial + 1).toString(16),
        created: Math.floor(now / 1000),
      });
      const { options } = answer;
      const { name } = parseModelName(head.model);
      const isStruck = options.fault !== undefined && this.#memory.strikes(options, name);
      const fault = isStruck ? (options.fault ?? null) : null;
      const call = this.#receive(place, { model: name, format, stream: head.stream, fault });
      this.#memory.warm(answer.simulated.remember, now);
      const telling: Telling = {
        codec: answer.codec,
        framing: answer.codec.framing,
        response: answer.simulated.response,
        reply: answer.reply,
        pace: paceOf(this.#latency, options),
      };
      const facts: TellingFacts = {
        format,
        stream: head.stream,
        headers: vendorHeaders(format, call.id),
        credential: credentialOf(place.request),
        now,
      };
      const script = tell(telling, facts, isStruck ? options : {});
      return { script, call, usage: answer.simulated.response.usage };
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      const call = this.#receive(place, {
        model: parseModelName(head.model).name,
        format,
        stream: head.stream,
        fault: null,
      });
      const { param, upstreamCode: errorCode } = error.facts;
      return {
        script: refuse(format, { status: error.status, message: error.message, param, errorCode }),
        call,
        usage: undefined,
      };
    }
  }

  async #chat(route: ChatRoute, place: Place): Promise<void> {
    const { script, call, usage } = this.#prepare(route, place);
    const { response } = place;
    const leaving = new AbortController();
    let over = false;
    response.on('close', () => {
      if (!over) leaving.abort();
    });
    call.status = script.status;
    const played = await play(response, script, leaving.signal);
    over = true;
    call.client_closed = played.clientClosed;
    // Who hangs up early is billed for the prompt: a vendor has read it by then.
    const isBilled = script.status < 400 && script.unbilled !== true;
    if (usage !== undefined && isBilled && (played.share > 0 || played.clientClosed))
      call.usage = billed(usage, played.share);
    this.#memory.finish(call);
  }

  #side(route: SideRoute, place: Place): void {
    const { request, response } = place;
    const isJson =
      request.method !== 'GET' && !(request.headers['content-type'] ?? '').startsWith('multipart/');
    const isGet = request.method === 'GET';
    try {
      const body = isJson ? parseBody(place.bytes) : {};
      const model = route.model ?? (typeof body['model'] === 'string' ? body['model'] : route.operation);
      const answer = answerSide(route.operation, { body, model, created: Math.floor(Date.now() / 1000) });
      const bytes = answer.body instanceof Uint8Array ? answer.body : JSON.stringify(answer.body);
      if (!isGet) {
        const { name } = parseModelName(model);
        const call = this.#receive(place, {
          model: name,
          format: route.operation,
          stream: false,
          fault: null,
        });
        call.status = 200;
        call.usage = { ...NOTHING_BILLED, input: answer.inputTokens, output: answer.outputTokens };
        this.#memory.finish(call);
      }
      response.writeHead(200, {
        'content-type': answer.contentType,
        'content-length': Buffer.byteLength(bytes),
        'x-request-id': `req_${this.#serial.toString(16)}`,
      });
      response.end(bytes);
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error;
      this.#json(
        response,
        error.status,
        errorBody('openai-chat', { status: error.status, message: error.message }),
      );
    }
  }

  async #control(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const what = `${request.method} ${url.pathname.slice('/__sim/'.length)}`;
    switch (what) {
      case 'GET log': {
        const limit = Number(url.searchParams.get('limit') ?? '1000');
        const model = url.searchParams.get('model') ?? undefined;
        return this.#json(response, 200, { data: this.#memory.log(limit, model) });
      }
      case 'DELETE log':
        this.#memory.clear();
        return this.#json(response, 200, { cleared: true });
      case 'GET totals':
        return this.#json(response, 200, this.#memory.totals());
      case 'GET faults':
        return this.#json(response, 200, { data: FAULTS, dead_ends: this.#listDeadEnds() });
      case 'POST behaviour':
        return this.#behave(request, response);
      default:
        return this.#json(response, 404, { error: { message: `Nothing at ${what}.` } });
    }
  }

  #listDeadEnds(): readonly { readonly mode: string; readonly does: string; readonly url: string | null }[] {
    return Object.entries(DEAD_ENDS).map(([mode, does]) => {
      return { mode, does, url: this.#deadEnds?.urls[mode as DeadEnd] ?? null };
    });
  }

  /** Sets what holds for all following requests: `{ options: "fault=e500 times=2", latency: "none" }`. */
  async #behave(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const bytes = await readBody(request);
    let body: JsonObject = {};
    try {
      body = bytes.length === 0 ? {} : parseBody(bytes);
    } catch {
      return this.#json(response, 400, { error: { message: 'The body must be a JSON object.' } });
    }
    const { latency, options, ...rest } = body;
    if (latency === 'none' || latency === 'lively') this.#latency = latency;
    const pairs = Object.entries(rest).map(([name, value]) => `${name}="${String(value)}"`);
    this.#defaults = parseOptions([typeof options === 'string' ? options : '', ...pairs].join(' '));
    return this.#json(response, 200, { latency: this.#latency, behaviour: this.#defaults });
  }
}

const NOTHING_BILLED: Billed = {
  input: 0,
  cache_read: 0,
  cache_write_5m: 0,
  cache_write_1h: 0,
  output: 0,
  reasoning: 0,
};

function refuse(format: FormatId, error: VendorError): Script {
  return {
    status: error.status,
    headers: errorHeaders(format, error),
    steps: [{ do: 'send', data: JSON.stringify(errorBody(format, error)) }, { do: 'end' }],
  };
}

/** The key a caller sent, for faults that echo it. */
function credentialOf(request: IncomingMessage): string {
  const { authorization, 'x-api-key': key, 'x-goog-api-key': google } = request.headers;
  const found = authorization?.replace(/^Bearer\s+/i, '') ?? key ?? google ?? '';
  return Array.isArray(found) ? (found[0] ?? '') : found;
}

/** Starts the simulator's HTTP server. */
export function startSimulator(options: SimulatorOptions = {}): Promise<RunningSimulator> {
  return new SimulatorServer(options).listen(
    options.host ?? '127.0.0.1',
    options.port ?? 0,
    options.deadEnds ?? false,
  );
}
