import { beforeAll, describe, expect, it } from 'vitest';
import { startSimulator } from '../../src/app/simulator.ts';
import type { UpstreamFormat } from '../../src/core/model/index.ts';
import { CLIENT_DIALECTS } from '../../src/formats/dialects.ts';
import { CODECS } from '../../src/formats/registry.ts';
import { PROVIDERS } from '../../src/providers/index.ts';
import { findRoute, SIMULATED_MODELS } from '../../src/providers/simulator/index.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import type { DialectName } from './support/clients/client.ts';
import { type Cell, CLIENTS, runMatrix } from './support/matrix.ts';
import { SCENARIOS } from './support/scenarios.ts';

const DIALECTS = Object.keys(CLIENT_DIALECTS) as DialectName[];
/** Formats in which models sign their reasoning. */
const SIGNED: readonly string[] = ['openai-responses', 'anthropic-messages', 'gemini', 'bedrock-converse'];
const FORMATS = Object.keys(CODECS) as UpstreamFormat[];

describe.each(DIALECTS)('%s, every upstream format, every feature, whole and streamed', (dialect) => {
  let cells: readonly Cell[] = [];
  beforeAll(async () => {
    cells = await runMatrix([dialect]);
  });

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
    const replayed = said.filter(
      (cell) => cell.feature.endsWith('second turn') && SIGNED.includes(cell.format),
    );
    expect(replayed.filter(({ signatures = 0 }) => signatures === 0)).toEqual([]);
  });
});

describe('every vendor of the registry, at an address of its own', () => {
  // Pinned copies that the matrix registers have a dot in their names; Writer's path is none of the simulator's.
  const vendors = [...PROVIDERS.values()].filter(({ id, endpoints }) => {
    const [endpoint] = endpoints.chat;
    if (endpoint === undefined || id.includes('.')) return false;
    const path = endpoint.path.replaceAll(/\{\w+\}/g, 'x');
    return findRoute('POST', path, new URLSearchParams()) !== undefined;
  });
  let gateway: TestGateway;
  beforeAll(async () => {
    const simulator = await startSimulator({ latency: 'none' });
    const lines = vendors.map(({ id, auth }) => {
      const more = auth.type === 'google-oauth' ? ', region: us-east1, credentials: { project: p }' : '';
      return `  ${id}: { base_url: "${simulator.url}", api_key: key${more} }`;
    });
    gateway = await startGateway({ yaml: `version: 1\nproviders:\n${lines.join('\n')}\n` });
    return async () => {
      await gateway.close();
      await simulator.close();
    };
  });

  it.each(DIALECTS)('%s reaches it, and the stream equals the whole', async (dialect) => {
    const client = CLIENTS[dialect](gateway.url);
    expect(vendors.length).toBeGreaterThanOrEqual(50);
    for (const { id } of vendors) {
      const question = { model: `${id}/any`, ask: { prompt: 'Say hello.', maxTokens: 2000 } };
      const whole = await client.whole(question);
      const stream = await client.stream(question);
      expect(whole.read.text, id).toBe('hello.');
      expect({ ...stream.read, usage: null }, id).toEqual({ ...whole.read, usage: null });
    }
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
