// Load generator and upstream in one process and one event loop: on one core that is cheaper than two processes, and a
// latency is measured by one clock. Driven by messages from bench.mjs, one run at a time.
import { percentile } from '../figures.mjs';
import { cpuOf } from '../processes.mjs';
import { ClientConnection } from './client.mjs';
import { openUpstream } from './upstream.mjs';
import { MARK, MARK_DIGITS, requestBody, requestBytes } from './wire.ts';

const upstream = await openUpstream();

/** The answer as it has to look; a gateway that answers something else faster is not faster. */
function check(answer, stream) {
  const ok = stream
    ? answer.includes('"finish_reason":"stop"') && (answer.match(/\bharbour"/g)?.length ?? 0) === 97
    : answer.includes('"usage":{') && answer.endsWith('}');
  if (!ok) throw new Error(`the answer is not the upstream's: ${answer.slice(-400)}`);
}

/** Sends one request at a time until `count` connections are up and one answer has been looked at. */
async function openConnections(count, bytes, run) {
  const connections = [];
  let resolveOne;
  let fail;
  const failure = new Promise((_, reject) => {
    fail = reject;
  });
  failure.catch(() => undefined);
  const state = { finished: () => resolveOne?.() };
  for (let index = 0; index < count; index++) {
    const connection = new ClientConnection(run.port, {
      finished: (done) => state.finished(done),
      failed: (sentence) => fail(new Error(sentence)),
    });
    connections.push(connection);
    await Promise.race([connection.connected(), failure]);
  }
  const answered = new Promise((resolve) => {
    resolveOne = resolve;
  });
  connections[0].send(bytes, { keep: true });
  await Promise.race([answered, failure]);
  check(connections[0].kept, run.stream);
  return { connections, state, failure };
}

/** As fast as `connections` allow, for `warmMs` and then `ms`. */
async function saturate(run) {
  upstream.mode.delayMs = 0;
  upstream.mode.holds = undefined;
  const bytes = requestBytes(run.port, run.key, requestBody(run.bytes, run));
  const { connections, state, failure } = await openConnections(run.connections, bytes, run);
  let total = 1;
  const latencies = [];
  const begin = performance.now();
  const measureFrom = begin + run.warmMs;
  const end = measureFrom + run.ms;
  let cpu;
  let measured = 0;
  const result = await Promise.race([
    failure,
    new Promise((resolve) => {
      let open = connections.length;
      state.finished = (connection) => {
        total++;
        const now = performance.now();
        if (now >= measureFrom && now < end) {
          cpu ??= { ...cpuOf(run.pid), at: now };
          measured++;
          latencies.push(now - connection.sentAt);
        } else if (now >= end) {
          if (open === connections.length) resolveWindow(now);
          if (--open === 0) resolve(window);
          return;
        }
        connection.send(bytes);
      };
      let window;
      const resolveWindow = (now) => {
        const after = cpuOf(run.pid);
        const ms = now - cpu.at;
        window = {
          perSecond: (measured / ms) * 1000,
          share: (after.total - cpu.total) / 1000 / ms,
          crowded: (after.waited - cpu.waited) / 1000 / ms,
        };
      };
      for (const connection of connections) connection.send(bytes);
    }),
  ]);
  for (const connection of connections) connection.close();
  return { ...result, total, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
}

/** Further waiting for answers after the last request was due, at most. */
const PATIENCE_MS = 10_000;

/**
 * One request for each number, on whichever connection is idle. Where none is, the request waits, and its wait counts from
 * when it was due: who falls behind is not spared.
 */
class Pacer {
  #run;
  #waiting = [];
  #idle;
  #template;
  #markAt;
  #numbers = new Map();
  waits = [];
  firsts = [];
  open = 0;

  constructor(run, opened, template) {
    this.#run = run;
    this.#idle = [...opened.connections];
    this.#template = template;
    this.#markAt = template.lastIndexOf(MARK) + MARK.length;
    opened.state.finished = (connection) => this.#finished(connection);
  }

  send(number, due) {
    this.open++;
    const connection = this.#idle.pop();
    if (connection === undefined) this.#waiting.push({ number, due });
    else this.#sendOn(connection, { number, due });
  }

  #sendOn(connection, { number, due }) {
    const bytes = Buffer.from(this.#template);
    bytes.latin1Write(String(number).padStart(MARK_DIGITS, '0'), this.#markAt);
    this.#numbers.set(connection, number);
    connection.send(bytes, { due });
  }

  #finished(connection) {
    const number = this.#numbers.get(connection);
    const held = upstream.mode.holds[number];
    if (number >= this.#run.warmCount && held !== undefined) {
      this.waits.push(performance.now() - connection.sentAt - held);
      if (this.#run.stream) this.firsts.push(connection.firstAt - connection.sentAt - held);
    }
    this.open--;
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(connection);
    else this.#sendOn(connection, next);
  }
}

/** `rate` requests a second whatever comes back; what the upstream held each is taken off. */
async function pace(run) {
  upstream.mode.delayMs = 0;
  upstream.mode.holds = undefined;
  const template = requestBytes(run.port, run.key, requestBody(run.bytes, run));
  const opened = await openConnections(run.connections, template, run);
  upstream.mode.delayMs = run.delayMs;
  const count = Math.round((run.rate * run.ms) / 1000);
  const warmCount = Math.round((run.rate * run.warmMs) / 1000);
  upstream.mode.holds = new Array(count + warmCount).fill(undefined);
  const pacer = new Pacer({ ...run, warmCount }, opened, template);
  const begin = performance.now();
  let sent = 0;
  await Promise.race([
    opened.failure,
    new Promise((resolve) => {
      const last = begin + ((count + warmCount) / run.rate) * 1000;
      const tick = setInterval(() => {
        const now = performance.now();
        const due = Math.min(count + warmCount, Math.floor(((now - begin) * run.rate) / 1000) + 1);
        for (; sent < due; sent++) pacer.send(sent, now);
        if ((sent === count + warmCount && pacer.open === 0) || now > last + PATIENCE_MS) {
          clearInterval(tick);
          resolve();
        }
      }, 1);
    }),
  ]);
  for (const connection of opened.connections) connection.close();
  return { total: sent + 1, missed: pacer.open, waits: pacer.waits, firsts: pacer.firsts };
}

process.on('message', async (run) => {
  upstream.mode.stream = run.stream;
  try {
    process.send({ result: run.rate === undefined ? await saturate(run) : await pace(run) });
  } catch (error) {
    process.send({ error: error.message });
  }
});
process.on('disconnect', () => process.exit(0));
process.send({ port: upstream.port });
