import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const PROGRAM = fileURLToPath(new URL('../../bin/sluice', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'sluice-route-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function routeScore(
  argv: readonly string[],
  input = '',
): Promise<{ code: number | null; out: string[]; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [PROGRAM, 'route', 'score', ...argv], {
      cwd: folder,
      env: { PATH: process.env['PATH'], HOME: folder },
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => (err += chunk));
    child.on('close', (code) => resolve({ code, out: out.split('\n').filter((line) => line !== ''), err }));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

const file = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

describe('sluice route score', () => {
  it('scores JSON lines, in order, without gateway or configuration', async () => {
    const prompts = [
      { id: 'hard', prompt: 'Write a Python function that merges overlapping intervals in O(n log n).' },
      { id: 7, prompt: 'hi' },
      { prompt: '' },
    ];
    const { code, out, err } = await routeScore(
      [],
      `${prompts.map((one) => JSON.stringify(one)).join('\n\n')}`,
    );
    expect({ code, err }).toEqual({ code: 0, err: '' });
    const scores = out.map((line) => JSON.parse(line));
    expect(scores.map(({ id }) => id)).toEqual(['hard', 7, 5]);
    expect(scores[0].score).toBeGreaterThan(scores[1].score);
    for (const one of scores) expect(Object.keys(one)).toEqual(['id', 'score', 'p_weak', 'p_strong']);
  });

  it('learns first with --train, and writes tiers with --tier', async () => {
    const labelled = Array.from({ length: 60 }, (_, at) =>
      JSON.stringify({ prompt: `Write a poem about river ${at}.`, weak_correct: false, strong_correct: 1 }),
    );
    const train = file('train.jsonl', labelled.join('\n'));
    const prompts = file(
      'prompts.jsonl',
      '{"id":"p","prompt":"Write a poem about a river."}\n{"id":"n","prompt":"Summarize this."}',
    );
    const cold = await routeScore(['--tier', prompts]);
    const warm = await routeScore(['--tier', prompts, '--train', train]);
    expect(warm.err).toMatch(/^Learned from 60 labelled prompts in/);
    const [before, after] = [cold, warm].map(({ out }) => JSON.parse(out[0] ?? '{}'));
    expect(after.p_weak).toBeLessThan(before.p_weak);
    expect(JSON.parse(warm.out[1] ?? '{}')).toMatchObject({ id: 'n', tier: 'needs_info', task: 'summary' });
  });

  it('names the line that cannot be used, after what came before it', async () => {
    const { code, out, err } = await routeScore([], '{"id":"a","prompt":"hi"}\nnonsense\n');
    expect(out).toHaveLength(1);
    expect({ code, err: err.trim() }).toEqual({
      code: 1,
      err: 'Error: Line 2 of standard input is not JSON: it begins with "nonsense".',
    });
    expect((await routeScore([], '{"id":"a"}\n')).err).toContain('Line 1 of standard input has no "prompt"');
    const bad = file('bad.jsonl', '{"prompt":"x","weak_correct":1,"strong_correct":2}');
    expect((await routeScore(['--train', bad])).err).toContain(
      '"strong_correct" that is no number from 0 to 1',
    );
    expect((await routeScore(['--train', join(folder, 'none')])).err).toContain('there is no such file');
    expect((await routeScore(['--train', '-'])).code).toBe(2);
  });
});
