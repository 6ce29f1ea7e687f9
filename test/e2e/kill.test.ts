import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunningSimulator, startSimulator } from '../../src/app/simulator.ts';
import { createControlClient } from '../../src/control/client.ts';
import { type SluiceProcess, startSluice } from './sluice-process.ts';

const ROUNDS = 3;
const IN_FLIGHT = 32;

let simulator: RunningSimulator;
let folder: string;

beforeAll(async () => {
  simulator = await startSimulator({ host: '127.0.0.1', port: 0, latency: 'none' });
  folder = mkdtempSync(join(tmpdir(), 'sluice-kill-'));
});

afterAll(async () => {
  await simulator.close();
  rmSync(folder, { recursive: true, force: true });
});
