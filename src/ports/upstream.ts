/** A request to a provider, ready to send. */
export interface UpstreamRequest {
  readonly method: string;
  /** Scheme and authority, the pool's key. */
  readonly origin: string;
  /** Path with query. */
  readonly path: string;
  /** Lower-case names. May be shared by many requests, and must not be changed once sent. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string | undefined;
  readonly timeouts: UpstreamTimeouts;
  /** Loopback and private addresses are refused unless the operator allowed them for this provider. */
  readonly allowPrivateNetwork: boolean;
  /** Connections to this origin at once; further requests wait for one, no longer than for an answer. Absent: the adapter's. */
  readonly maxConnections?: number | undefined;
  /** Longest streamed answer, after decompression. Bytes; absent: no limit. */
  readonly maxStreamBytes?: number;
}

/** Milliseconds; 0 switches one off. */
export interface UpstreamTimeouts {
  readonly connectMs: number;
  /** From sending to the answer's headers. */
  readonly firstByteMs: number;
  /** Between any two chunks of the body. */
  readonly idleMs: number;
  /** For a whole (not streamed) answer. */
  readonly totalMs: number;
}

/** An answer whose headers have arrived. Exactly one of `bytes`, iterating, or `cancel` must follow. */
export interface UpstreamAnswer extends AsyncIterable<Uint8Array> {
  readonly status: number;
  /** Lower-case names; repeated headers joined by `, `. */
  readonly headers: Readonly<Record<string, string>>;
  /** The whole body. Throws `upstream_too_large` above `limit` bytes, `upstream_cut` when it breaks off. */
  bytes(limit: number): Promise<Uint8Array>;
  /** Size of the body as far as it is known: what has arrived, or what was announced if that is more. */
  readonly bodyBytes: number;
  /** Closes the connection to the upstream now; a read that is waiting ends with an error. Idempotent. */
  cancel(): void;
}

/** Reaches providers over HTTP. */
export interface Upstream {
  /** Throws `upstream_unreachable` or `upstream_timeout`; aborts at once when `signal` does. */
  send(request: UpstreamRequest, signal: AbortSignal): Promise<UpstreamAnswer>;
  close(): Promise<void>;
}
