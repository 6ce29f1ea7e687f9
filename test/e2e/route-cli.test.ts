import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { chatAnswer, startUpstream, type TestUpstream } from '../support/upstream.ts';
import { sluice } from './sluice-process.ts';

// `sluice route …` against a running gateway, as a person and as a script.

const EASY = 'What is the capital of France?';

let folder: string;
let upstream: TestUpstream;
let gateway: TestGateway;
let answered = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-route-cli-'));
  upstream = await startUpstream((seen, response) =>
    chatAnswer(seen.body['model'] === 'judge' ? 'BOTH' : `from ${String(seen.body['model'])}`)(
      seen,
      response,
    ),
  );
  gateway = await startGateway({
    yaml: `
version: 1
providers:
  up: { type: openai-compatible, base_url: "${upstream.url}/v1", api_key: key-up }
models:
  cheap: { deployments: [{ provider: up, model: cheap, price: { input_usd_per_mtok: 1, output_usd_per_mtok: 4 } }] }
  strong: { deployments: [{ provider: up, model: strong, price: { input_usd_per_mtok: 100, output_usd_per_mtok: 400 } }] }
  judge: { deployments: [{ provider: up, model: judge, price: { input_usd_per_mtok: 10, output_usd_per_mtok: 40 } }] }
routers:
  auto:
    baseline: strong
    tiers: { easy: cheap, hard: strong }
    mode: "on"
    max_quality_loss_percent: 30
    confidence_percent: 60
    rules: [{ name: b, when: 'tags.feature == "b"', use: strong }]
    shadow: { percent: 100, max_usd_per_day: 5, judge: judge, holdout_percent: 0 }
  other: { baseline: strong, models: [cheap, strong] }
`,
  });
  for (let at = 0; at < 80; at++) {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-sluice-session': `s${at}` },
      body: JSON.stringify({ model: 'auto', max_tokens: 50, messages: [{ role: 'user', content: EASY }] }),
    });
    await response.text();
    answered = response.headers.get('x-sluice-request-id') ?? '';
    if (at > 8 && response.headers.get('x-sluice-upstream-model') === 'cheap') break;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
});

afterAll(async () => {
  await gateway?.close();
  await upstream?.close();
  rmSync(folder, { recursive: true, force: true });
});

const run = (...argv: string[]) =>
  sluice(['route', ...argv], {
    folder,
    environment: { SLUICE_URL: gateway.url, SLUICE_ADMIN_KEY: gateway.adminKey },
  });

describe('sluice route', () => {
  it('explain: words for people, the receipt for scripts', async () => {
    const said = await run('explain', EASY);
    expect(said).toMatchObject({ code: 0 });
    expect(said.stdout).toMatch(/Served by\s+(cheap|strong)/);
    expect(said.stdout).toContain('P(OK)');
    const tagged = await run('explain', EASY, '--tag', 'feature=b', '--json');
    expect(JSON.parse(tagged.stdout)).toMatchObject({ router: 'auto', reason: 'rule', served: 'strong' });
    const other = await run('explain', EASY, '--router', 'other', '--json');
    expect(JSON.parse(other.stdout)).toMatchObject({ router: 'other', mode: 'observe', served: 'strong' });
    expect(await run('explain', EASY, '--router', 'gone')).toMatchObject({ code: 1 });
    expect(await run('explain')).toMatchObject({ code: 2 });
    expect(await run('explain', EASY, '--tag', 'nothing')).toMatchObject({ code: 2 });
  });

  it('test: other rules over the log, in dollars and quality', async () => {
    const rules = join(folder, 'rules.yaml');
    writeFileSync(rules, "- { when: 'tokens >= 0', use: cheap }\n");
    const said = await run('test', '--rules', rules, '--last', '1d');
    expect(said.code).toBe(0);
    expect(said.stdout).toMatch(/With these rules\s+\$/);
    expect(said.stdout).toMatch(/Expected quality/);
    const parsed = JSON.parse((await run('test', '--rules', rules, '--json')).stdout);
    expect(parsed.by_rule).toEqual([{ rule: 'rule 1', matched: parsed.judged }]);
    expect(Number(parsed.saving_usd)).toBeCloseTo(
      Number(parsed.actual_usd) - Number(parsed.projected_usd),
      9,
    );
    writeFileSync(rules, '- { when: \'tokens > "5"\', use: cheap }\n');
    const broken = await run('test', '--rules', rules);
    expect(broken.code).toBe(1);
    expect(broken.stderr).toMatch(/character 1/);
    expect(await run('test', '--rules', join(folder, 'none.yaml'))).toMatchObject({ code: 1 });
    expect(await run('test')).toMatchObject({ code: 2 });
  });

  it('report: what is saved, by state, and the promise', async () => {
    const said = await run('report');
    expect(said.code).toBe(0);
    for (const word of ['Projected', 'Realised, net', 'Verified, net', 'Overhead', 'the promise holds for'])
      expect(said.stdout).toContain(word);
    expect(said.stdout).toMatch(/not enough evidence, \d+ more/);
    const parsed = JSON.parse((await run('report', '--json', '--last', '2d')).stdout);
    expect(parsed).toMatchObject({ router: 'auto', mode: 'on', guarded: true });
    expect(await run('report', '--last', 'yesterweek')).toMatchObject({ code: 2 });
  });

  it('feedback: a rating, a truth, and what is refused', async () => {
    expect(await run('feedback', answered, '--rating', 'down', '--comment', 'wrong')).toMatchObject({
      code: 0,
    });
    const parsed = JSON.parse((await run('feedback', answered, '--score', '0.5', '--json')).stdout);
    expect(parsed).toMatchObject({ exchange_id: answered, learned: true });
    expect(await run('feedback', 'exc_none', '--rating', 'up')).toMatchObject({ code: 1 });
    expect(await run('feedback', answered, '--rating', 'sideways')).toMatchObject({ code: 2 });
    expect(await run('feedback', answered, '--gold', '2')).toMatchObject({ code: 2 });
  });

  it('rollback: one call, and nothing to go back from afterwards on another router', async () => {
    const parsed = JSON.parse((await run('rollback', '--json')).stdout);
    expect(parsed.routes[0]).toMatchObject({ cause: 'rolled_back', share: 0 });
    const nothing = await run('rollback', '--router', 'other');
    expect(nothing.code).toBe(1);
    expect(nothing.stderr).toMatch(/has learned anything/);
  });

  it.each(['explain', 'test', 'report', 'feedback', 'rollback', 'score'])(
    '%s --help has an example',
    async (verb) => {
      const { code, stdout } = await run(verb, '--help');
      expect(code).toBe(0);
      expect(stdout).toMatch(new RegExp(`Examples?:\\s+\\$ .*sluice route ${verb}`));
    },
  );
});
