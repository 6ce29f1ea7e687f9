import { join } from 'node:path';
import { type ServiceFacts, type ServiceFile, type ServiceKeeper, variablesFile } from './service.ts';

const UNIT = 'sluice.service';

/** A word of `ExecStart`: quoted, `%` and `$` doubled (systemd.service(5), "Command lines"). */
function word(text: string): string {
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('%', '%%')
    .replaceAll('$', '$$$$');
  return `"${escaped}"`;
}

/** A path of a setting that takes one path: `%` doubled, no quotes (systemd.unit(5), "Specifiers"). */
function path(text: string): string {
  return text.replaceAll('%', '%%');
}

/** A line of an environment file (systemd.exec(5), `EnvironmentFile`): double quotes, where `\` and `"` are escaped. */
function variable([name, value]: readonly [string, string]): string {
  return `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

function unit({ node, program, argv, folder, dataDir, stopSeconds }: ServiceFacts): string {
  return `[Unit]
Description=Sluice, an LLM gateway
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
Type=exec
ExecStart=${[node, program, 'start', ...argv].map(word).join(' ')}
ExecReload=/bin/kill -HUP $MAINPID
WorkingDirectory=${path(folder)}
EnvironmentFile=-${path(variablesFile(dataDir))}
Restart=on-failure
RestartSec=2
# Running answers are finished first.
TimeoutStopSec=${stopSeconds}
UMask=0077
NoNewPrivileges=yes

[Install]
WantedBy=default.target
`;
}

function files(unitPath: string, facts: ServiceFacts): readonly ServiceFile[] {
  const lines = Object.entries(facts.variables).map(variable);
  const kept: readonly ServiceFile[] =
    lines.length === 0
      ? []
      : [{ path: variablesFile(facts.dataDir), text: `${lines.join('\n')}\n`, mode: 0o600 }];
  return [{ path: unitPath, text: unit(facts), mode: 0o644 }, ...kept];
}

/** A user unit of systemd. */
export const SYSTEMD: ServiceKeeper = {
  name: 'systemd',
  probe: { argv: ['systemctl', '--user', 'show-environment'] },
  absent:
    'systemd does not keep services for this user here (no `systemctl --user`); start the gateway with `sluice start`, or write the unit where it runs with --dry-run.',
  unitPath: (home, environment) =>
    join(environment['XDG_CONFIG_HOME'] || join(home, '.config'), 'systemd/user', UNIT),
  files,
  install: () => [
    { argv: ['systemctl', '--user', 'daemon-reload'] },
    { argv: ['systemctl', '--user', 'enable', UNIT] },
    // Restarted, so that a changed unit holds at once.
    { argv: ['systemctl', '--user', 'restart', UNIT] },
  ],
  uninstall: () => [{ argv: ['systemctl', '--user', 'disable', '--now', UNIT], optional: true }],
  status: () => ({ argv: ['systemctl', '--user', 'is-active', UNIT] }),
  runs: ({ code }) => code === 0,
  hint: 'It starts when you log in; `loginctl enable-linger` lets it start with the machine. `journalctl --user -u sluice` shows its log.',
};
