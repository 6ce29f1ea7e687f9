import { describe, expect, it } from 'vitest';
import type { Exchange } from '../../pipeline/exchange.ts';
import type { RoutingNote } from '../../pipeline/routing.ts';
import { copyOf, isCopyable } from './shadow-facts.ts';

const exchange = (facts: object = {}) =>
  ({
    envelope: { choices: 1 },
    raw: new Uint8Array(100),
    principal: { policy: { approvals: [] } },
    ...facts,
  }) as unknown as Exchange;
const note = (toolLoop = false) => ({ situation: { toolLoop } }) as unknown as RoutingNote;

describe('a shadow copy', () => {
  it.each(['previous_response_id', 'conversation', 'thread'])(
    'is not made where %s names what one account keeps: a copy would lack it, or add to it',
    (field) => {
      expect(isCopyable(exchange(), { input: 'hi', [field]: 'id_1' }, note())).toBe(false);
      expect(isCopyable(exchange(), { input: 'hi', [field]: null }, note())).toBe(true);
    },
  );

  it('is not made in a tool loop, of several choices, of what was approved, or with a caller’s own key', () => {
    const body = { input: 'hi' };
    expect(isCopyable(exchange(), body, note())).toBe(true);
    expect(isCopyable(exchange(), body, note(true))).toBe(false);
    expect(isCopyable(exchange({ envelope: { choices: 2 } }), body, note())).toBe(false);
    expect(isCopyable(exchange({ principal: undefined }), body, note())).toBe(false);
    expect(isCopyable(exchange({ principal: { policy: { approvals: ['a'] } } }), body, note())).toBe(false);
    const own = { policy: { approvals: [] }, ownCredential: { provider: 'p' } };
    expect(isCopyable(exchange({ principal: own }), body, note())).toBe(false);
    expect(isCopyable(exchange({ raw: new Uint8Array(300_000) }), body, note())).toBe(false);
  });

  it('is asked for in one piece and kept by nobody', () => {
    const body = { model: 'auto', input: 'hi', stream: true, stream_options: {}, store: true };
    expect(copyOf(body, 'cheap')).toEqual({ model: 'cheap', input: 'hi', store: false });
    expect(copyOf({ model: 'auto', messages: [] }, 'cheap')).toEqual({ model: 'cheap', messages: [] });
  });
});
