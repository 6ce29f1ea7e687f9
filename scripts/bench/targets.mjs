// The two sides of the comparison: the bare pass-through, and Sluice as its users run it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, sleep, start, stop } from '../processes.mjs';
import { MODEL } from './wire.ts';

const ADMIN_KEY = 'sk-admin-bench-0000000000000000000000000000';

/** Polls until `probe` returns something; says what the child wrote when it ends first. */
async function until(child, probe) {
  const deadline = Date.now() + 30_000;
  for (;;) {
    if (child.exitCode !== null)
      throw new Error(`the gateway did not start:\n${child.output}${child.errors}`);
    const value = await probe();
    if (value !== undefined) return value;
    if (Date.now() > deadline) throw new Error(`the gateway was not ready after 30 s:\n${child.errors}`);
    await sleep(5);
  }
}

/** The bare pass-through on core 0. */
export async function startBare(upstreamPort) {
  const path = fileURLToPath(new URL('./bare.mjs', import.meta.url));
  const child = start(0, [process.execPath, path, String(upstreamPort)]);
  const port = await until(child, () => (child.output.includes('\n') ? Number(child.output) : undefined));
  return { name: 'bare', port, key: 'none', child, pid: child.pid };
}

function configuration(upstreamPort) {
  return `version: 1
access: { mode: keys }
log: { content: metadata, retention_days: 3650, max_mb: 100000 }
providers:
  bench:
    type: openai-compatible
    base_url: http://127.0.0.1:${upstreamPort}/v1
    api_key: sk-bench-upstream
    allow_private_network: true
    price: { input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.6 }
models:
  ${MODEL}:
    deployments: [{ provider: bench, model: ${MODEL} }]
`;
}

async function isReady(port) {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/health/ready`);
    await response.arrayBuffer();
    return response.status === 200 ? true : undefined;
  } catch {
    return undefined;
  }
}

async function createKey(port) {
  const response = await fetch(`http://127.0.0.1:${port}/api/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      name: 'bench',
      models: [MODEL],
      limits: { rpm: 1e9, tpm: 1e12, concurrency: 1e6 },
      budget: { limit_usd: 1e6, window: 'month', action: 'block' },
    }),
  });
  const body = await response.json();
  if (typeof body.key !== 'string') throw new Error(`no virtual key: ${JSON.stringify(body)}`);
  return body.key;
}

/** A configuration for Sluice, and a data directory: a new one, or `dataDir`. */
export function prepareSluice(upstreamPort, dataDir = mkdtempSync(join(tmpdir(), 'sluice-bench-'))) {
  const config = join(dataDir, 'sluice.yaml');
  writeFileSync(config, configuration(upstreamPort), { mode: 0o600 });
  return { dataDir, config, remove: () => rmSync(dataDir, { recursive: true, force: true }) };
}

/** Starts Sluice on core 0 and waits until it is ready; `readyMs` is how long that took, from the start of the process. */
export async function launchSluice(place, { program, nodeArguments }) {
  const port = await freePort();
  const began = performance.now();
  const child = start(
    0,
    [
      process.execPath,
      ...nodeArguments,
      program,
      'start',
      '--json',
      '--config',
      place.config,
      '--data-dir',
      place.dataDir,
      '--port',
      String(port),
    ],
    { SLUICE_ADMIN_KEY: ADMIN_KEY },
  );
  await until(child, () => isReady(port));
  return { name: 'sluice', port, child, pid: child.pid, readyMs: performance.now() - began };
}

/** Sluice with a virtual key that has an allow-list, limits and a budget. */
export async function startSluice(place, options) {
  const running = await launchSluice(place, options);
  return { ...running, key: await createKey(running.port) };
}

/** Start-to-ready times in ms: the first with an empty data directory, the others with what it left. */
export async function measureStarts(upstreamPort, options, count) {
  const place = prepareSluice(upstreamPort);
  const times = [];
  try {
    for (let index = 0; index < count; index++) {
      const running = await launchSluice(place, options);
      times.push(running.readyMs);
      await stop(running.child);
    }
  } finally {
    place.remove();
  }
  return times;
}
