import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';

const FOLDER = fileURLToPath(new URL('../../examples/', import.meta.url));

/** What each example must print when it worked; a new example needs a line here. */
const PRINTS: Readonly<Record<string, RegExp>> = {
  'openai-sdk.mjs': /\w{3,} .*\w{3,}/,
  'anthropic-sdk.mjs': /"name": "get_weather"/,
  'spend.mjs': /sim\/claude\t\d+ requests\t\$0\.0/,
};

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway();
});

afterAll(() => gateway.close());

function run(file: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [FOLDER + file], {
    env: { ...process.env, SLUICE_URL: gateway.url, SLUICE_ADMIN_KEY: gateway.adminKey },
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}

describe('examples', () => {
  it('are all known here', () => {
    expect(readdirSync(FOLDER).sort()).toEqual(Object.keys(PRINTS).sort());
  });

  it.each(Object.entries(PRINTS))('%s works against the simulator', async (file, printed) => {
    const { code, output } = await run(file);
    expect(output).toMatch(printed);
    expect(code).toBe(0);
  });
});
