// Requests at a steady rate whatever becomes of them (an open loop), and what became of them.
import { Agent, request } from 'node:http';

/** One request: `{ status, ms, retryAfter }`; status 0 when there was no answer. Milliseconds. */
export function send({ port, path, method = 'GET', headers = {}, body, agent }) {
  return new Promise((resolve) => {
    const from = performance.now();
    const end = (status, retryAfter) => resolve({ status, ms: performance.now() - from, retryAfter });
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers, agent }, (response) => {
      response.resume();
      response.on('end', () => end(response.statusCode, response.headers['retry-after']));
      response.on('error', () => end(0));
    });
    outgoing.on('error', () => end(0));
    outgoing.end(body);
  });
}

/** Keeps its connections open: a gateway in trouble is not to be judged by handshakes. */
const newAgent = () =>
  new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY, maxFreeSockets: 5000 });

/** Offers `perSecond` requests for `ms`, waits for all of them and returns them. */
export async function offer(target, { perSecond, ms }) {
  const agent = newAgent();
  const all = [];
  const from = performance.now();
  await new Promise((resolve) => {
    const timer = setInterval(() => {
      const passed = performance.now() - from;
      const due = Math.floor((Math.min(passed, ms) / 1000) * perSecond);
      while (all.length < due) all.push(send({ ...target, agent }));
      if (passed < ms) return;
      clearInterval(timer);
      resolve();
    }, 2);
  });
  const told = await Promise.all(all);
  agent.destroy();
  return told;
}

/** Asks again and again, one at a time, until `stopped()`. */
export async function probe(target, { everyMs, stopped }) {
  const agent = newAgent();
  const told = [];
  while (!stopped()) {
    told.push(await send({ ...target, agent }));
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  agent.destroy();
  return told;
}
