// What a router adds to requests: the same gateway process answers `strong` directly and through the router `auto`.
//   node scripts/build-server.mjs && node scripts/measure-router.mjs [seconds] [requests a second]
// First both kinds take turns request by request, so that whatever else the machine does hits both alike: latency. Then in
// blocks of one kind: CPU time of the gateway per request, which other load does not change. The machine's load is printed.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { load, median, percentile } from './figures.mjs';
import { cpuOf, freePort, sleep, start, stop, untilIdle } from './processes.mjs';

const SECONDS = Number(process.argv[2] ?? 20);
const RATE = Number(process.argv[3] ?? 500);
const BLOCKS = 4;
const BLOCK_SECONDS = Math.max(2, SECONDS / 5);
const KINDS = ['off', 'on'];
const MODEL = { off: 'strong', on: 'auto' };
const ADMIN_KEY = 'measure-router-admin-key';

const WORDS =
  'write a function that reads the report of last month and explains in plain words why the totals differ between both tables before you propose a fix'.split(
    ' ',
  );

/** Prompts of 60 to 8,000 characters, the same in every run. */
function promptOf(at) {
  const length = [60, 200, 600, 2000, 8000][at % 5];
  let text = `Question ${at}:`;
  for (let word = at; text.length < length; word += 7) text += ` ${WORDS[word % WORDS.length]}`;
  return text;
}

const BODIES = Object.fromEntries(
  KINDS.map((kind) => [
    kind,
    Array.from({ length: 100 }, (_, at) =>
      Buffer.from(
        JSON.stringify({
          model: MODEL[kind],
          max_tokens: 100,
          messages: [
            { role: 'system', content: 'You answer briefly.' },
            { role: 'user', content: promptOf(at) },
          ],
        }),
      ),
    ),
  ]),
);

const ANSWER = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Fine.' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 50, completion_tokens: 5, total_tokens: 55 },
});

function openUpstream() {
  const server = createServer((incoming, response) => {
    incoming.resume();
    incoming.on('end', () => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': ANSWER.length });
      response.end(ANSWER);
    });
  });
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve({ server, port: server.address().port }));
  });
}

function configuration(port) {
  return `
version: 1
providers: { up: { type: openai-compatible, base_url: "http://127.0.0.1:${port}/v1", api_key: k } }
models:
  cheap: { deployments: [{ provider: up, model: cheap, price: { input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.4 } }] }
  strong: { deployments: [{ provider: up, model: strong, price: { input_usd_per_mtok: 10, output_usd_per_mtok: 40 } }] }
routers:
  auto:
    mode: "on"
    baseline: strong
    tiers: { easy: cheap, hard: strong }
    rules: [{ when: 'tags.feature == "support" && tokens < 2000', use: cheap }]
`;
}

const agent = new Agent({ keepAlive: true, maxSockets: 128 });

function call(port, body) {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        agent,
        port,
        host: '127.0.0.1',
        method: 'POST',
        path: '/v1/chat/completions',
        headers: { 'content-type': 'application/json', 'content-length': body.length },
      },
      (response) => {
        response.resume();
        response.on('end', () => {
          if (response.statusCode === 200) resolve(performance.now() - began);
          // Shed because the machine is full: counted, and in neither kind's times.
          else if (response.statusCode === 503) resolve(undefined);
          else reject(new Error(`the gateway answered ${response.statusCode}`));
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** Sends at a fixed rate whatever the answers take; `kindOf` says of which kind the n-th request is. */
async function pace(port, seconds, kindOf, rate = RATE) {
  const times = { off: [], on: [], shed: 0 };
  const waiting = [];
  const began = performance.now();
  const count = Math.round(seconds * rate);
  for (let sent = 0; sent < count; ) {
    const due = Math.min(count, Math.floor(((performance.now() - began) / 1000) * rate));
    for (; sent < due; sent++) {
      const kind = kindOf(sent);
      const body = BODIES[kind][(sent >> 1) % 100];
      waiting.push(
        call(port, body).then((ms) => {
          if (ms === undefined) times.shed++;
          else times[kind].push(ms);
        }),
      );
    }
    await sleep(1);
  }
  await Promise.all(waiting);
  return times;
}

async function ready(child, port) {
  for (let at = 0; at < 600; at++) {
    if (child.exitCode !== null) throw new Error(`the gateway ended: ${child.errors}`);
    const answer = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined);
    if (answer?.status === 200) return;
    await sleep(100);
  }
  throw new Error('the gateway is not ready after a minute');
}

const figures = (times) => ({ p50: percentile(times, 0.5), p99: percentile(times, 0.99) });
const ms = (value) => `${value.toFixed(2)} ms`;

async function blocks(pid, port) {
  const used = { off: [], on: [], offMain: [], onMain: [] };
  for (let at = 0; at < 2 * BLOCKS; at++) {
    const kind = KINDS[at % 2];
    await untilIdle(pid);
    const before = cpuOf(pid);
    const times = await pace(port, BLOCK_SECONDS, () => kind);
    await untilIdle(pid);
    const after = cpuOf(pid);
    used[kind].push((after.total - before.total) / times[kind].length);
    used[`${kind}Main`].push((after.main - before.main) / times[kind].length);
  }
  return used;
}

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-measure-router-'));
  const { server, port: upstreamPort } = await openUpstream();
  const config = join(folder, 'sluice.yaml');
  writeFileSync(config, configuration(upstreamPort), { mode: 0o600 });
  const port = await freePort();
  const program = fileURLToPath(new URL('../bin/sluice', import.meta.url));
  const argv = ['start', '--json', '--config', config, '--data-dir', folder, '--port', String(port)];
  const child = start(0, [process.execPath, program, ...argv], { SLUICE_ADMIN_KEY: ADMIN_KEY });
  try {
    await ready(child, port);
    await pace(port, 10, (at) => KINDS[at % 2], 100);
    await pace(port, 3, (at) => KINDS[at % 2]);
    const loadBefore = load();
    const times = await pace(port, SECONDS, (at) => KINDS[at % 2]);
    const [off, on] = [figures(times.off), figures(times.on)];
    console.log(
      `${RATE} requests a second for ${SECONDS} s, by turns; load ${loadBefore} → ${load()}; shed ${times.shed}`,
    );
    console.log(`router off  p50 ${ms(off.p50)}  p99 ${ms(off.p99)}  (${times.off.length} requests)`);
    console.log(`router on   p50 ${ms(on.p50)}  p99 ${ms(on.p99)}  (${times.on.length} requests)`);
    console.log(`added       p50 ${ms(on.p50 - off.p50)}  p99 ${ms(on.p99 - off.p99)}`);
    const used = await blocks(child.pid, port);
    const [alone, routed] = [median(used.off), median(used.on)];
    const [aloneMain, routedMain] = [median(used.offMain), median(used.onMain)];
    console.log(
      `CPU of the request thread per request: off ${aloneMain.toFixed(0)} µs, on ${routedMain.toFixed(0)} µs, added ${(routedMain - aloneMain).toFixed(0)} µs`,
    );
    console.log(
      `CPU of all threads per request: off ${alone.toFixed(0)} µs, on ${routed.toFixed(0)} µs, ratio ${(routed / alone).toFixed(3)} (medians of ${BLOCKS} blocks each)`,
    );
  } finally {
    await stop(child);
    agent.destroy();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
