import { readAdminKey } from '../app/admin-key.ts';
import { isLoopbackHost } from '../app/config/index.ts';
import { findLocalAddress, type LocalAddress } from '../app/local-address.ts';
import { ApiError, type ControlClient, createControlClient } from '../control/client.ts';
import type { EndpointName, InputOf, OutputOf } from '../control/contract.ts';
import { badUsage, CliFailure } from './failure.ts';
import type { Terminal } from './terminal.ts';
import type { ConnectionOptions } from './verb.ts';

/** Longest wait for an answer of the admin API. */
const ANSWER_MS = 30_000;

/** A gateway that can be asked. */
export interface Connection {
  readonly url: string;
  /** Throws {@link CliFailure} with a sentence that says what to do. */
  call<Name extends EndpointName>(name: Name, input: InputOf<Name>): Promise<OutputOf<Name>>;
  /** Rows of an export, to the last one. Throws as `call` does. */
  lines<Name extends EndpointName>(name: Name, input: InputOf<Name>): AsyncIterable<OutputOf<Name>>;
  /** Rows of a stream until `signal` aborts; that is no failure. */
  watch<Name extends EndpointName>(name: Name, signal: AbortSignal): AsyncIterable<OutputOf<Name>>;
}

function urlOf(local: LocalAddress): string {
  const bare = local.host.replace(/^\[|\]$/g, '');
  const host = ['0.0.0.0', '::'].includes(bare) ? '127.0.0.1' : bare;
  return `http://${host.includes(':') ? `[${host}]` : host}:${local.port}`;
}

function checkedUrl(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw badUsage('--url and SLUICE_URL take an address such as http://127.0.0.1:4100.');
  }
  if (url.username !== '' || url.password !== '') {
    throw badUsage('The address must not hold a password; use --admin-key or SLUICE_ADMIN_KEY.');
  }
  return given.replace(/\/+$/, '');
}

/** The stored key is for the gateway of this machine: it is never sent elsewhere. */
function storedKey(url: string, local: LocalAddress): string | undefined {
  const { hostname } = new URL(url);
  const here = isLoopbackHost(hostname) || hostname === local.host;
  return here ? readAdminKey(local.dataDir) : undefined;
}

function adminKey(
  options: ConnectionOptions,
  terminal: Terminal,
  at: { url: string; local: LocalAddress },
): string {
  const key = options.adminKey ?? (terminal.environment['SLUICE_ADMIN_KEY'] || storedKey(at.url, at.local));
  if (key !== undefined && key !== '') return key;
  throw new CliFailure(
    'no_admin_key',
    `No admin key for ${at.url}: set SLUICE_ADMIN_KEY, or name the gateway's data folder with --data-dir. ` +
      'If no gateway ran here yet, start one with `sluice start`.',
  );
}

/** Turns what went wrong on the way into a sentence. */
function explain(error: unknown, url: string): unknown {
  if (error instanceof ApiError) {
    if (error.status === 401) {
      return new CliFailure(
        error.code,
        `${error.message} Set SLUICE_ADMIN_KEY to its key, or name its data folder with --data-dir.`,
      );
    }
    if (error.code === 'unknown') {
      return new CliFailure(
        'not_sluice',
        `What answers at ${url} is not Sluice: ${error.message} Check --url.`,
      );
    }
    return error;
  }
  if (error instanceof SyntaxError) {
    return new CliFailure('not_sluice', `What answers at ${url} is not Sluice; check --url.`);
  }
  if (error instanceof TypeError) {
    return new CliFailure(
      'unreachable',
      `No gateway answers at ${url}. Start one with \`sluice start\`, or name its address with --url.`,
    );
  }
  return error;
}

async function withDeadline<T>(work: Promise<T>, url: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new CliFailure('timeout', `${url} did not answer within ${ANSWER_MS / 1000} s; try again.`));
    }, ANSWER_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function* watchRows<Name extends EndpointName>(
  client: ControlClient,
  name: Name,
  at: { readonly signal: AbortSignal; readonly url: string },
): AsyncGenerator<OutputOf<Name>> {
  try {
    yield* client.watch(name, at.signal);
  } catch (error) {
    if (at.signal.aborted) return;
    throw explain(error, at.url);
  }
}

async function* exportRows<Name extends EndpointName>(
  client: ControlClient,
  asked: { readonly name: Name; readonly input: InputOf<Name> },
  url: string,
): AsyncGenerator<OutputOf<Name>> {
  try {
    yield* client.lines(asked.name, asked.input);
  } catch (error) {
    throw explain(error, url);
  }
}

/** Address of the gateway and the data folder of this machine, for verbs that may do without an admin key. */
export function locate(options: ConnectionOptions, terminal: Terminal): { url: string; dataDir: string } {
  const local = findLocalAddress({
    path: options.config,
    environment: terminal.environment,
    dataDir: options.dataDir,
  });
  const url = checkedUrl(options.url ?? (terminal.environment['SLUICE_URL'] || urlOf(local)));
  return { url, dataDir: local.dataDir };
}

/** Finds address and key: options, then environment, then the configuration and its data folder. */
export function connect(options: ConnectionOptions, terminal: Terminal): Connection {
  const local = findLocalAddress({
    path: options.config,
    environment: terminal.environment,
    dataDir: options.dataDir,
  });
  const url = checkedUrl(options.url ?? (terminal.environment['SLUICE_URL'] || urlOf(local)));
  const client = createControlClient({
    baseUrl: url,
    adminKey: adminKey(options, terminal, { url, local }),
  });
  return {
    url,
    async call(name, input) {
      const done = terminal.progress(`Asking ${url}`);
      try {
        return await withDeadline(client.call(name, input), url);
      } catch (error) {
        throw explain(error, url);
      } finally {
        done();
      }
    },
    lines: (name, input) => exportRows(client, { name, input }, url),
    watch: (name, signal) => watchRows(client, name, { signal, url }),
  };
}
