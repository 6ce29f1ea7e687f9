import { isLoopbackHost } from './defaults.ts';
import type { ConfigPath, Report } from './paths.ts';
import type { AuditSinkConfig, Config } from './schema.ts';

/** Secrets travel in the clear on this machine only. */
function checkTransport(url: string | undefined, path: ConfigPath, report: Report): void {
  if (url === undefined) return;
  const parsed = URL.parse(url.replaceAll('{vault}', 'vault'));
  if (parsed === null) {
    report.problem({
      path,
      problem: 'is no URL.',
      remedy: 'Write a full URL, for example https://vault.example:8200.',
    });
  } else if (parsed.protocol === 'http:' && !isLoopbackHost(parsed.hostname)) {
    report.problem({
      path,
      problem: 'is reached without TLS, and secrets would be readable on the way.',
      remedy: 'Use https://; http:// is for addresses of this machine.',
    });
  }
}

/** What each way of signing in to Vault needs. */
const VAULT_NEEDS = {
  token: [],
  approle: ['role_id', 'secret_id'],
  kubernetes: ['role'],
} as const;

function checkVault(config: Config, report: Report): void {
  const { vault } = config.secrets;
  if (vault === undefined) return;
  checkTransport(vault.address, ['secrets', 'vault', 'address'], report);
  for (const name of VAULT_NEEDS[vault.method]) {
    if (vault[name] !== undefined) continue;
    report.problem({
      path: ['secrets', 'vault'],
      at: 'key',
      problem: `needs \`${name}\` for \`method: ${vault.method}\`.`,
      remedy: `Add \`${name}\`.`,
    });
  }
}

function checkSink(sink: AuditSinkConfig, index: number, report: Report): void {
  if (sink.type === 'https') checkTransport(sink.url, ['audit', 'sinks', index, 'url'], report);
}

/** Secret stores, and where the audit log is sent. */
export function checkSecrets(config: Config, report: Report): void {
  checkVault(config, report);
  const { aws, google, azure } = config.secrets;
  checkTransport(aws?.endpoint, ['secrets', 'aws', 'endpoint'], report);
  checkTransport(google?.endpoint, ['secrets', 'google', 'endpoint'], report);
  checkTransport(azure?.endpoint, ['secrets', 'azure', 'endpoint'], report);
  checkTransport(azure?.authority, ['secrets', 'azure', 'authority'], report);
  const names = new Set<string>();
  for (const [index, sink] of config.audit.sinks.entries()) {
    checkSink(sink, index, report);
    if (names.has(sink.name)) {
      report.problem({
        path: ['audit', 'sinks', index, 'name'],
        problem: 'is the name of another sink too.',
        remedy: 'Give each sink a name of its own.',
      });
    }
    names.add(sink.name);
  }
}
