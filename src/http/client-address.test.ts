import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { addressOf, noteForwarded, trustedProxies } from './client-address.ts';

const isTrusted = trustedProxies(['10.0.0.0/8', '192.0.2.7', 'fd00::/8']);

function addressFor(peer: string, header?: string): string {
  const request = { socket: { remoteAddress: peer }, headers: { 'x-forwarded-for': header } };
  noteForwarded(request as unknown as IncomingMessage, isTrusted);
  return addressOf(request as unknown as IncomingMessage);
}

describe('the address of a client', () => {
  it('is the other end of the connection where nobody is trusted', () => {
    expect(addressFor('203.0.113.9', '198.51.100.1')).toBe('203.0.113.9');
    expect(addressFor('10.1.2.3')).toBe('10.1.2.3');
  });

  it('is the last address before the trusted proxies', () => {
    expect(addressFor('10.1.2.3', '198.51.100.1')).toBe('198.51.100.1');
    expect(addressFor('10.1.2.3', '198.51.100.1, 192.0.2.7, 10.9.9.9')).toBe('198.51.100.1');
    expect(addressFor('fd00::1', '2001:db8::5')).toBe('2001:db8::5');
    expect(addressFor('::ffff:10.1.2.3', '198.51.100.1')).toBe('198.51.100.1');
  });

  it('does not believe what the client itself wrote before it', () => {
    expect(addressFor('10.1.2.3', '127.0.0.1, 203.0.113.9')).toBe('203.0.113.9');
  });

  it('stops at what is no address', () => {
    expect(addressFor('10.1.2.3', 'unknown')).toBe('10.1.2.3');
    expect(addressFor('10.1.2.3', '198.51.100.1, nonsense, 10.0.0.1')).toBe('10.0.0.1');
    expect(addressFor('10.1.2.3', '')).toBe('10.1.2.3');
  });
});
