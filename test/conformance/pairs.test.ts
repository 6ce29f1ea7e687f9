import { beforeAll, describe, expect, it } from 'vitest';
import type { UpstreamFormat } from '../../src/core/model/index.ts';
import { CLIENT_DIALECTS } from '../../src/formats/dialects.ts';
import { CODECS } from '../../src/formats/registry.ts';
import { SIMULATED_MODELS } from '../../src/providers/simulator/index.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import type { DialectName } from './support/clients/client.ts';
import { type Cell, CLIENTS, runMatrix } from './support/matrix.ts';
import { SCENARIOS } from './support/scenarios.ts';

const DIALECTS = Object.keys(CLIENT_DIALECTS) as DialectName[];
const FORMATS = Object.keys(CODECS) as UpstreamFormat[];

describe.each(DIALECTS)('%s, every upstream format, every feature, whole and streamed', (dialect) => {
  let cells: readonly Cell[] = [];
  beforeAll(async () => {
    cells = await runMatrix([dialect]);
  }, 120_000);

  it.each(FORMATS)('%s: what is lost is named, and the stream equals the whole', (format) => {
    const mine = cells.filter((cell) => cell.format === format);
    expect(mine.map(({ feature }) => feature)).toEqual(SCENARIOS.map(({ feature }) => feature));
    const failed = mine.filter(({ result }) => result === 'failed');
    expect(failed.map(({ feature, notes }) => `${feature}: ${notes.join('; ')}`.slice(0, 1500))).toEqual([]);
  });

  it('carries most features through every format', () => {
    // A matrix of refusals would pass every other check.
    const said = cells.filter(({ result }) => result !== 'absent');
    const carried = said.filter(({ result }) => result === 'carried' || result === 'told');
    expect(carried.length / said.length).toBeGreaterThan(0.9);
  });
});

describe('demo mode', () => {
  let gateway: TestGateway;
  beforeAll(async () => {
    gateway = await startGateway();
    return () => gateway.close();
  });

  it.each(DIALECTS)('%s reaches every simulated model, and the stream equals the whole', async (dialect) => {
    const client = CLIENTS[dialect](gateway.url);
    for (const name of SIMULATED_MODELS) {
      const question = {
        model: `sim/${name}~tps=0,ttft_ms=0,seed=1`,
        ask: { prompt: 'Say hello.', maxTokens: 2000 },
      };
      const whole = await client.whole(question);
      const stream = await client.stream(question);
      expect(whole.read.text, name).toBe('hello.');
      expect({ ...stream.read, usage: null }, name).toEqual({ ...whole.read, usage: null });
      expect(whole.read.usage?.output, name).toBeGreaterThan(0);
    }
  });
});
