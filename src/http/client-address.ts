import { BlockList, isIP } from 'node:net';
import type { ClientRequest } from './client-request.ts';

/** Addresses found in `X-Forwarded-For`, where a trusted proxy stands before us. */
const forwarded = new WeakMap<ClientRequest, string>();

/** Requests that a trusted proxy says came to it over TLS. */
const overTls = new WeakSet<ClientRequest>();

/** Entries of `X-Forwarded-For` looked at; a longer chain is nobody's real one. */
const MAX_HOPS = 32;

/** Who is trusted to say for whom it calls: IP addresses and CIDR blocks. */
export function trustedProxies(blocks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const block of blocks) {
    const [address = '', prefix] = block.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return (address) => {
    const version = isIP(address);
    return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4');
  };
}

/**
 * Notes the client behind trusted proxies: the last address of `X-Forwarded-For` that is none of theirs. What stands
 * before it was written by that client and is not believed (RELIABILITY T21). `X-Forwarded-Proto` likewise.
 */
export function noteForwarded(request: ClientRequest, isTrusted: (address: string) => boolean): void {
  const peer = request.socket.remoteAddress ?? '';
  if (!isTrusted(peer)) return;
  const { 'x-forwarded-for': header, 'x-forwarded-proto': protocol } = request.headers;
  if (String(protocol).split(',').at(-1)?.trim().toLowerCase() === 'https') overTls.add(request);
  const hops = String(header ?? '')
    .split(',')
    .slice(-MAX_HOPS)
    .map((hop) => hop.trim())
    .reverse();
  let client: string | undefined;
  for (const hop of hops) {
    if (isIP(hop) === 0) break;
    client = hop;
    if (!isTrusted(hop)) break;
  }
  if (client !== undefined) forwarded.set(request, client);
}

/** Where a request comes from: its client behind trusted proxies, else the other end of the connection. */
export function addressOf(request: ClientRequest): string {
  return forwarded.get(request) ?? request.socket.remoteAddress ?? '';
}

/** Whether the client's side of a trusted proxy is TLS. */
export function cameOverTls(request: ClientRequest): boolean {
  return overTls.has(request);
}
