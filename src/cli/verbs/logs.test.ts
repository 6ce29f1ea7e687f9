import { describe, expect, it } from 'vitest';
import { displayWidth } from '../text.ts';
import { matches, rowLine } from './logs.ts';

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
