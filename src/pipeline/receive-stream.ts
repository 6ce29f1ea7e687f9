import { SluiceError } from '../core/errors/error.ts';
import type { StreamEvent } from '../core/model/index.ts';
import { createCollector } from '../core/translation/collect.ts';
import type { Source } from '../formats/codec.ts';
import { createFrameReader } from '../formats/reader.ts';
import { type ByteTap, createByteTap } from '../formats/tap.ts';
import type { UpstreamAnswer } from '../ports/upstream.ts';
import type { DeadlineWatch } from './deadline-watch.ts';
import { refuseEmptyEnd } from './empty-end.ts';
import type { Answer, Facts, Routed } from './exchange.ts';
import { Forwarded } from './forwarded.ts';
import type { Prepared } from './prepare.ts';
import type { ProgressClock } from './progress.ts';

/** A stream that has begun, and how to read it. */
export interface Incoming {
  readonly answer: UpstreamAnswer;
  readonly prepared: Prepared;
  readonly source: Source;
  readonly provider: string;
  /** Id of the deployment that answers. */
  readonly deployment: string;
  readonly progress: ProgressClock;
  readonly watch: DeadlineWatch;
  /** Largest event. */
  readonly maxEventBytes: number;
}

/** Lifecycle frames held back before the first content may not grow beyond this. */
const MAX_HELD_BYTES = 1024 * 1024;
const MAX_HELD_EVENTS = 10_000;

function empty(incoming: Incoming): SluiceError {
  const { provider } = incoming;
  return new SluiceError('upstream_malformed', `\`${provider}\` sent a stream without content.`, {
    provider,
  });
}

/** Parts that say nothing by being opened: their text comes later. */
const HOLLOW: ReadonlySet<string> = new Set(['text', 'refusal', 'reasoning']);

/** The commit point: content a client can use, or an ending. An opened part is still only a frame. */
function begins(event: StreamEvent): boolean {
  if (event.type === 'delta') return event.text !== '';
  if (event.type !== 'part_start') return event.type === 'finish' || event.type === 'citation';
  return !HOLLOW.has(event.head.type) || 'redacted' in event.head;
}

function meter(facts: Facts, events: readonly StreamEvent[]): void {
  for (const event of events) {
    if (event.type === 'delta') facts.deliveredBytes += Buffer.byteLength(event.text);
    else if (event.type === 'usage') {
      facts.usage = event.usage;
      facts.usageAt = facts.deliveredBytes;
    } else if (event.type === 'finish' && event.choice === 0) facts.finish = event.finish;
  }
}

/** Splits off what stands before an error event, so that it can still be delivered. */
function untilError(events: readonly StreamEvent[]): { before: readonly StreamEvent[]; error?: SluiceError } {
  const at = events.findIndex((event) => event.type === 'error');
  const found = events[at];
  if (found?.type !== 'error') return { before: events };
  return { before: events.slice(0, at), error: found.error };
}

/** Events of an upstream stream, one array per network chunk; throws where it breaks off. */
async function* decodeStream(incoming: Incoming): AsyncGenerator<readonly StreamEvent[], undefined> {
  const { prepared, source, answer, progress } = incoming;
  const reader = createFrameReader(prepared.framing, incoming.maxEventBytes);
  const decoder = prepared.codec.streamDecoder(source);
  const decode = (frames: ReturnType<typeof reader.push>): StreamEvent[] => {
    const events: StreamEvent[] = [];
    for (const frame of frames) events.push(...decoder.push(frame));
    return events;
  };
  let broken: unknown;
  progress.wait();
  for await (const chunk of breakable(answer, (error) => (broken = error))) {
    progress.arrived();
    incoming.watch.forget(progress);
    const { before, error } = untilError(decode(reader.push(chunk)));
    if (before.length > 0) yield before;
    if (error !== undefined) throw error;
    progress.judge(before);
    progress.wait();
  }
  const { before, error } = untilError([...decode(reader.end()), ...decoder.end()]);
  // A connection that breaks after the answer has said its last word breaks nothing: the client has it whole.
  if (broken !== undefined && (error !== undefined || before.length > 0)) throw broken;
  if (before.length > 0) yield before;
  if (error !== undefined) throw error;
}

/** The chunks of an answer up to where its connection breaks, which `broke` is told. */
function breakable(answer: UpstreamAnswer, broke: (error: unknown) => void): AsyncIterable<Uint8Array> {
  const chunks = answer[Symbol.asyncIterator]();
  return {
    [Symbol.asyncIterator]: () => ({
      next: () =>
        chunks.next().catch((error: unknown) => {
          broke(error);
          return { done: true, value: undefined };
        }),
      return: async () => (await chunks.return?.()) ?? { done: true, value: undefined },
    }),
  };
}

async function receiveEvents(exchange: Routed, incoming: Incoming): Promise<Answer> {
  const { facts } = exchange;
  const collector = createCollector();
  const stream = decodeStream(incoming);
  const held: StreamEvent[] = [];
  let first = -1;
  while (first < 0) {
    const { done, value } = await stream.next();
    if (done === true || held.length > MAX_HELD_EVENTS) throw empty(incoming);
    const at = value.findIndex(begins);
    if (at >= 0) first = held.length + at;
    held.push(...value);
  }
  const event = held[first];
  if (event?.type === 'finish') refuseEmptyEnd(exchange, event.finish, incoming.provider);
  async function* deliver(): AsyncGenerator<readonly StreamEvent[]> {
    try {
      meter(facts, held);
      collector.push(held);
      yield held;
      for await (const events of stream) {
        meter(facts, events);
        collector.push(events);
        yield events;
      }
      exchange.remember(collector.response().choices[0]?.parts ?? []);
    } finally {
      incoming.answer.cancel();
    }
  }
  return { kind: 'event-stream', events: deliver() };
}

async function receiveBytes(exchange: Routed, incoming: Incoming, tap: ByteTap): Promise<Answer> {
  const { progress } = incoming;
  const chunks = incoming.answer[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  let heldBytes = 0;
  let ended = false;
  while (!tap.state.committed && !ended) {
    progress.wait();
    const { done, value } = await chunks.next();
    progress.arrived();
    ended = done === true;
    const piece = done === true ? tap.end() : tap.push(value);
    if (piece.length > 0) held.push(piece);
    heldBytes += piece.length;
    if (!tap.state.committed && tap.state.error !== undefined) throw tap.state.error;
    if (!ended) progress.judgeBytes(piece, tap.state.contentBytes);
    incoming.watch.forget(progress);
    if (!tap.state.committed && heldBytes > MAX_HELD_BYTES) throw empty(incoming);
  }
  if (!tap.state.committed) throw empty(incoming);
  if (tap.state.contentBytes === 0 && tap.state.finish !== undefined) {
    refuseEmptyEnd(exchange, tap.state.finish, incoming.provider);
  }
  const forwarded = new Forwarded(exchange, incoming, { tap, chunks, held, ended });
  return { kind: 'byte-stream', contentType: 'text/event-stream; charset=utf-8', chunks: forwarded };
}

/**
 * Reads a stream up to its first real event and hands over the rest. Bytes of the client's own format are tapped, others
 * decoded. Throws what the attempt failed with.
 */
export async function receiveStream(exchange: Routed, incoming: Incoming): Promise<Answer> {
  const { prepared, source } = incoming;
  const rules = prepared.codec.tap;
  const { answer, watch, progress } = incoming;
  if (progress.deadline !== Number.POSITIVE_INFINITY) watch.add(progress);
  try {
    if (prepared.plan === 'canonical' || rules === undefined) return await receiveEvents(exchange, incoming);
    const options = { hideUsage: prepared.hideUsage, maxEventBytes: incoming.maxEventBytes };
    return await receiveBytes(exchange, incoming, createByteTap(rules, source.quirks, options));
  } catch (error) {
    answer.cancel();
    throw progress.failure(error);
  } finally {
    watch.forget(progress);
  }
}
