import { AnswerCache, type KeptFacts, type Origin } from '../core/cache/answer-cache.ts';
import { SluiceError } from '../core/errors/error.ts';
import type { ChatResponse, StreamEvent } from '../core/model/index.ts';
import { createCollector } from '../core/translation/collect.ts';
import { replayResponse } from '../core/translation/replay.ts';
import type { Clock } from '../ports/clock.ts';
import type { Metrics } from '../ports/metrics.ts';
import { decodeStream, decodeWhole } from './answer-tap.ts';
import { type CacheKeys, cacheKeys } from './cache-key.ts';
import type { Ending } from './compose.ts';
import { type Answer, type Answered, type Exchange, extend, type Guarded } from './exchange.ts';
import { type Beginning, Flight, FlightBuffers } from './flight.ts';
import type { CachePolicy } from './runtime.ts';
import { tethered, tetherOf } from './tether.ts';

/** What an exchange has to do with the answers of others. */
interface Sharing {
  readonly policy: CachePolicy;
  readonly keys: CacheKeys;
  /** The flight it leads. */
  flight?: Flight | undefined;
  /** Called when a follower's exchange ends. */
  leave?: (() => void) | undefined;
}

type Shared = Guarded & { sharing?: Sharing };

async function* once(events: readonly StreamEvent[]): AsyncGenerator<readonly StreamEvent[]> {
  yield events;
}

/** The stream is read on after its client has left, for as long as anything holds it. */
function tied(exchange: Answered): Answered {
  const { tether, answer } = exchange;
  if (tether === undefined) return exchange;
  if (answer.kind === 'byte-stream') {
    return extend(exchange, { answer: { ...answer, chunks: tethered(answer.chunks, tether) } });
  }
  if (answer.kind !== 'event-stream') return exchange;
  return extend(exchange, { answer: { ...answer, events: tethered(answer.events, tether) } });
}

/** Whether an answer is worth repeating: whole, by the model's own decision, and nothing but words. */
function isKeepable({ choices }: ChatResponse): boolean {
  return choices.every(
    ({ finish, parts }) =>
      (finish.reason === 'stop' || finish.reason === 'stop_sequence') &&
      parts.length > 0 &&
      parts.every(({ type }) => type === 'text' || type === 'reasoning'),
  );
}

/** Seconds that the client's `x-sluice-cache: ttl=…` names, as milliseconds. */
function ownTtlMs(exchange: Exchange): number | undefined {
  const { cache } = exchange.client;
  return cache?.startsWith('ttl=') === true ? Number(cache.slice(4)) * 1000 : undefined;
}

/**
 * Answers that equal requests share: finished ones from a cache in memory, and those under way from the call of the first
 * request that asked. Partitioned by tenant. It outlives configurations; policies come with each request.
 */
export class SharedAnswers {
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #cache = new AnswerCache();
  readonly #flights = new Map<string, Flight>();
  readonly #buffers = new FlightBuffers();

  constructor(ports: { readonly clock: Clock; readonly metrics: Metrics }) {
    this.#clock = ports.clock;
    this.#metrics = ports.metrics;
    this.#metrics.gauge('sluice_cache_bytes', () => [{ labels: {}, value: this.#cache.bytes }]);
    this.#metrics.gauge('sluice_cache_entries', () => [{ labels: {}, value: this.#cache.size }]);
  }

  /** The finished answers, for the control plane. */
  get cache(): AnswerCache {
    return this.#cache;
  }

  /** The answer of another request, if there is or will be one; else this request goes its own way. */
  lookup(exchange: Guarded): Answered | undefined | Promise<Answered | undefined> {
    const policy = exchange.runtime.cache;
    const keys = policy === undefined ? undefined : cacheKeys(exchange, policy);
    if (policy === undefined || keys === undefined) {
      exchange.facts.cache = 'bypass';
      return undefined;
    }
    exchange.facts.cache = 'miss';
    const sharing: Sharing = { policy, keys };
    extend(exchange, { sharing });
    const fresh = exchange.client.cache === 'no-cache';
    const kept = policy.exact && !fresh ? this.#find(exchange, keys) : undefined;
    if (kept !== undefined) return this.#hit(exchange, kept.response, kept.facts.origin);
    if (!policy.singleFlight || fresh) return undefined;
    const flight = this.#flights.get(keys.flight);
    return flight === undefined ? this.#lead(exchange, sharing) : this.#follow(exchange, sharing, flight);
  }

  /** Hands an answer that has begun to whoever waits for it, and keeps it when it is complete. */
  share(exchange: Answered & { sharing?: Sharing }): Answered {
    const { sharing, answer } = exchange;
    if (sharing === undefined || exchange.facts.cache !== 'miss') return tied(exchange);
    const { flight } = sharing;
    flight?.begin({ answer, plan: exchange.facts.plan, origin: originOf(exchange) });
    if (answer.kind === 'whole' || answer.kind === 'bytes') {
      this.#keep(exchange, sharing, () => this.#wholeOf(exchange, answer));
      return exchange;
    }
    const recorded =
      answer.kind === 'byte-stream'
        ? { ...answer, chunks: this.#recorded(exchange, answer.chunks, sharing) }
        : { ...answer, events: this.#recorded(exchange, answer.events, sharing) };
    return tied(extend(exchange, { answer: recorded }));
  }

  /** The exchange is over. */
  end(exchange: Exchange & { sharing?: Sharing }, ending: Ending): void {
    const { sharing } = exchange;
    if (sharing === undefined) return;
    sharing.leave?.();
    if (sharing.flight === undefined) return;
    const error =
      'error' in ending ? ending.error : new SluiceError('client_closed', 'The leading client left.');
    if (ending.kind === 'answered') sharing.flight.finish();
    else sharing.flight.fail(error);
  }

  #find(exchange: Guarded, keys: CacheKeys): ReturnType<AnswerCache['find']> {
    return this.#cache.find(keys.answer, this.#clock.monotonic(), ownTtlMs(exchange));
  }

  #hit(exchange: Guarded, response: ChatResponse, origin: Origin | undefined): Answered {
    const answer: Answer = exchange.envelope.stream
      ? { kind: 'event-stream', events: once(replayResponse(response)) }
      : { kind: 'whole', response };
    exchange.facts.finish = response.choices[0]?.finish;
    return this.#shared(exchange, { answer, plan: 'canonical', origin }, 'exact');
  }

  #shared(exchange: Guarded, { answer, plan, origin }: Beginning, how: 'exact' | 'flight'): Answered {
    exchange.facts.cache = 'hit';
    exchange.facts.plan = plan;
    exchange.facts.origin = origin;
    this.#metrics.count('sluice_cache_hits_total', { kind: how });
    return extend(exchange, { answer });
  }

  #lead(exchange: Shared, sharing: Sharing): undefined {
    const { maxBufferBytes, maxBuffersBytes } = sharing.policy;
    const { flight: key } = sharing.keys;
    const flight: Flight = new Flight({
      maxBytes: maxBufferBytes,
      maxTotalBytes: maxBuffersBytes,
      buffers: this.#buffers,
      closed: () => {
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
      },
    });
    this.#flights.set(key, flight);
    sharing.flight = flight;
    flight.lead(tetherOf(exchange));
    return undefined;
  }

  async #follow(exchange: Guarded, sharing: Sharing, flight: Flight): Promise<Answered | undefined> {
    const told = await flight.follow(exchange, this.#clock);
    if (told === 'lead') {
      sharing.flight = flight;
      flight.lead(tetherOf(exchange));
      return undefined;
    }
    sharing.leave = told.leave;
    return this.#shared(exchange, told, 'flight');
  }

  /** The leader's stream: each piece is handed to the followers as well, and the whole kept at its end. */
  #recorded<Piece extends Uint8Array | readonly StreamEvent[]>(
    exchange: Answered,
    source: AsyncIterable<Piece>,
    sharing: Sharing,
  ): AsyncIterable<Piece> {
    const { flight, policy } = sharing;
    const recording = new Recording(policy.exact ? policy.maxEntryBytes : 0);
    const keep = () => this.#keep(exchange, sharing, () => recording.response(exchange));
    async function* record(): AsyncGenerator<Piece> {
      try {
        for await (const piece of source) {
          flight?.push(piece);
          recording.push(piece);
          yield piece;
        }
      } catch (error) {
        flight?.finish(error);
        throw error;
      }
      keep();
      flight?.finish();
    }
    return record();
  }

  #wholeOf(exchange: Answered, answer: Answer): ChatResponse | undefined {
    if (answer.kind === 'whole') return answer.response;
    if (answer.kind !== 'bytes') return undefined;
    return decodeWhole(exchange, answer.bytes);
  }

  #keep(exchange: Answered, sharing: Sharing, read: () => ChatResponse | undefined): void {
    const { policy, keys } = sharing;
    if (!policy.exact) return;
    let response: ChatResponse | undefined;
    let bytes = 0;
    try {
      response = read();
      if (response === undefined || !isKeepable(response)) return;
      bytes = Buffer.byteLength(JSON.stringify(response));
    } catch {
      // What cannot be understood is not kept.
      return;
    }
    if (bytes > policy.maxEntryBytes) return;
    const now = this.#clock.monotonic();
    const ttlMs = ownTtlMs(exchange) ?? policy.ttlMs;
    this.#cache.put(keys.answer, response, {
      now,
      ttlMs,
      bytes,
      maxBytes: policy.maxBytes,
      facts: factsOf(exchange),
    });
  }
}

function originOf({ facts }: Exchange): Origin | undefined {
  const { deployment } = facts;
  return deployment === undefined
    ? facts.origin
    : { provider: deployment.provider.name, upstreamModel: deployment.model };
}

/** Whose answer it is. Runs only where an answer is kept. */
function factsOf(exchange: Answered): KeptFacts {
  const { grant, principal } = exchange;
  const { key } = principal;
  return {
    model: grant.route.name,
    organizationId: key?.organizationId,
    teamId: key?.teamId,
    keyId: key?.id,
    origin: originOf(exchange),
  };
}

/** A stream as it went by, for the cache. Stops remembering what would be too large. */
class Recording {
  #left: number;
  readonly #bytes: Uint8Array[] = [];
  readonly #collector = createCollector();

  constructor(maxBytes: number) {
    // Frames weigh several times what they carry.
    this.#left = maxBytes * 8;
  }

  push(piece: Uint8Array | readonly StreamEvent[]): void {
    if (this.#left <= 0) return;
    if (piece instanceof Uint8Array) {
      this.#left -= piece.length;
      this.#bytes.push(piece);
    } else {
      for (const event of piece) this.#left -= 50 + (event.type === 'delta' ? event.text.length : 0);
      this.#collector.push(piece);
    }
    if (this.#left <= 0) this.#bytes.length = 0;
  }

  /** The whole answer; `undefined` when it was too large. */
  response(exchange: Answered): ChatResponse | undefined {
    if (this.#left <= 0) return undefined;
    const response =
      this.#bytes.length > 0 ? decodeStream(exchange, this.#bytes) : this.#collector.response();
    const { usage } = exchange.facts;
    return usage === undefined || response === undefined ? response : { ...response, usage };
  }
}
