// Bar S2 of the reliability requirements: what large bodies leave behind in memory. Bodies of 31 MB, good ones and several
// kinds that are refused, a few at a time.
import { request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { load, round } from '../figures.mjs';
import { sleep, stop } from '../processes.mjs';
import {
  ask,
  carryOut,
  conclude,
  createKey,
  prepare,
  residentMb,
  say,
  startGateway,
  startModule,
} from './stand.mjs';

const BAR_MB = 150;
const BODY_BYTES = 31 * 1_048_576;
const ROUNDS = 8;
const AT_ONCE = 3;
const REST_MS = 10_000;

const yaml = (port) => `version: 1
access: { mode: keys }
providers: { one: { type: openai-compatible, base_url: "http://127.0.0.1:${port}/v1", api_key: k } }
models: { m: { deployments: ["one/m"] } }
`;

function bodies() {
  const start = '{"model":"m","messages":[{"role":"user","content":"';
  const good = Buffer.from(`${start}${'word '.repeat(BODY_BYTES / 5)}"}]}`);
  const wide = Buffer.from(`${start}${'é漢'.repeat(BODY_BYTES / 5)}"}]}`);
  const torn = good.subarray(0, good.length - 4);
  const many = Buffer.from(
    `{"model":"m","messages":[${'{"role":"user","content":"a"},'.repeat(9000)}{}],"x":[${'1,'.repeat(12_000_000)}1]}`,
  );
  return {
    good: { body: good },
    wide: { body: wide },
    torn: { body: torn },
    'too many values': { body: many },
    compressed: { body: gzipSync(good), headers: { 'content-encoding': 'gzip' } },
    'wrong key': { body: good, key: 'sk-sluice-wrong' },
  };
}

function send({ port, path, key }, { body, headers = {} }) {
  const all = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    'content-length': body.length,
    ...headers,
  };
  return new Promise((resolve) => {
    const outgoing = request(
      { host: '127.0.0.1', port, path, method: 'POST', headers: all, agent: false },
      (response) => {
        response.resume();
        response.on('close', () => resolve(response.statusCode));
      },
    );
    outgoing.on('error', () => resolve('closed'));
    outgoing.end(body);
  });
}

async function run() {
  const upstream = await startModule('./kill-upstream.mjs');
  const place = prepare(yaml(upstream.told.port));
  try {
    const gateway = await startGateway(place);
    const { key } = await createKey(gateway.port, { name: 'large' });
    await sleep(1000);
    const before = residentMb(gateway.pid);
    let highest = before;
    const timer = setInterval(() => {
      highest = Math.max(highest, residentMb(gateway.pid));
    }, 50);
    const answers = {};
    for (const [name, { key: own = key, ...message }] of Object.entries(bodies())) {
      say(name);
      for (let sent = 0; sent < ROUNDS; sent += AT_ONCE) {
        const paths = Array.from({ length: Math.min(AT_ONCE, ROUNDS - sent) }, (_, at) =>
          at % 2 === 0 ? '/v1/chat/completions' : '/v1/messages',
        );
        const statuses = await Promise.all(
          paths.map((path) => send({ port: gateway.port, path, key: own }, message)),
        );
        for (const status of statuses) answers[`${name} ${status}`] = (answers[`${name} ${status}`] ?? 0) + 1;
      }
    }
    await sleep(REST_MS);
    clearInterval(timer);
    const after = residentMb(gateway.pid);
    const { lag } = await ask(gateway.child);
    const { memory } = await ask(gateway.child, { collect: true });
    await sleep(1000);
    const collected = residentMb(gateway.pid);
    const code = await stop(gateway.child);
    return { before, highest, after, collected, lag, memory, answers, code };
  } finally {
    await stop(upstream.child);
    place.remove();
  }
}

await carryOut(async () => {
  const told = await run();
  const mb = (bytes) => round(bytes / 1_048_576);
  conclude(
    {
      'bodies, mb each': round(BODY_BYTES / 1_048_576),
      answers: told.answers,
      'rss before, mb': round(told.before),
      'rss highest, mb': round(told.highest),
      'rss at rest afterwards, mb': round(told.after),
      'grown by, mb': round(told.after - told.before),
      'after a full collection, mb': round(told.collected - told.before),
      'live heap, outside it, mb': [mb(told.memory.heapUsed), mb(told.memory.external)],
      'loop lag max, ms': round(told.lag.max),
      load: load(),
    },
    [
      [`grown by at most ${BAR_MB} MB`, told.after - told.before <= BAR_MB],
      ['exit code 0', told.code === 0],
    ],
  );
});
