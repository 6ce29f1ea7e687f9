import { join } from 'node:path';
import type { ServiceFacts, ServiceKeeper } from './service.ts';

const LABEL = 'dev.sluice.gateway';

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function strings(values: readonly string[]): string {
  return values.map((value) => `    <string>${escaped(value)}</string>`).join('\n');
}

function variables(given: ServiceFacts['variables']): string {
  const entries = Object.entries(given);
  if (entries.length === 0) return '';
  const lines = entries.map(
    ([name, value]) => `    <key>${escaped(name)}</key>\n    <string>${escaped(value)}</string>`,
  );
  return `  <key>EnvironmentVariables</key>\n  <dict>\n${lines.join('\n')}\n  </dict>\n`;
}

/** A property list of launchd.plist(5). */
function plist(facts: ServiceFacts): string {
  const log = escaped(join(facts.dataDir, 'service.log'));
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${LABEL}</string>
  <key>ProgramArguments</key>
  <array>
${strings([facts.node, facts.program, 'start', ...facts.argv])}
  </array>
  <key>WorkingDirectory</key>
  <string>${escaped(facts.folder)}</string>
${variables(facts.variables)}  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>5</integer>
  <key>ExitTimeOut</key>
  <integer>${facts.stopSeconds}</integer>
  <key>Umask</key>
  <integer>63</integer>
  <key>StandardOutPath</key>
  <string>${log}</string>
  <key>StandardErrorPath</key>
  <string>${log}</string>
</dict>
</plist>
`;
}

/** A launch agent of macOS. */
export const LAUNCHD: ServiceKeeper = {
  name: 'launchd',
  probe: { argv: ['launchctl', 'version'] },
  absent: 'launchctl does not answer here; start the gateway with `sluice start`.',
  unitPath: (home) => join(home, 'Library/LaunchAgents', `${LABEL}.plist`),
  // The property list may hold keys.
  files: (unitPath, facts) => [{ path: unitPath, text: plist(facts), mode: 0o600 }],
  install: (unitPath, user) => [
    { argv: ['launchctl', 'bootout', `gui/${user}/${LABEL}`], optional: true },
    { argv: ['launchctl', 'bootstrap', `gui/${user}`, unitPath] },
    { argv: ['launchctl', 'enable', `gui/${user}/${LABEL}`] },
  ],
  uninstall: (_unitPath, user) => [
    { argv: ['launchctl', 'bootout', `gui/${user}/${LABEL}`], optional: true },
  ],
  status: (user) => ({ argv: ['launchctl', 'print', `gui/${user}/${LABEL}`] }),
  runs: ({ code, stdout }) => code === 0 && /\bstate = running\b/.test(stdout),
  hint: 'It starts when you log in. Its log is service.log in the data folder.',
};
