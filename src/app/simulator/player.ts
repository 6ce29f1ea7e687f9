import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Script, Step } from '../../providers/simulator/index.ts';

/** How a script ended. */
export interface Played {
  /** How much of the answer was written, 0 to 1. */
  readonly share: number;
  /** The peer hung up before the script was over. */
  readonly clientClosed: boolean;
}

/** Waits, or returns early when the signal fires. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = ms === Number.POSITIVE_INFINITY ? undefined : setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done, { once: true });
  });
}

/** Resolves when the writable takes data again or is gone. */
function drained(target: Writable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    function done(): void {
      target.off('drain', done);
      target.off('close', done);
      signal.removeEventListener('abort', done);
      resolve();
    }
    target.once('drain', done);
    target.once('close', done);
    signal.addEventListener('abort', done, { once: true });
  });
}

function compressed(script: Script): Script {
  if (script.codings === undefined || script.codings.length === 0) return script;
  const pieces: Buffer[] = [];
  let end: Step = { do: 'end' };
  for (const step of script.steps) {
    if (step.do === 'send') pieces.push(Buffer.from(step.data as string));
    else if (step.do !== 'wait') end = step;
  }
  let body = Buffer.concat(pieces);
  for (const coding of script.codings) body = coding === 'gzip' ? gzipSync(body) : brotliCompressSync(body);
  const headers = { ...script.headers, 'content-encoding': script.codings.join(', ') };
  const data = Buffer.concat(Array.from({ length: script.repeatBody ?? 1 }, () => body));
  return { ...script, headers, steps: [{ do: 'send', data, share: 1 }, end] };
}

/** An unpaced, whole answer is sent with its length, as vendors do. */
function asWhole(steps: readonly Step[]): string | Uint8Array | undefined {
  const [first, second] = steps;
  return steps.length === 2 && first?.do === 'send' && second?.do === 'end' ? first.data : undefined;
}

class Player {
  readonly #response: ServerResponse;
  readonly #socket: Socket;
  readonly #script: Script;
  readonly #signal: AbortSignal;
  #share = 0;

  constructor(response: ServerResponse, script: Script, signal: AbortSignal) {
    this.#response = response;
    this.#socket = response.socket as Socket;
    this.#script = script;
    this.#signal = signal;
  }

  async play(): Promise<Played> {
    for (const status of this.#script.informational ?? []) this.#inform(status);
    const { steps } = this.#script;
    const whole = Array.isArray(steps) ? asWhole(steps) : undefined;
    if (whole !== undefined && this.#script.raw !== true) {
      this.#head({ 'content-length': String(Buffer.byteLength(whole)) });
      this.#response.end(whole);
      return { share: 1, clientClosed: this.#signal.aborted };
    }
    for (const step of steps) {
      if (this.#signal.aborted) return { share: this.#share, clientClosed: true };
      await this.#step(step);
    }
    return { share: this.#share, clientClosed: this.#signal.aborted };
  }

  #inform(status: number): void {
    if (status === 103) this.#response.writeEarlyHints({ link: '</style.css>; rel=preload' });
    else if (status === 102) this.#response.writeProcessing();
    else this.#response.writeContinue();
  }

  #head(extra: Readonly<Record<string, string>> = {}): void {
    if (this.#response.headersSent || this.#script.raw === true) return;
    this.#response.writeHead(this.#script.status, { ...this.#script.headers, ...extra });
  }

  async #step(step: Step): Promise<void> {
    const target = this.#script.raw === true ? this.#socket : this.#response;
    switch (step.do) {
      case 'send':
        this.#head();
        if (step.share !== undefined) this.#share = step.share;
        if (!target.write(step.data)) await drained(target, this.#signal);
        break;
      case 'wait':
        await pause(step.ms, this.#signal);
        break;
      case 'end':
        this.#head();
        target.end();
        break;
      case 'head':
        this.#head();
        this.#response.flushHeaders();
        break;
      case 'fin':
        await this.#flushed(target);
        this.#socket.end();
        break;
      case 'reset':
        await this.#flushed(target);
        this.#socket.resetAndDestroy();
        break;
    }
  }

  /** A reset would overtake what is still in the socket's buffer. */
  async #flushed(target: Writable): Promise<void> {
    if (this.#script.raw !== true && !this.#response.headersSent) return;
    await new Promise<void>((resolve) => {
      if (target.destroyed || this.#signal.aborted) resolve();
      else target.write('', () => resolve());
    });
    await pause(5, this.#signal);
  }
}

/** Plays a script on a connection, with back-pressure, until its end or until the peer leaves. */
export function play(response: ServerResponse, script: Script, signal: AbortSignal): Promise<Played> {
  return new Player(response, compressed(script), signal).play();
}
