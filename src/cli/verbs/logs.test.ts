import { describe, expect, it } from 'vitest';
import type { Connection } from '../connect.ts';
import { CliFailure } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { displayWidth } from '../text.ts';
import { follow, matches, rowLine } from './logs.ts';

const plain = (_style: string, text: string) => text;

const row: Parameters<typeof matches>[0] = {
  id: 'req_1',
  client_request_id: null,
  started_at: '2026-05-10T12:00:00.123Z',
  key_id: 'key_1',
  organization_id: 'org_default',
  team_id: null,
  project_id: null,
  operation: 'chat',
  model: 'gpt-4o',
  provider: 'openai',
  upstream_model: 'gpt-4o-2024-08-06',
  format: 'openai-chat',
  stream: true,
  status: 200,
  outcome: 'answered',
  error: null,
  finish_reason: 'stop',
  usage: {
    input: 1000,
    cache_read: 200,
    cache_write_5m: 30,
    cache_write_1h: 4,
    output: 56,
    reasoning: 0,
    audio_input: 0,
    audio_output: 0,
    images: 0,
    source: 'reported',
  },
  cost_usd: '0.0034',
  latency_ms: 812,
  first_byte_ms: 200,
  attempts: 1,
  cache: 'miss',
  plan: 'bytes',
  tags: { feature: 'support', toString: 'x' },
  user: null,
  session: null,
};

describe('matches', () => {
  it('filters as the list does', () => {
    expect(matches(row, {})).toBe(true);
    expect(matches(row, { model: 'gpt-4o', status: 200, key_id: 'key_1', provider: 'openai' })).toBe(true);
    expect(matches(row, { model: 'gpt-4' })).toBe(false);
    expect(matches(row, { status: 429 })).toBe(false);
    expect(matches(row, { key_id: 'key_2' })).toBe(false);
    expect(matches(row, { tag: 'feature' })).toBe(true);
    expect(matches(row, { tag: 'feature=support' })).toBe(true);
    expect(matches(row, { tag: 'feature=sales' })).toBe(false);
    expect(matches({ ...row, tags: {} }, { tag: 'toString' })).toBe(false);
  });
});

describe('rowLine', () => {
  it('tells one call in one line, money as given', () => {
    const line = rowLine(row, { paint: plain, width: undefined });
    expect(line).toContain('2026-05-10 12:00:00 200');
    expect(line).toContain('812 ms');
    expect(line).toContain('1,234 → 56 tok');
    expect(line).toContain('$0.0034');
    expect(line).toContain('gpt-4o → openai/gpt-4o-2024-08-06');
  });

  it('marks estimates, names errors, and lets no escape through', () => {
    const odd = {
      ...row,
      model: '\u001b[2Jevil',
      status: 502,
      outcome: 'failed',
      error: 'upstream_error',
      usage: { ...row.usage, source: 'estimated' },
    } as const;
    const line = rowLine(odd, { paint: plain, width: undefined });
    expect(line).toContain('~1,234');
    expect(line).toContain('upstream_error');
    expect(line).toContain('?[2Jevil');
    expect(line).not.toContain('\u001b');
  });

  it('keeps to the screen', () => {
    for (const width of [40, 80, 120]) {
      expect(displayWidth(rowLine(row, { paint: plain, width }))).toBeLessThanOrEqual(width);
    }
  });
});

describe('following', () => {
  const named = (id: string) => ({ ...row, id });
  const setting = () => {
    const printed: string[] = [];
    const complaints: string[] = [];
    const stop = new AbortController();
    const terminal = {
      print: (line: string) => void printed.push(JSON.parse(line).id),
      complain: (line: string) => void complaints.push(line),
    } as unknown as Terminal;
    const options = { lines: '1', json: true };
    const following = { filter: {}, options, terminal, stop: stop.signal, seen: new Set<string>() };
    return { printed, complaints, stop, following };
  };
  const gone = () => new CliFailure('unreachable', 'No gateway answers.');

  it('goes on after a restart, with what it missed, each row once', async () => {
    const { printed, stop, following } = setting();
    const lists = [
      [named('old'), named('shown')],
      [named('old'), named('shown'), named('a'), named('missed')],
    ];
    let tries = 0;
    const gateway = {
      call: async () => ({ data: (lists.shift() ?? []).reverse() }),
      async *watch() {
        tries++;
        if (tries === 1) {
          yield named('a');
          throw gone();
        }
        if (tries === 2) throw gone();
        yield named('missed');
        yield named('new');
        stop.abort();
      },
    } as unknown as Connection;
    lists.splice(1, 0, []);
    await follow(gateway, following, 1);
    expect(printed).toEqual(['shown', 'a', 'missed', 'new']);
  });

  it('has to reach a gateway once', async () => {
    const { following } = setting();
    const gateway = {
      call: async () => Promise.reject(gone()),
      // biome-ignore lint/correctness/useYield: it fails before the first row.
      async *watch() {
        throw gone();
      },
    } as unknown as Connection;
    await expect(follow(gateway, following, 1)).rejects.toThrow('No gateway answers');
  });
});
