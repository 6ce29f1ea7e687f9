import { describe, expect, it } from 'vitest';
import { FailureLimiter, peerOf } from './failures.ts';

describe('peerOf', () => {
  it('takes a mapped address for the IPv4 address it is', () => {
    expect(peerOf('::ffff:192.0.2.7')).toBe('192.0.2.7');
    expect(peerOf('192.0.2.7')).toBe('192.0.2.7');
  });

  it('counts a whole /64 as one peer, however it is written', () => {
    expect(peerOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64');
    expect(peerOf('2001:db8:1:2::9')).toBe('2001:db8:1:2::/64');
    expect(peerOf('2001:db8::9')).toBe('2001:db8:0:0::/64');
    expect(peerOf('fe80::1%eth0')).toBe('fe80:0:0:0::/64');
    expect(peerOf('::1')).toBe('0:0:0:0::/64');
    expect(peerOf('2001:db8:1:3::9')).not.toBe(peerOf('2001:db8:1:2::9'));
  });
});

describe('FailureLimiter', () => {
  it('lets `limit` failures pass in a minute and says how long to wait after', () => {
    const limiter = new FailureLimiter();
    for (let index = 0; index < 3; index++) expect(limiter.note('192.0.2.1', 3, 1000 + index)).toBe(0);
    expect(limiter.note('192.0.2.1', 3, 11_000)).toBe(50_000);
    expect(limiter.waitOf('192.0.2.1', 3, 11_000)).toBe(50_000);
    expect(limiter.waitOf('192.0.2.2', 3, 11_000)).toBe(0);
    expect(limiter.note('192.0.2.1', 3, 61_000)).toBe(0);
    expect(limiter.waitOf('192.0.2.1', 3, 61_000)).toBe(0);
  });

  it('remembers a bounded number of peers', () => {
    const limiter = new FailureLimiter();
    for (let index = 0; index < 12_000; index++) limiter.note(`10.${index >> 8}.${index & 255}.1`, 3, 1000);
    expect(limiter.size).toBe(10_000);
  });
});
