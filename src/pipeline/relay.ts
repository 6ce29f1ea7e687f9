import { isObject, type Json, type JsonObject, type Usage } from '../core/model/index.ts';
import { UsageWatcher } from '../formats/operations/index.ts';
import { createSseReader } from '../formats/sse.ts';
import type { UpstreamAnswer } from '../ports/upstream.ts';
import type { Facts } from './exchange.ts';

/** What goes to the client of an operation: a status, a few headers and bytes, whole or as they come. */
export interface Relayed {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** A stream throws a `SluiceError` where it breaks off. */
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
}

/** A JSON answer larger than this is forwarded without looking for usage in it. */
const MAX_WATCHED_BYTES = 8 * 1024 * 1024;

/** Looks at bytes that go by. */
interface Watch {
  push(chunk: Uint8Array): void;
  /** The last event or the whole answer, once it is complete. */
  end(): void;
}

function parse(text: string): JsonObject | undefined {
  try {
    const value = JSON.parse(text) as Json;
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function watchEvents(observe: (event: JsonObject) => void): Watch {
  // A stream that is no SSE after all must not break the relay.
  let reader: ReturnType<typeof createSseReader> | undefined = createSseReader(MAX_WATCHED_BYTES);
  const read = (frames: () => readonly { readonly data: string }[]): void => {
    try {
      for (const { data } of frames()) {
        if (!/usage/i.test(data)) continue;
        const event = parse(data);
        if (event !== undefined) observe(event);
      }
    } catch {
      reader = undefined;
    }
  };
  return {
    push: (chunk) => read(() => reader?.push(chunk) ?? []),
    end: () => read(() => reader?.end() ?? []),
  };
}

function watchWhole(observe: (answer: JsonObject) => void): Watch {
  let chunks: Uint8Array[] = [];
  let size = 0;
  return {
    push(chunk) {
      size += chunk.length;
      if (size > MAX_WATCHED_BYTES) chunks = [];
      else chunks.push(chunk);
    },
    end() {
      const answer = size > MAX_WATCHED_BYTES ? undefined : parse(Buffer.concat(chunks).toString('utf8'));
      if (answer !== undefined) observe(answer);
    },
  };
}

function watchFor(contentType: string, observe: (body: JsonObject) => void): Watch | undefined {
  if (/^text\/event-stream\b/i.test(contentType)) return watchEvents(observe);
  return /^application\/([a-z0-9.+-]*\+)?json\b/i.test(contentType) ? watchWhole(observe) : undefined;
}

/**
 * An upstream's body as it comes, untouched, with the usage it reports noted in `facts` on the way. Waits for the first
 * chunk, so that an upstream that dies at once can still be failed over. `read` puts the usage of an event into the classes
 * of the operation; without it they are as reported.
 */
export async function relayBody(
  answer: UpstreamAnswer,
  facts: Pick<Facts, 'usage' | 'deliveredBytes'>,
  read?: (event: JsonObject) => Usage,
): Promise<AsyncIterable<Uint8Array>> {
  const watcher = new UsageWatcher();
  const watch = watchFor(answer.headers['content-type'] ?? '', (body) => {
    const before = watcher.usage;
    watcher.observe(body);
    if (watcher.usage !== before && watcher.usage !== undefined) facts.usage = read?.(body) ?? watcher.usage;
  });
  const chunks = answer[Symbol.asyncIterator]();
  let step = await chunks.next();
  async function* deliver(): AsyncGenerator<Uint8Array> {
    try {
      for (; step.done !== true; step = await chunks.next()) {
        watch?.push(step.value);
        // Bytes of media say nothing about tokens.
        if (watch !== undefined) facts.deliveredBytes += step.value.length;
        yield step.value;
      }
      watch?.end();
    } finally {
      answer.cancel();
    }
  }
  return deliver();
}
