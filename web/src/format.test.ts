import { describe, expect, it } from 'vitest';
import {
  formatDuration,
  formatMoment,
  formatShortCount,
  formatUptime,
  formatUsd,
  percentOf,
} from './format.ts';

describe('formatUsd', () => {
  it.each([
    ['0', '$0'],
    ['0.5', '$0.50'],
    ['1.25', '$1.25'],
    ['0.000000001', '$0.000000001'],
    ['0.000123456', '$0.000123456'],
    ['0.123456789', '$0.123457'],
    ['12.345678901', '$12.3457'],
    ['1234.567891', '$1,234.57'],
    ['999.999999', '$1,000'],
    ['0.999999999', '$1'],
    ['12345678.9', '$12,345,679'],
    ['-3.1', '-$3.10'],
  ])('shows %s as %s', (usd, shown) => {
    expect(formatUsd(usd)).toBe(shown);
  });

  it('leaves alone what is no decimal', () => {
    expect(formatUsd('=1+1')).toBe('=1+1');
  });

  it('does not lose a dollar where floating point would', () => {
    expect(formatUsd('9007199254740993.1')).toBe('$9,007,199,254,740,993');
  });
});

describe('other figures', () => {
  it('shortens large counts only', () => {
    expect(formatShortCount(9999)).toBe('9,999');
    expect(formatShortCount(12_345)).toBe('12.3K');
  });

  it('keeps two units of an uptime', () => {
    expect(formatUptime(90_061)).toBe('1 d 1 h');
    expect(formatUptime(3600)).toBe('1 h');
    expect(formatUptime(0)).toBe('just now');
  });

  it('picks a unit for a duration', () => {
    expect(formatDuration(0.84)).toBe('0.8 ms');
    expect(formatDuration(312.4)).toBe('312 ms');
    expect(formatDuration(4210)).toBe('4.21 s');
    expect(formatDuration(125_000)).toBe('2 min 5 s');
  });

  it('returns what is no date unchanged', () => {
    expect(formatMoment('never', new Date())).toBe('never');
  });

  it('keeps a bar between nothing and full', () => {
    expect(percentOf('5', '10')).toBe(50);
    expect(percentOf('15', '10')).toBe(100);
    expect(percentOf('1', '0')).toBe(100);
    expect(percentOf('0', '0')).toBe(0);
  });
});
