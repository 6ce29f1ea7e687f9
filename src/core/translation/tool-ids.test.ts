import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message } from '../model/index.ts';
import {
  callIds,
  createIdMap,
  createIdSource,
  fitsRule,
  fitToolIds,
  hashText,
  ID_RULES,
} from './tool-ids.ts';

/** Ids of every shape seen in recorded traffic (WIRE §1.3). */
const SEEN = [
  'call_abcdefghijklmnopqrstuvwx',
  'toolu_01A09q90qw90lq917835lq9',
  'toolu_bdrk_01A09q90qw90lq917835lq9ab',
  'tooluse_kZJN6iFNozVOBiXBMA2Y_-',
  'Ab3dEf9hI',
  'get_weather_a1b2c3d4e5f6',
  'functions.get_weather:0',
  'call_0',
  `call_${'x'.repeat(38)}`,
  'a'.repeat(46),
];

function call(id: string, name = 'f'): Message {
  return { role: 'assistant', parts: [{ type: 'tool_call', id, name, arguments: '{}', kind: 'function' }] };
}

function result(...ids: readonly string[]): Message {
  return {
    role: 'user',
    parts: ids.map((callId) => ({ type: 'tool_result', callId, kind: 'function', content: [] })),
  };
}

function resultIds(messages: readonly Message[]): string[] {
  return messages.flatMap(({ parts }) => parts.flatMap((p) => (p.type === 'tool_result' ? [p.callId] : [])));
}

describe('tool call ids', () => {
  for (const [name, rule] of Object.entries(ID_RULES)) {
    it(`fit ${name}: unchanged where they do, unique and repeatable where not`, () => {
      const map = createIdMap(rule, SEEN);
      const out = SEEN.map((id) => map.to(id));
      for (const [i, id] of out.entries()) {
        expect(fitsRule(id, rule), id).toBe(true);
        if (fitsRule(SEEN[i] ?? '', rule)) expect(id).toBe(SEEN[i]);
      }
      expect(new Set(out).size).toBe(SEEN.length);
      expect(SEEN.map((id) => createIdMap(rule, SEEN).to(id))).toEqual(out);
    });

    it(`of any text fit ${name} and stay apart`, () => {
      fc.assert(
        fc.property(fc.uniqueArray(fc.string({ maxLength: 80 }), { maxLength: 20 }), (ids) => {
          const map = createIdMap(rule, ids);
          const out = ids.map((id) => map.to(id));
          expect(out.every((id) => fitsRule(id, rule))).toBe(true);
          expect(new Set(out).size).toBe(ids.length);
        }),
      );
    });
  }

  it('keep their name when the conversation grows', () => {
    const long = 'a'.repeat(46);
    const before = fitToolIds([call(long), result(long)], ID_RULES.chat40);
    const after = fitToolIds([call(long), result(long), call('call_2'), result('call_2')], ID_RULES.chat40);
    expect(after.slice(0, 2)).toEqual(before);
    expect(resultIds(after)).toEqual(callIds(after));
  });

  it('that a vendor repeats in each turn come apart, and results follow their own call', () => {
    const turns = [call('call_0', 'one'), result('call_0'), call('call_0', 'two'), result('call_0')];
    const out = fitToolIds(turns, ID_RULES.chat40);
    const ids = callIds(out);
    expect(new Set(ids).size).toBe(2);
    expect(resultIds(out)).toEqual(ids);
    expect(ids[0]).toBe('call_0');
    const names = out.flatMap(({ parts }) =>
      parts.flatMap((p) => (p.type === 'tool_result' ? [p.name] : [])),
    );
    expect(names).toEqual(['one', 'two']);
  });

  it('that repeat within one turn are answered in order', () => {
    const both: Message = {
      role: 'assistant',
      parts: [...call('x', 'one').parts, ...call('x', 'two').parts],
    };
    const out = fitToolIds([both, result('x', 'x')], ID_RULES.anthropic);
    expect(new Set(callIds(out)).size).toBe(2);
    expect(resultIds(out)).toEqual(callIds(out));
  });

  it('leave messages alone that need no change', () => {
    const turns: Message[] = [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }, call('call_1')];
    const out = fitToolIds(turns, ID_RULES.anthropic);
    expect(out[0]).toBe(turns[0]);
    expect(out[1]).toBe(turns[1]);
  });

  it('are made up for formats without them, the same for the same bytes and new in each answer', () => {
    const history = { messages: [call('call_1')] };
    const first = [createIdSource(history, 'resp-1').next('f'), createIdSource(history, 'resp-1').next('f')];
    expect(first[0]).toBe(first[1]);
    expect(createIdSource(history, 'resp-2').next('f')).not.toBe(first[0]);
    const source = createIdSource(undefined);
    expect(source.next('f')).not.toBe(source.next('f'));
    for (const rule of [ID_RULES.chat40, ID_RULES.anthropic, ID_RULES.converse64, ID_RULES.responses64]) {
      expect(fitsRule(first[0] ?? '', rule)).toBe(true);
    }
  });

  it('are spread well: no two of 20000 hashes of nine characters meet', () => {
    const seen = new Set(Array.from({ length: 20_000 }, (_, i) => hashText(`call_${i}`, 9)));
    expect(seen.size).toBe(20_000);
  });
});
