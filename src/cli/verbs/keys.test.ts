import { describe, expect, it } from 'vitest';
import { CONTRACT } from '../../control/contract.ts';
import { keyInputOf } from './keys.ts';

const NOW = Date.UTC(2026, 4, 10);

describe('keyInputOf', () => {
  it('says what the admin API takes', () => {
    const input = keyInputOf(
      'my-app',
      {
        models: 'gpt-4o, claude-*',
        budget: '0.10',
        rpm: '60',
        tpm: '1000',
        concurrency: '2',
        expires: '30d',
      },
      NOW,
    );
    expect(CONTRACT.createKey.input.parse(input)).toMatchObject({
      name: 'my-app',
      models: ['gpt-4o', 'claude-*'],
      budget: { limit_usd: '0.10', window: 'month', action: 'block' },
      limits: { rpm: 60, tpm: 1000, concurrency: 2 },
      expires_at: '2026-06-09T00:00:00.000Z',
    });
  });

  it('asks for nothing that was not asked for', () => {
    expect(JSON.parse(JSON.stringify(keyInputOf('bare', {}, NOW)))).toEqual({ name: 'bare', limits: {} });
  });

  it.each([
    [{ window: 'day' }, '--budget'],
    [{ budget: '5', window: 'year' }, '--window'],
    [{ rpm: '0' }, '--rpm'],
    [{ models: ',' }, '--models'],
    [{ expires: 'soon' }, '--expires'],
  ])('refuses %j and names the option', (options, name) => {
    expect(() => keyInputOf('x', options, NOW)).toThrow(name);
  });
});
