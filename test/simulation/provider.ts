import { type AnswerSource, ReceivedAnswer } from '../../src/adapters/http1/answer.ts';
import { AnswerTimeoutError } from '../../src/adapters/http1/errors.ts';
import { SluiceError } from '../../src/core/errors/error.ts';
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../../src/ports/upstream.ts';
import type { Timeline } from './clock.ts';
import type { Script } from './faults.ts';
import type { Dialect } from './wire.ts';

/** What the simulated providers know of one call. */
export interface CallFacts {
  readonly number: number;
  /** Which client's request it is made for. */
  readonly mark: number;
  readonly origin: string;
  /** The provider's name of the model. */
  readonly model: string;
  readonly credential: string;
  readonly dialect: Dialect;
  readonly stream: boolean;
  readonly startedAt: number;
  /** Everything it would say. */
  readonly text: string;
  readonly script: Script;
  /** What it claims to have used, as far as that is a number of tokens. */
  readonly used: { readonly input: number; readonly output: number } | undefined;
}

/** One call as the provider sees it: a connection with a script. The other side of `ReceivedAnswer`. */
export class ProviderCall implements AnswerSource {
  readonly facts: CallFacts;
  paused = false;
  aborted = false;
  /** When the connection was gone, on either side's wish. */
  closedAt: number | undefined;
  /** The provider has read the request. */
  reached = false;
  /** Everything was sent and the connection ended in peace. */
  completed = false;
  readonly #timeline: Timeline;
  readonly #request: UpstreamRequest;
  readonly #handler: ReceivedAnswer;
  readonly #waiting = new Set<() => void>();
  #idle: (() => void) | undefined;
  #next = 0;
  #held = false;

  constructor(
    facts: CallFacts,
    wiring: {
      readonly timeline: Timeline;
      readonly request: UpstreamRequest;
      readonly handler: ReceivedAnswer;
    },
  ) {
    this.facts = facts;
    this.#timeline = wiring.timeline;
    this.#request = wiring.request;
    this.#handler = wiring.handler;
    this.#handler.onSource(this);
    this.#connect();
  }

  abort(): void {
    if (this.closedAt !== undefined) return;
    this.aborted = true;
    this.#fail(new Error('cancelled'));
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    if (!this.#held) return;
    this.#held = false;
    this.#in(0, () => this.#piece());
  }

  /** The process at the other end died. */
  drop(): void {
    this.#close();
  }

  #in(ms: number, run: () => void): () => void {
    const cancel = this.#timeline.in(ms, () => {
      this.#waiting.delete(cancel);
      run();
    });
    this.#waiting.add(cancel);
    return cancel;
  }

  #connect(): void {
    const { connectMs, refuses, headersMs } = this.facts.script;
    const { timeouts } = this.#request;
    if (timeouts.totalMs > 0) {
      this.#in(timeouts.totalMs, () =>
        this.#fail(new SluiceError('upstream_timeout', 'The provider did not answer in time.')),
      );
    }
    if (connectMs === undefined) {
      // What the provider does not answer only the gateway's own limit ends.
      if (timeouts.connectMs > 0)
        this.#in(timeouts.connectMs, () => this.#fail(coded('UND_ERR_CONNECT_TIMEOUT')));
      return;
    }
    this.#in(connectMs, () => {
      if (refuses) {
        this.#fail(coded('ECONNREFUSED'));
        return;
      }
      this.reached = true;
      if (this.closedAt !== undefined) return;
      const { firstByteMs } = timeouts;
      const limit =
        firstByteMs > 0 ? this.#in(firstByteMs, () => this.#fail(new AnswerTimeoutError())) : undefined;
      if (headersMs === undefined) return;
      this.#in(headersMs, () => {
        limit?.();
        this.#answer();
      });
    });
  }

  #answer(): void {
    const { script } = this.facts;
    if (script.status === 0) {
      this.#fail(coded('ECONNRESET'));
      return;
    }
    this.#handler.onHead(script.status, { ...script.headers });
    this.#armIdle();
    this.#later();
  }

  #later(): void {
    const { pieces, close, closeMs } = this.facts.script;
    const piece = pieces[this.#next];
    if (piece !== undefined) {
      this.#in(piece.afterMs, () => this.#piece());
      return;
    }
    if (close !== 'hang') this.#in(closeMs, () => this.#finish());
  }

  #piece(): void {
    if (this.paused) {
      this.#held = true;
      return;
    }
    const piece = this.facts.script.pieces[this.#next];
    if (piece === undefined || this.closedAt !== undefined) return;
    this.#next++;
    this.#armIdle();
    this.#handler.onData(piece.bytes);
    if (this.closedAt === undefined) this.#later();
  }

  #finish(): void {
    if (this.facts.script.close === 'reset') {
      this.#fail(coded('ECONNRESET'));
      return;
    }
    this.completed = true;
    this.#close();
    this.#handler.onEnd();
  }

  /** The adapter's limit between pieces: does not count while the reader holds the connection. */
  #armIdle(): void {
    this.#idle?.();
    const { idleMs } = this.#request.timeouts;
    if (idleMs === 0) return;
    this.#idle = this.#in(idleMs, () => {
      if (this.paused) this.#armIdle();
      else this.#fail(new AnswerTimeoutError());
    });
  }

  #fail(error: Error): void {
    if (this.closedAt !== undefined) return;
    this.#close();
    this.#handler.onError(error);
  }

  #close(): void {
    this.closedAt ??= this.#timeline.now;
    for (const cancel of this.#waiting) cancel();
    this.#waiting.clear();
  }
}

function coded(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** The port over simulated providers: as `adapters/http1/upstream.ts`, with a script in place of connections. */
export function simulatedUpstream(
  call: (request: UpstreamRequest, handler: ReceivedAnswer) => void,
): Upstream {
  return {
    send: (request, signal) =>
      new Promise<UpstreamAnswer>((resolve, reject) => {
        const left = (): SluiceError => new SluiceError('client_closed', 'The client left.');
        if (signal.aborted) {
          reject(left());
          return;
        }
        const failed = (error: SluiceError): void => reject(signal.aborted ? left() : error);
        // The limit on the whole is kept by `ProviderCall`: the adapter's own timer is a real one.
        const timeouts = { ...request.timeouts, totalMs: 0 };
        const answer = new ReceivedAnswer(resolve, failed, { ...request, timeouts });
        const abort = (): void => {
          answer.cancel();
          if (answer.status === 0) reject(left());
        };
        signal.addEventListener('abort', abort, { once: true });
        call(request, answer);
      }),
    close: async () => undefined,
  };
}
