import { describe, expect, it } from 'vitest';
import { OPEN_PROFILE } from '../model/index.ts';
import { refuseIncapable } from './capabilities.ts';

const demand = { model: 'm', bytes: 1000, tools: 0, media: 0 };
const textOnly = {
  ...OPEN_PROFILE,
  family: 'x',
  input: ['text'] as const,
  tools: false,
  contextTokens: 1000,
};

describe('refuseIncapable', () => {
  it('lets through what the model can do', () => {
    expect(() => refuseIncapable({ ...demand, tools: 3, media: 2 }, OPEN_PROFILE)).not.toThrow();
    expect(() => refuseIncapable({ ...demand, bytes: 15_999 }, textOnly)).not.toThrow();
  });

  it.each([
    [{ tools: 1 }, 'unsupported_feature', 'tools'],
    [{ media: 1 }, 'unsupported_feature', 'messages'],
    [{ bytes: 16_001 }, 'context_overflow', 'messages'],
  ])('refuses %o and names the field', (more, code, param) => {
    expect(() => refuseIncapable({ ...demand, ...more }, textOnly)).toThrow(
      expect.objectContaining({ code, facts: expect.objectContaining({ param }) }),
    );
  });
});
