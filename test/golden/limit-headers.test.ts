import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readLimitHeaders } from '../../src/core/resilience/limit-headers.ts';

interface Recorded {
  readonly id: string;
  readonly provider: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const INDEX = fileURLToPath(new URL('../../../shared/wire/index.json', import.meta.url));
const recorded = existsSync(INDEX) ? (JSON.parse(readFileSync(INDEX, 'utf8')) as Recorded[]) : [];

/** Headers that tell what is left, but of a month or of something no queue waits for. */
const NOT_WAITED_FOR = /month|input-images|abusepenalty/;

/** The moment of a recording: dates in its headers are shortly after it. */
function momentOf(headers: Readonly<Record<string, string>>): number {
  const dates = Object.values(headers).flatMap((value) =>
    /^\d{4}-\d\d-\d\dT/.test(value) ? [Date.parse(value)] : [],
  );
  return dates.length === 0 ? 0 : Math.min(...dates) - 1000;
}

describe('limits in recorded answers', () => {
  it(`are all read, of every vendor${recorded.length === 0 ? ' (no recordings here: nothing to read)' : ''}`, () => {
    const vendors = new Set<string>();
    for (const { id, provider, headers = {} } of recorded) {
      const telling = Object.keys(headers).filter(
        (name) => /limit/.test(name) && /remaining/.test(name) && !NOT_WAITED_FOR.test(name),
      );
      const told = readLimitHeaders(headers, momentOf(headers)) ?? [];
      expect(told.map(({ name }) => name).sort(), id).toEqual([...telling].sort());
      for (const { limit, remaining, resetMs } of told) {
        expect(remaining, id).toBeGreaterThanOrEqual(0);
        expect(remaining, id).toBeLessThanOrEqual(limit ?? Number.POSITIVE_INFINITY);
        expect(resetMs, id).toBeLessThanOrEqual(120_000);
      }
      if (told.length > 0) vendors.add(provider);
    }
    if (recorded.length > 0) {
      const known = ['anthropic', 'azure', 'azure-foundry', 'groq', 'mistral', 'openai', 'together', 'xai'];
      expect([...vendors].sort()).toEqual(expect.arrayContaining(known));
    }
  });
});
