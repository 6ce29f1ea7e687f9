import { describe, expect, it } from 'vitest';
import { TurnOutbox } from './outbox.ts';

function open() {
  const due: (() => void)[] = [];
  const sent: string[] = [];
  const outbox = new TurnOutbox((flush) => due.push(flush));
  return { due, sent, outbox, add: (name: string) => outbox.add(() => sent.push(name)) };
}

describe('TurnOutbox', () => {
  it('sends everything in order, once, when it is time', () => {
    const { due, sent, add } = open();
    for (const name of ['a', 'b', 'c']) add(name);
    expect([due.length, sent]).toEqual([1, []]);
    due.shift()?.();
    expect(sent).toEqual(['a', 'b', 'c']);
    add('d');
    due.shift()?.();
    expect([due.length, sent]).toEqual([0, ['a', 'b', 'c', 'd']]);
  });

  it('keeps what is added while it sends for the next time', () => {
    const { due, sent, outbox, add } = open();
    outbox.add(() => add('later'));
    due.shift()?.();
    expect(sent).toEqual([]);
    due.shift()?.();
    expect(sent).toEqual(['later']);
  });

  it('goes on with the others when one throws', () => {
    const { due, sent, outbox, add } = open();
    add('a');
    outbox.add(() => {
      throw new Error('broken');
    });
    add('b');
    expect(() => due.shift()?.()).toThrow('broken');
    while (due.length > 0) due.shift()?.();
    expect(sent).toEqual(['a', 'b']);
  });
});
