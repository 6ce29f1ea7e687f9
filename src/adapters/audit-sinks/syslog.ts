import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { connect as connectTls } from 'node:tls';
import type { AuditSink } from '../../ports/audit-sink.ts';
import type { AuditRecord } from '../../ports/audit-store.ts';
import { EgressError, guardedLookup, isPrivateAddress } from '../http1/egress.ts';
import { cefOf, factsOf, severityOf } from './cef.ts';

export interface SyslogOptions {
  readonly host: string;
  readonly port: number;
  readonly transport: 'tcp' | 'tls' | 'udp';
  readonly caFile: string | undefined;
  readonly format: 'json' | 'cef';
  readonly facility: number;
  readonly allowPrivateNetwork: boolean;
  /** Ours, for CEF. */
  readonly version: string;
}

/** Largest datagram sent; more is cut by many receivers (RFC 5426, section 3.2). */
const MAX_DATAGRAM = 8192;
/** Reserved for examples and documentation (RFC 5612); we own no enterprise number. */
const ENTERPRISE = 32_473;

/** Severities of RFC 5424: 4 warning, 5 notice. */
const levelOf = (record: AuditRecord) => (severityOf(record) >= 7 ? 4 : 5);

/**
 * In parameter values `"`, `\` and `]` are escaped (RFC 5424, section 6.3.3). Line breaks are allowed there, and to a
 * receiver that splits lines what stands behind one is an entry of its own.
 */
function parameter(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').replace(/["\\\]]/g, '\\$&');
}

/** A header field: printable ASCII without blanks, `-` for none. */
function word(text: string, longest: number): string {
  return text.replace(/[^\x21-\x7e]/g, '_').slice(0, longest) || '-';
}

/** One entry as an RFC 5424 message. */
export function syslogOf(
  record: AuditRecord,
  options: Pick<SyslogOptions, 'facility' | 'format' | 'version'>,
): string {
  const { sequence, at, actor, action, target, hash } = record;
  const priority = options.facility * 8 + levelOf(record);
  const time = new Date(at).toISOString();
  const top = `<${priority}>1 ${time} ${word(hostname(), 255)} sluice ${process.pid} ${word(action, 32)}`;
  const facts = Object.entries({ sequence: String(sequence), actor, target, hash });
  const data = facts.map(([name, value]) => `${name}="${parameter(value)}"`).join(' ');
  const body =
    options.format === 'cef'
      ? cefOf(record, options.version)
      : JSON.stringify({ sequence, at: time, actor, action, target, details: factsOf(record), hash });
  return `${top} [audit@${ENTERPRISE} ${data}] ${body}`;
}

/** Sends audit entries to a syslog server. A connection is kept; what was not handed over whole is sent again. */
export function createSyslogSink(options: SyslogOptions): AuditSink {
  return options.transport === 'udp' ? overDatagrams(options) : overStream(options);
}

function refusePrivate({ host, allowPrivateNetwork }: SyslogOptions): void {
  // A lookup hook is not called for addresses.
  if (!allowPrivateNetwork && isIP(host) !== 0 && isPrivateAddress(host)) {
    throw new EgressError('private address refused');
  }
}

function overDatagrams(options: SyslogOptions): AuditSink {
  const { host, port, allowPrivateNetwork } = options;
  const guard = allowPrivateNetwork ? {} : { lookup: guardedLookup as never };
  const socket = createSocket({ type: isIP(host) === 6 ? 'udp6' : 'udp4', ...guard });
  socket.unref();
  // Nobody listening is told as an error of the next datagram; nothing can be done about it.
  socket.on('error', () => undefined);
  return {
    async send(records) {
      refusePrivate(options);
      for (const record of records) {
        const bytes = Buffer.from(syslogOf(record, options)).subarray(0, MAX_DATAGRAM);
        await new Promise<void>((resolve, reject) => {
          socket.send(bytes, port, host, (error) => (error ? reject(error) : resolve()));
        });
      }
    },
    close: () => socket.close(),
  };
}

function open(options: SyslogOptions, signal: AbortSignal): Promise<Socket> {
  const { host, port, transport, caFile, allowPrivateNetwork } = options;
  refusePrivate(options);
  const address = { host, port, ...(allowPrivateNetwork ? {} : { lookup: guardedLookup as never }) };
  const ca = caFile === undefined ? {} : { ca: readFileSync(caFile) };
  const name = isIP(host) === 0 ? { servername: host } : {};
  return new Promise((resolve, reject) => {
    const socket =
      transport === 'tls'
        ? connectTls({ ...address, ...ca, ...name })
        : connectTcp({ ...address, noDelay: true });
    const abort = () => socket.destroy(new Error('The syslog server did not accept a connection in time.'));
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', reject);
    socket.once(transport === 'tls' ? 'secureConnect' : 'connect', () => {
      signal.removeEventListener('abort', abort);
      socket.off('error', reject);
      // Told by the next write; without a listener it would end the process.
      socket.on('error', () => undefined);
      // Servers say nothing; unread bytes would keep the end of the connection from being noticed.
      socket.resume();
      socket.unref();
      resolve(socket);
    });
  });
}

function write(socket: Socket, bytes: Buffer, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => socket.destroy(new Error('The syslog server took nothing in time.'));
    const closed = () => reject(new Error('The syslog server closed the connection.'));
    signal.addEventListener('abort', abort, { once: true });
    socket.once('close', closed);
    socket.write(bytes, (error) => {
      signal.removeEventListener('abort', abort);
      socket.off('close', closed);
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Each message is preceded by its length (RFC 6587, section 3.4.1; RFC 5425, section 4.3). */
function framed(records: readonly AuditRecord[], options: SyslogOptions): Buffer {
  return Buffer.concat(
    records.flatMap((record) => {
      const bytes = Buffer.from(syslogOf(record, options));
      return [Buffer.from(`${bytes.length} `), bytes];
    }),
  );
}

function overStream(options: SyslogOptions): AuditSink {
  let socket: Socket | undefined;
  const usable = () => socket !== undefined && !socket.destroyed && socket.writable && !socket.readableEnded;
  return {
    async send(records, signal) {
      try {
        if (!usable()) {
          socket?.destroy();
          socket = await open(options, signal);
        }
        if (socket !== undefined) await write(socket, framed(records, options), signal);
      } catch (error) {
        socket?.destroy();
        socket = undefined;
        throw error;
      }
    },
    close() {
      socket?.destroy();
    },
  };
}
