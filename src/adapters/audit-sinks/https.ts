import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AuditSink } from '../../ports/audit-sink.ts';
import type { AuditRecord } from '../../ports/audit-store.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Upstream } from '../../ports/upstream.ts';
import type { OutboundProxies } from '../http1/outbound-proxies.ts';
import { evenTimeouts } from '../http1/timeouts.ts';
import { openUpstream } from '../http1/upstream.ts';
import { factsOf } from './cef.ts';

export interface HttpsOptions {
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly url: string;
  /** Key of the signature; asked for every time, because it may be a reference. */
  readonly secret: () => string | undefined;
  readonly headers: () => Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly allowPrivateNetwork: boolean;
  /** Certificates to trust instead of the system's. */
  readonly caFile: string | undefined;
  /** The way to it, where it has connections of its own. */
  readonly proxies?: OutboundProxies | undefined;
}

const MAX_ANSWER_BYTES = 64 * 1024;

function lineOf(record: AuditRecord): string {
  const { sequence, at, actor, action, target, previousHash, hash } = record;
  const row = { sequence, at: new Date(at).toISOString(), actor, action, target, details: factsOf(record) };
  return `${JSON.stringify({ ...row, previous_hash: previousHash, hash })}\n`;
}

/**
 * Posts audit entries as JSON lines. `x-sluice-signature: t=SECONDS,v1=HEX` is the HMAC-SHA256 of `SECONDS.BODY`, so that a
 * receiver can tell ours from others', and old ones from new ones. Any 2xx takes the entries.
 */
export function createHttpsSink(options: HttpsOptions): AuditSink {
  const { clock, timeoutMs, allowPrivateNetwork, caFile, proxies } = options;
  /** With certificates of its own the sink has connections of its own, opened when they are needed first. */
  let own: Upstream | undefined;
  const connections = (): Upstream => {
    if (caFile === undefined) return options.upstream;
    own ??= openUpstream({ maxConnections: 2, ca: readFileSync(caFile, 'utf8'), proxies });
    return own;
  };
  const { origin, pathname, search } = new URL(options.url);
  return {
    async send(records, signal) {
      const body = records.map(lineOf).join('');
      const seconds = Math.floor(clock.now() / 1000);
      const secret = options.secret();
      const mac = secret && createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
      const answer = await connections().send(
        {
          method: 'POST',
          origin,
          path: pathname + search,
          headers: {
            ...options.headers(),
            'content-type': 'application/x-ndjson',
            'x-sluice-batch': `${records.at(0)?.sequence ?? 0}-${records.at(-1)?.sequence ?? 0}`,
            ...(mac ? { 'x-sluice-signature': `t=${seconds},v1=${mac}` } : {}),
          },
          body,
          timeouts: evenTimeouts(timeoutMs),
          allowPrivateNetwork,
        },
        signal,
      );
      await answer.bytes(MAX_ANSWER_BYTES);
      if (answer.status < 200 || answer.status > 299) {
        throw new Error(`The collector answered with HTTP ${answer.status}.`);
      }
    },
    close: () => void own?.close(),
  };
}
