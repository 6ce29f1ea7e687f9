import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { LAUNCHD } from '../../src/cli/service/launchd.ts';
import type { ServiceFacts } from '../../src/cli/service/service.ts';
import { SYSTEMD } from '../../src/cli/service/systemd.ts';
import { sluice } from './sluice-process.ts';

// Each call of the CLI is a process of its own, run from source.
vi.setConfig({ testTimeout: 120_000 });

let home: string;

/** Stands in for systemctl: notes what it is told, and runs the unit's program when it is to be started. */
const SYSTEMCTL = `#!/bin/sh
echo "$@" >> "$HOME/told"
case "$*" in
  *show-environment*) [ -e "$HOME/no-bus" ] && exit 1; exit 0;;
  *is-active*) [ -e "$HOME/running" ] && echo active && exit 0; echo inactive; exit 3;;
  *restart*) touch "$HOME/running";;
  *disable*) rm -f "$HOME/running";;
esac
exit 0
`;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'sluice-service-'));
  writeFileSync(join(home, 'systemctl'), SYSTEMCTL);
  chmodSync(join(home, 'systemctl'), 0o755);
  return () => rmSync(home, { recursive: true, force: true });
});

const run = (...argv: string[]) =>
  sluice(argv, {
    folder: home,
    environment: {
      PATH: `${home}:${process.env['PATH']}`,
      OPENAI_API_KEY: 'sk-secret-of-mine-1',
      HTTPS_PROXY: 'http://proxy.example:3128',
    },
  });
const told = () =>
  existsSync(join(home, 'told')) ? readFileSync(join(home, 'told'), 'utf8').trim().split('\n') : [];
const unit = () => join(home, '.config/systemd/user/sluice.service');
const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux.each([
  ['service', 'install', 'uninstall'],
  ['autostart', 'on', 'off'],
])('%s', (group, on, off) => {
  test('a dry run shows unit and commands, without a secret, and does nothing', async () => {
    const { code, stdout } = await run(group, on, '--dry-run');
    expect(code).toBe(0);
    expect(stdout).toContain('ExecStart=');
    expect(stdout).toContain('$ systemctl --user enable sluice.service');
    expect(stdout).not.toContain('sk-secret-of-mine-1');
    expect(existsSync(unit())).toBe(false);
    expect(told()).toEqual([]);
  });

  test('is set, told of, and taken away', async () => {
    expect(await run(group, 'status')).toMatchObject({ code: 1, stdout: expect.stringContaining('not set') });
    const made = await run(group, on, '--port', '4177', '--json');
    expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(made.stdout)).toMatchObject({
      keeper: 'systemd',
      variables: ['OPENAI_API_KEY', 'HTTPS_PROXY'],
    });
    expect(made.stdout).not.toContain('sk-secret-of-mine-1');
    const text = readFileSync(unit(), 'utf8');
    expect(text).not.toContain('sk-secret-of-mine-1');
    expect(text).toMatch(
      /^ExecStart="\/.*node" "\/.*bin\/sluice" "start" "--data-dir" ".*\.sluice" "--port" "4177"$/m,
    );
    const variables = join(home, '.sluice/service.env');
    expect(readFileSync(variables, 'utf8')).toBe(
      'OPENAI_API_KEY="sk-secret-of-mine-1"\nHTTPS_PROXY="http://proxy.example:3128"\n',
    );
    expect(statSync(variables).mode & 0o777).toBe(0o600);
    expect(told()).toEqual([
      '--user show-environment',
      '--user daemon-reload',
      '--user enable sluice.service',
      '--user restart sluice.service',
    ]);
    const state = await run(group, 'status', '--json');
    expect({ code: state.code, answer: JSON.parse(state.stdout) }).toMatchObject({
      code: 0,
      answer: { installed: true, running: true, unit: unit() },
    });
    expect(await run(group, off, '--dry-run')).toMatchObject({ code: 0 });
    expect(existsSync(unit())).toBe(true);
    expect(await run(group, off)).toMatchObject({ code: 0 });
    expect([existsSync(unit()), existsSync(variables)]).toEqual([false, false]);
    expect(await run(group, off)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('nothing to do'),
    });
  });

  test('without a keeper of services nothing is written', async () => {
    writeFileSync(join(home, 'no-bus'), '');
    const refused = await run(group, on, '--json');
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.stdout)).toMatchObject({ error: { code: 'no_service' } });
    expect(existsSync(unit())).toBe(false);
  });

  test('bad usage', async () => {
    expect(await run(group, on, '--port', 'x')).toMatchObject({ code: 2 });
    expect(await run(group)).toMatchObject({ code: 2 });
    expect(await run(group, on, '--config', 'nowhere.yaml')).toMatchObject({ code: 1 });
  });
});

const ODD: ServiceFacts = {
  home: '/Users/a & b',
  user: 501,
  node: '/opt/no de/bin/node',
  program: '/opt/100%/"q"/$x/bin/sluice',
  argv: ['--config', '/c\\d.yaml'],
  dataDir: '/data & <more>',
  folder: '/opt/100%',
  stopSeconds: 45,
  variables: { KEY: 'a&b<"c"\\' },
};

test('odd paths and values are escaped as systemd reads them', () => {
  const [file, variables] = SYSTEMD.files('/u', ODD);
  expect(file?.text).toContain(
    'ExecStart="/opt/no de/bin/node" "/opt/100%%/\\"q\\"/$$x/bin/sluice" "start" "--config" "/c\\\\d.yaml"',
  );
  expect(file?.text).toContain('WorkingDirectory=/opt/100%%\n');
  expect(file?.text).toContain('TimeoutStopSec=45');
  expect(variables).toMatchObject({ text: 'KEY="a&b<\\"c\\"\\\\"\n', mode: 0o600 });
});

test('a launch agent is well-formed, holds every word, and is for its owner alone', () => {
  const path = LAUNCHD.unitPath('/Users/me', {});
  expect(path).toBe('/Users/me/Library/LaunchAgents/dev.sluice.gateway.plist');
  const [file] = LAUNCHD.files(path, ODD);
  expect(file?.mode).toBe(0o600);
  const text = file?.text ?? '';
  expect(text).toContain('<string>/opt/100%/"q"/$x/bin/sluice</string>');
  expect(text).toContain('<key>KEY</key>\n    <string>a&amp;b&lt;"c"\\</string>');
  expect(text).toContain('<string>/data &amp; &lt;more&gt;/service.log</string>');
  // Every tag that is opened is closed.
  const open: string[] = [];
  for (const [, closing, name, empty] of text.matchAll(/<(\/?)([a-z]+)[^>?!]*?(\/?)>/g)) {
    if (empty === '/') continue;
    if (closing === '') open.push(name ?? '');
    else expect(open.pop()).toBe(name);
  }
  expect(open).toEqual([]);
  expect(LAUNCHD.install(path, 501).map(({ argv }) => argv.join(' '))).toContain(
    `launchctl bootstrap gui/501 ${path}`,
  );
  expect(LAUNCHD.runs({ code: 0, stdout: '\tstate = running\n' })).toBe(true);
  expect(LAUNCHD.runs({ code: 0, stdout: '\tstate = not running\n' })).toBe(false);
});
