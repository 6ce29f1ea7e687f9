import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { sluice, spawnSluice } from './sluice-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-note-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a gateway is found on whatever port it was given, and with a configuration file that nobody can read', async () => {
  // In its own folder `~/.sluice`, as a newcomer has it.
  const gateway = spawnSluice(['start', '--port', '0', '--json'], { folder });
  try {
    const { url } = JSON.parse(await gateway.line((line) => line.startsWith('{'))) as { url: string };
    expect(JSON.parse((await sluice(['status', '--json'], { folder })).stdout)).toMatchObject({
      base_url: url,
    });
    writeFileSync(
      join(folder, 'sluice.yaml'),
      'version: 1\nproviders:\n  a: "never closed\nserver: { port: 4199 }\n',
    );
    const found = await sluice(['status', '--json'], { folder });
    expect({ code: found.code, stderr: found.stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(found.stdout)).toMatchObject({ base_url: url });
    const note = JSON.parse(readFileSync(join(folder, '.sluice/running.json'), 'utf8'));
    expect(note).toMatchObject({ port: Number(new URL(url).port) });
    // A note that a crash left behind points nowhere, and is not followed.
    writeFileSync(join(folder, 'sluice.yaml'), 'version: 1\nserver: { port: 1 }\n');
  } finally {
    gateway.child.kill('SIGTERM');
    expect((await gateway.ended).code).toBe(0);
  }
  writeFileSync(
    join(folder, '.sluice/running.json'),
    JSON.stringify({ pid: 2 ** 22 + 1, host: '127.0.0.1', port: 9 }),
  );
  const { code, stderr } = await sluice(['status'], { folder });
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('http://127.0.0.1:1') });
}, 180_000);
