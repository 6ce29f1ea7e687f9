import { accessSync, constants, existsSync, mkdtempSync, rmdirSync, statfsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { readAdminKey } from '../app/admin-key.ts';
import { checkConfiguration } from '../app/check-configuration.ts';
import {
  type ConnectionFault,
  connectionFault,
  listVendors,
  portalFolder,
  storedDatabaseFault,
} from '../app/cli-support.ts';
import { type Config, formatProblem, providerType } from '../app/config/index.ts';
import { findLocalAddress, type LocalAddress } from '../app/local-address.ts';
import { lookAtProxy, reachProvider } from '../app/reach-provider.ts';
import { examineLive } from './examine-live.ts';
import type { Terminal } from './terminal.ts';
import type { DoctorOptions } from './verbs/doctor.ts';

/** What one check came to. */
export interface Finding {
  readonly check: string;
  readonly result: 'ok' | 'warn' | 'fail';
  readonly message: string;
  readonly remedy?: string;
}

const MIN_NODE = [24, 15] as const;
const MB = 1_048_576;
const LITTLE_DISK = 1024 * MB;
const NO_DISK = 100 * MB;
const ANSWER_MS = 3000;
const GATEWAY_ANSWERS = 'A gateway answers on';
/** AWS refuses signatures five minutes off; tokens and budgets' windows suffer before. */
const CLOCK_FAIL_MS = 300_000;
const CLOCK_WARN_MS = 30_000;

/** Node.js as `bin/sluice` and package.json ask for it. */
export function examineNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const fine = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  if (fine) return { check: 'Node.js', result: 'ok', message: version };
  return {
    check: 'Node.js',
    result: 'fail',
    message: `${version} is too old.`,
    remedy: `Install Node.js ${MIN_NODE.join('.')} or newer.`,
  };
}

/** The nearest folder above that exists, which the data folder would be made in. */
function existingParent(folder: string): string {
  let at = folder;
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  return at;
}

/** Tries it: `/proc` and the like look writable to root, and are not. */
function takesFolders(parent: string): boolean {
  try {
    rmdirSync(mkdtempSync(join(parent, '.sluice-doctor-')));
    return true;
  } catch {
    return false;
  }
}

/** Whether the data folder is there, ours alone, and can be written to. */
export function examineDataFolder(folder: string): Finding {
  const check = 'Data folder';
  const at = existingParent(folder);
  if (!statSync(at).isDirectory()) {
    return { check, result: 'fail', message: `${at} is no folder.`, remedy: 'Name another with --data-dir.' };
  }
  try {
    accessSync(at, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    const remedy = `Give this user the right to write to it, or name another folder with --data-dir.`;
    return { check, result: 'fail', message: `${at} cannot be written to.`, remedy };
  }
  if (at !== folder) {
    if (takesFolders(at))
      return { check, result: 'ok', message: `${folder} will be made at the first start.` };
    const remedy = 'Name another folder with --data-dir.';
    return { check, result: 'fail', message: `${folder} cannot be made: ${at} takes no folders.`, remedy };
  }
  if ((statSync(at).mode & 0o077) !== 0) {
    const remedy = `Run \`chmod 700 ${folder}\`; \`sluice start\` does it, too.`;
    return { check, result: 'warn', message: `Other users can look into ${folder}.`, remedy };
  }
  try {
    readAdminKey(folder);
  } catch (error) {
    return {
      check,
      result: 'fail',
      message: (error as Error).message,
      remedy: `Run \`chmod 600 ${folder}/admin.key\`.`,
    };
  }
  return { check, result: 'ok', message: folder };
}

/** Whether the database in the data folder can be opened by this version; nothing is said where there is none yet. */
export async function examineDatabase(folder: string): Promise<readonly Finding[]> {
  const check = 'Database';
  const fault = await storedDatabaseFault(folder);
  if (fault !== undefined) return [{ check, result: 'fail', message: fault }];
  const path = join(folder, 'sluice.db');
  return existsSync(path) ? [{ check, result: 'ok', message: path }] : [];
}

/** Free space where the data folder is or would be. */
export function examineDisk(folder: string, statfs: typeof statfsSync = statfsSync): Finding {
  const { bavail, bsize } = statfs(existingParent(folder));
  const free = bavail * bsize;
  const message = `${(free / LITTLE_DISK).toFixed(1)} GB free`;
  if (free >= LITTLE_DISK) return { check: 'Disk', result: 'ok', message };
  const remedy = 'Make room, or lower log.max_mb and log.retention_days.';
  return { check: 'Disk', result: free < NO_DISK ? 'fail' : 'warn', message, remedy };
}

function canListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    probe.listen(port, host, () => probe.close(() => resolve(undefined)));
  });
}

/** Whether the port is free, or a gateway is what listens there. */
export async function examinePort({ host, port }: Pick<LocalAddress, 'host' | 'port'>): Promise<Finding> {
  const check = 'Port';
  const bare = host.replace(/^\[|\]$/g, '');
  const refusal = await canListen(bare, port);
  if (refusal === undefined) return { check, result: 'ok', message: `${host}:${port} is free.` };
  if (refusal !== 'EADDRINUSE') {
    const remedy =
      refusal === 'EACCES'
        ? 'Choose a port above 1023 with --port.'
        : 'Set server.host to an address of this machine.';
    return { check, result: 'fail', message: `${host}:${port} cannot be listened on (${refusal}).`, remedy };
  }
  const reached = ['0.0.0.0', '::'].includes(bare) ? '127.0.0.1' : bare;
  const url = `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}/health/live`;
  const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => undefined);
  const body = (await answer?.json().catch(() => undefined)) as { status?: unknown } | undefined;
  if (body?.status === 'live') return { check, result: 'ok', message: `${GATEWAY_ANSWERS} ${host}:${port}.` };
  const remedy = 'Stop what runs there, or choose another with --port.';
  return { check, result: 'fail', message: `Another program listens on ${host}:${port}.`, remedy };
}

interface Reached {
  readonly finding: Finding;
  /** How far this clock is ahead of the provider's, milliseconds; the header counts whole seconds. */
  readonly skewMs: number | undefined;
}

const UNREACHED: Readonly<Record<ConnectionFault, readonly [message: string, remedy: string]>> = {
  certificate: [
    'has a certificate that is not trusted here.',
    'Check the base_url; NODE_EXTRA_CA_CERTS adds an authority of your own.',
  ],
  no_tls: ['does not speak TLS there.', 'Check whether the base_url has to start with http://.'],
  proxy: [
    'is not reached: the outbound proxy (HTTPS_PROXY) opens no way to it.',
    'Check HTTPS_PROXY, its credentials and what it lets through; NO_PROXY names hosts that need none.',
  ],
  refused: ['refuses the connection.', 'Start what should run there, or check the base_url.'],
  unknown_host: ['is a name that is not known here.', 'Check the base_url and the name server.'],
};

/** Why a provider did not answer. */
function unreached(
  host: string,
  { error, late }: { readonly error: unknown; readonly late: boolean },
): Pick<Finding, 'message' | 'remedy'> {
  const fault = late ? undefined : connectionFault(error);
  if (fault !== undefined) {
    const [message, remedy] = UNREACHED[fault];
    return { message: `${host} ${message}`, remedy };
  }
  return late
    ? {
        message: `${host} did not answer within ${ANSWER_MS / 1000} s.`,
        remedy: 'Check the network and the base_url; behind an outbound proxy, set HTTPS_PROXY.',
      }
    : { message: `${host} broke the connection off.`, remedy: 'Check the network and the base_url.' };
}

/** Any answer will do: that it is refused without a key shows that the way is open. No credential is sent. */
export async function examineProvider(
  name: string,
  url: string | undefined,
  environment: Terminal['environment'],
): Promise<Reached> {
  const check = `Provider ${name}`;
  if (url === undefined || url.includes('{')) {
    const message = 'Its address depends on region or account; it was not asked.';
    return { finding: { check, result: 'ok', message }, skewMs: undefined };
  }
  const { host } = new URL(url);
  const signal = AbortSignal.timeout(ANSWER_MS);
  try {
    const started = Date.now();
    const theirs = Date.parse((await reachProvider(url, { environment, signal })) ?? '');
    const middle = (started + Date.now()) / 2;
    return {
      finding: { check, result: 'ok', message: `${host} answers.` },
      skewMs: Number.isNaN(theirs) ? undefined : middle - theirs,
    };
  } catch (error) {
    return {
      finding: { check, result: 'fail', ...unreached(host, { error, late: signal.aborted }) },
      skewMs: undefined,
    };
  }
}

/** The way to the providers, where it leads through a proxy. */
function examineProxy(environment: Terminal['environment']): readonly Finding[] {
  const check = 'Outbound proxy';
  const proxy = lookAtProxy(environment);
  if (proxy === undefined) return [];
  const { problem } = proxy;
  if (problem === undefined)
    return [{ check, result: 'ok', message: 'Providers are reached through HTTPS_PROXY.' }];
  const remedy = 'The gateway does not start like this: nothing goes past a proxy that was meant.';
  return [{ check, result: 'fail', message: problem, remedy }];
}

/** Compares this clock with those of the providers that answered. */
export function examineClock(skews: readonly number[], now: number): Finding {
  const check = 'Clock';
  const time = new Date(now).toISOString();
  const remedy = 'Switch time synchronisation on, for example `timedatectl set-ntp true`.';
  // Sluice was made in 2026: an earlier clock has lost its battery.
  if (now < Date.UTC(2026, 0, 1)) return { check, result: 'fail', message: `It says ${time}.`, remedy };
  const [skew] = skews.toSorted((a, b) => Math.abs(a) - Math.abs(b));
  if (skew === undefined)
    return { check, result: 'ok', message: `It says ${time}; there was nothing to compare it with.` };
  const off = Math.abs(skew);
  const message = `It is ${Math.round(off / 1000)} s off.`;
  if (off >= CLOCK_FAIL_MS) return { check, result: 'fail', message, remedy };
  if (off >= CLOCK_WARN_MS) return { check, result: 'warn', message, remedy };
  return { check, result: 'ok', message: 'It agrees with the providers.' };
}

function examinePortal(): Finding {
  if (portalFolder() !== undefined) return { check: 'Portal', result: 'ok', message: 'It is built.' };
  return {
    check: 'Portal',
    result: 'warn',
    message: 'It is not built.',
    remedy: 'Run `npm run build` in the repository.',
  };
}

function configurationFindings(checked: Awaited<ReturnType<typeof checkConfiguration>>): readonly Finding[] {
  const check = 'Configuration';
  const where = checked.path ?? 'the environment; there is no sluice.yaml here';
  const faults = checked.problems.map(
    (one): Finding => ({
      check,
      result: 'fail',
      message: formatProblem({ ...one, remedy: '' }),
      remedy: one.remedy,
    }),
  );
  const warnings = checked.warnings.map(
    (one): Finding => ({
      check,
      result: 'warn',
      message: formatProblem({ ...one, remedy: '' }),
      remedy: one.remedy,
    }),
  );
  const fine: readonly Finding[] =
    faults.length === 0 ? [{ check, result: 'ok', message: `Taken from ${where}.` }] : faults;
  return [...fine, ...warnings];
}

async function examineProviders(
  config: Config | undefined,
  environment: Terminal['environment'],
): Promise<readonly Reached[]> {
  if (config === undefined) return [];
  const vendors = new Map(listVendors().map((vendor) => [vendor.id, vendor]));
  return Promise.all(
    Object.entries(config.providers).map(([name, provider]) =>
      examineProvider(
        name,
        provider.base_url ?? vendors.get(providerType(config, name))?.baseUrl,
        environment,
      ),
    ),
  );
}

/** Every check, in the order they are told. */
export async function examine(options: DoctorOptions, terminal: Terminal): Promise<readonly Finding[]> {
  const { environment } = terminal;
  const checked = await checkConfiguration({
    configPath: options.config,
    flags: { dataDir: options.dataDir },
    environment,
  });
  const local = findLocalAddress({ path: options.config, environment, dataDir: options.dataDir });
  const proxy = examineProxy(environment);
  const isAsked = proxy.every(({ result }) => result === 'ok');
  const [port, providers] = await Promise.all([
    examinePort(local),
    isAsked ? examineProviders(checked.config, environment) : [],
  ]);
  const runs = port.message.startsWith(GATEWAY_ANSWERS);
  const live = await examineLive(options, terminal, { runs, config: checked.config });
  const skews = providers.flatMap(({ skewMs }) => (skewMs === undefined ? [] : [skewMs]));
  const demo: readonly Finding[] =
    isAsked && checked.config !== undefined && providers.length === 0
      ? [
          {
            check: 'Providers',
            result: 'warn',
            message: 'None is set up; a built-in simulator would answer.',
            remedy: 'Set a key such as OPENAI_API_KEY, or run `sluice init`.',
          },
        ]
      : [];
  return [
    examineNode(process.versions.node),
    ...configurationFindings(checked),
    examineDataFolder(local.dataDir),
    ...(await examineDatabase(local.dataDir)),
    examineDisk(local.dataDir),
    port,
    ...proxy,
    ...providers.map(({ finding }) => finding),
    ...live,
    ...demo,
    examineClock(skews, Date.now()),
    examinePortal(),
  ];
}
