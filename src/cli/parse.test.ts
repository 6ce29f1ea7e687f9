import { describe, expect, it } from 'vitest';
import { CliFailure } from './failure.ts';
import {
  parseChoice,
  parseCount,
  parseDuration,
  parseList,
  parseMoment,
  parsePort,
  parseUsd,
} from './parse.ts';

const NOW = Date.UTC(2026, 4, 10, 12);

function refusal(parse: () => unknown): CliFailure {
  try {
    parse();
  } catch (error) {
    if (error instanceof CliFailure) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('parseDuration', () => {
  it.each([
    ['500ms', 500],
    ['90s', 90_000],
    ['1.5h', 5_400_000],
    ['30d', 2_592_000_000],
    ['2w', 1_209_600_000],
    ['1h30m', 5_400_000],
    ['5min', 300_000],
    [' 0s ', 0],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text, '--overlap')).toBe(ms);
  });

  it.each(['', '5', 'h', '-1h', '1h foo', '1y', 'foo1h', '1h,2m', '9999w'])(
    'refuses %j as bad usage',
    (text) => {
      const error = refusal(() => parseDuration(text, '--overlap'));
      expect(error.exitCode).toBe(2);
      expect(error.message).toContain('--overlap');
    },
  );
});

describe('parseMoment', () => {
  const future = { now: NOW, direction: 'future' } as const;

  it('reads days, times and durations', () => {
    expect(parseMoment('2026-12-31', '--expires', future)).toBe('2026-12-31T00:00:00.000Z');
    expect(parseMoment('2026-12-31T10:00:00+02:00', '--expires', future)).toBe('2026-12-31T08:00:00.000Z');
    expect(parseMoment('30d', '--expires', future)).toBe('2026-06-09T12:00:00.000Z');
    expect(parseMoment('7d', '--from', { now: NOW, direction: 'past' })).toBe('2026-05-03T12:00:00.000Z');
  });

  it.each(['2026-02-30', '2026-13-01', '2026-02-30T10:00:00Z', 'tomorrow', '31.12.2026', '2026-12-31T10:00'])(
    'refuses %s',
    (text) => {
      expect(refusal(() => parseMoment(text, '--expires', future)).exitCode).toBe(2);
    },
  );
});

describe('numbers, money and words', () => {
  it('keeps to bounds', () => {
    expect(parseCount('20', '--lines', { min: 0, max: 500 })).toBe(20);
    expect(parsePort('0')).toBe(0);
    for (const text of ['501', '-1', '1.5', '1e2', '', '0x10']) {
      expect(refusal(() => parseCount(text, '--lines', { min: 0, max: 500 })).exitCode).toBe(2);
    }
    expect(refusal(() => parsePort('65536')).message).toContain('65535');
  });

  it('keeps money as written', () => {
    expect(parseUsd('25', '--budget')).toBe('25');
    expect(parseUsd('$0.100000001', '--budget')).toBe('0.100000001');
    for (const text of ['-1', '1e3', '1,50', '0.0000000001', '']) {
      expect(refusal(() => parseUsd(text, '--budget')).exitCode).toBe(2);
    }
  });

  it('takes one of a few words, and lists', () => {
    expect(parseChoice('day', '--interval', ['hour', 'day'])).toBe('day');
    expect(refusal(() => parseChoice('week', '--interval', ['hour', 'day'])).message).toContain('hour, day');
    expect(parseList(' a, b,,c ')).toEqual(['a', 'b', 'c']);
  });
});
