import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StreamEvent } from '../model/index.ts';
import { createCollector } from './collect.ts';
import { createSequencer } from './sequence.ts';

const call = (part: number, choice = 0): StreamEvent => ({
  type: 'part_start',
  choice,
  part,
  head: { type: 'tool_call', id: `c${part}`, name: 'f', kind: 'function' },
});
const text = (part: number): StreamEvent => ({ type: 'part_start', choice: 0, part, head: { type: 'text' } });
const delta = (part: number, value: string, choice = 0): StreamEvent => ({
  type: 'delta',
  choice,
  part,
  text: value,
});
const end = (part: number, choice = 0): StreamEvent => ({ type: 'part_end', choice, part });
const finish: StreamEvent = { type: 'finish', choice: 0, finish: { reason: 'stop' } };

/** At most one part of a choice is open, everything opened is closed before its finish. */
function expectOrdered(events: readonly StreamEvent[]): void {
  const open = new Map<number, number>();
  for (const event of events) {
    if (event.type === 'part_start') {
      expect(open.has(event.choice)).toBe(false);
      open.set(event.choice, event.part);
    } else if (event.type === 'part_end') {
      expect(open.get(event.choice)).toBe(event.part);
      open.delete(event.choice);
    } else if (event.type === 'finish') expect(open.has(event.choice)).toBe(false);
    else if ('part' in event) expect(open.get(event.choice)).toBe(event.part);
  }
}

test('events in order come back as the very same array', () => {
  const sequencer = createSequencer();
  const events = [text(0), delta(0, 'a'), end(0), call(1), delta(1, '{}'), end(1), finish];
  expect(sequencer.push(events)).toBe(events);
});

test('the open part streams live while a later one waits', () => {
  const sequencer = createSequencer();
  sequencer.push([call(0), delta(0, '{"a":')]);
  expect(sequencer.push([call(1), delta(1, '{"b":2}')])).toEqual([]);
  expect(sequencer.push([delta(0, '"')])).toEqual([delta(0, '"')]);
  expect(sequencer.push([delta(0, '"}')])).toEqual([delta(0, '"}'), end(0), call(1), delta(1, '{"b":2}')]);
});

test('a call counts as ended when its JSON is balanced and another part opens', () => {
  const sequencer = createSequencer();
  const input = [
    call(0),
    delta(0, '{"a":"\\"}{"}'),
    call(1),
    delta(1, '{}'),
    delta(0, ' '),
    end(0),
    end(1),
    finish,
  ];
  const out = input.flatMap((event) => [...sequencer.push([event])]);
  expect(out).toEqual([call(0), delta(0, '{"a":"\\"}{"}'), end(0), call(1), delta(1, '{}'), end(1), finish]);
});

test('braces inside strings and escapes do not count', () => {
  const sequencer = createSequencer();
  sequencer.push([call(0), delta(0, '{"a":"}'), delta(0, '\\'), delta(0, '"}')]);
  expect(sequencer.push([call(1)])).toEqual([]);
});

test('a text part that is not ended keeps later parts waiting until the finish', () => {
  const sequencer = createSequencer();
  expect(sequencer.push([text(0), delta(0, 'a')])).toHaveLength(2);
  expect(sequencer.push([call(1), delta(1, '{}')])).toEqual([]);
  expect(sequencer.push([delta(0, 'b')])).toEqual([delta(0, 'b')]);
  expect(sequencer.push([finish])).toEqual([end(0), call(1), delta(1, '{}'), end(1), finish]);
});

test('choices do not hold each other up', () => {
  const sequencer = createSequencer();
  const events = [call(0, 0), call(0, 1), delta(0, '{', 0), delta(0, '{', 1)];
  expect(sequencer.push(events)).toBe(events);
});

test('late text for a part that was closed is an error, and nothing follows it', () => {
  const sequencer = createSequencer();
  sequencer.push([call(0), delta(0, '{}'), call(1)]);
  const out = sequencer.push([delta(0, '{"x":1}'), delta(1, '{}')]);
  expect(out).toMatchObject([{ type: 'error', error: { code: 'upstream_malformed' } }]);
  expect(sequencer.push([finish])).toEqual([]);
});

test('what waits is bounded', () => {
  const sequencer = createSequencer(1000);
  sequencer.push([call(0), call(1)]);
  const out = sequencer.push([delta(1, 'x'.repeat(1000))]);
  expect(out).toMatchObject([{ type: 'error', error: { code: 'upstream_too_large' } }]);
});

test('an error passes at once and discards what waits', () => {
  const sequencer = createSequencer();
  sequencer.push([call(0), call(1), delta(1, '{}')]);
  const error = { type: 'error', error: new Error('x') } as unknown as StreamEvent;
  expect(sequencer.push([error])).toEqual([error]);
  expect(sequencer.push([finish])).toEqual([]);
});

describe('any interleaving', () => {
  const json = fc.jsonValue().map((value) => JSON.stringify({ value }));
  const lanes = fc.array(fc.tuple(json, fc.integer({ min: 1, max: 4 })), { minLength: 1, maxLength: 5 });

  test('comes out ordered and with the same parts', () => {
    fc.assert(
      fc.property(lanes, fc.infiniteStream(fc.nat()), fc.boolean(), (calls, picks, ends) => {
        const queues = calls.map(([value, pieces], part) => {
          const size = Math.ceil(value.length / pieces);
          const cut: StreamEvent[] = [];
          for (let at = 0; at < value.length; at += size) cut.push(delta(part, value.slice(at, at + size)));
          return ends ? [...cut, end(part)] : cut;
        });
        const input: StreamEvent[] = calls.map((_, part) => call(part));
        while (queues.some((queue) => queue.length > 0)) {
          const waiting = queues.filter((queue) => queue.length > 0);
          const queue = waiting[(picks.next().value ?? 0) % waiting.length];
          const event = queue?.shift();
          if (event !== undefined) input.push(event);
        }
        input.push(finish);
        const sequencer = createSequencer();
        const out = input.flatMap((event) => [...sequencer.push([event])]);
        expectOrdered(out);
        const collector = createCollector();
        collector.push(out);
        const parts = collector.response().choices[0]?.parts ?? [];
        expect(parts.map((part) => (part.type === 'tool_call' ? part.arguments : ''))).toEqual(
          calls.map(([value]) => value),
        );
      }),
      { numRuns: 150 },
    );
  });
});
