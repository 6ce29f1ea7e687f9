import { describe, expect, it } from 'vitest';
import { OverloadLadder } from './overload.ts';

const calm = { memory: 0.3, lagMs: 2, running: 100 };

describe('overload ladder (F22)', () => {
  it('climbs with memory at 80, 90 and 95 % and comes down again', () => {
    const ladder = new OverloadLadder();
    const at = (memory: number) => {
      ladder.read({ ...calm, memory });
      return ladder.read({ ...calm, memory });
    };
    expect([0.79, 0.8, 0.9, 0.95, 0.92, 0.85, 0.5].map(at)).toEqual([
      'normal',
      'no_large',
      'nothing',
      'cancel',
      'nothing',
      'no_large',
      'normal',
    ]);
  });

  it('is not alarmed by a single high reading before a collection', () => {
    const ladder = new OverloadLadder();
    const readings = [0.5, 0.97, 0.5, 0.97].map((memory) => ladder.read({ ...calm, memory }));
    expect(new Set(readings)).toEqual(new Set(['normal']));
  });

  it('takes nothing new on while the event loop is late twice on end under load', () => {
    const ladder = new OverloadLadder();
    const late = { ...calm, lagMs: 200 };
    expect(ladder.read(late)).toBe('normal');
    expect(ladder.read(late)).toBe('nothing');
    expect(ladder.read(calm)).toBe('normal');
    expect(ladder.read(late)).toBe('normal');
  });

  it('does not blame few requests for a slow machine', () => {
    const ladder = new OverloadLadder();
    for (let n = 0; n < 5; n++) expect(ladder.read({ ...calm, lagMs: 900, running: 3 })).toBe('normal');
  });
});
