import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ControlClient, createControlClient } from '../../src/control/client.ts';
import { type RunningSluice, spawnSluice } from './sluice-process.ts';

const ADMIN_KEY = 'sk-admin-for-the-process-group';
const CLOCK = fileURLToPath(new URL('./stepped-clock.mjs', import.meta.url));

/** A real gateway process. */
export interface GatewayProcess {
  readonly running: RunningSluice;
  readonly url: string;
  readonly client: ControlClient;
}

/** Real gateway processes on one data directory and one configuration file. */
export class ProcessGroup {
  readonly adminKey = ADMIN_KEY;
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-group-'));

  constructor(yaml: string) {
    writeFileSync(join(this.#folder, 'sluice.yaml'), yaml, { mode: 0o600 });
  }

  /** Process number `at`; its clock is stepped by `stepClock`. */
  async start(at: number): Promise<GatewayProcess> {
    const data = join(this.#folder, 'data');
    const config = join(this.#folder, 'sluice.yaml');
    const argv = ['start', '--json', '--port', '0', '--config', config, '--data-dir', data];
    const environment = {
      SLUICE_ADMIN_KEY: ADMIN_KEY,
      NODE_OPTIONS: `--import=${CLOCK}`,
      STEPPED_CLOCK: join(this.#folder, `clock-${at}`),
    };
    const running = spawnSluice(argv, { folder: this.#folder, environment });
    const { url } = JSON.parse(await running.line((line) => line.includes('"url"'))) as { url: string };
    return { running, url, client: createControlClient({ baseUrl: url, adminKey: ADMIN_KEY }) };
  }

  /** The system clock of a process shows this much more than the machine's. */
  stepClock(at: number, byMs: number): Promise<void> {
    writeFileSync(join(this.#folder, `clock-${at}`), String(byMs));
    return new Promise((resolve) => setTimeout(resolve, 100));
  }

  /** Ends these and forgets what they kept. */
  async close(processes: readonly GatewayProcess[]): Promise<void> {
    await Promise.all(processes.map((process) => endProcess(process)));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Ends a process and waits until it has. */
export async function endProcess(
  process: GatewayProcess,
  signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM',
): Promise<void> {
  process.running.child.kill(signal);
  await process.running.ended;
}

/** Waits until it is so; throws when that takes longer. */
export async function soon(what: string, isSo: () => Promise<boolean>, withinMs = 2000): Promise<void> {
  const begun = performance.now();
  while (!(await isSo())) {
    if (performance.now() - begun > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
