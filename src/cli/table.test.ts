import { describe, expect, it } from 'vitest';
import { dollars, factLines, grouped, tableLines } from './table.ts';
import { displayWidth } from './text.ts';

const plain = (_style: string, text: string) => text;
const columns = [
  { title: 'MODEL', shrinks: true },
  { title: 'COST', align: 'right' },
] as const;

describe('tableLines', () => {
  it('aligns texts left and numbers right', () => {
    const rows = [
      ['gpt-4o', '$1.5'],
      ['模型', '$12.25'],
    ];
    expect(tableLines({ columns, rows }, { width: undefined, paint: plain })).toEqual([
      'MODEL     COST',
      'gpt-4o    $1.5',
      '模型    $12.25',
    ]);
  });

  it('cuts the widest column that may shrink to the screen', () => {
    const rows = [['a-model-with-a-very-long-name-indeed', '$0.000000001']];
    const lines = tableLines({ columns, rows }, { width: 30, paint: plain });
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(30);
    expect(lines[1]).toBe('a-model-with-a-…  $0.000000001');
  });

  it('stays on the screen even where nothing may shrink', () => {
    const rows = [['x', '$0.000000001']];
    const lines = tableLines({ columns, rows }, { width: 10, paint: plain });
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(10);
  });

  it('lets no control character of a cell through', () => {
    const [, row] = tableLines({ columns, rows: [['\u001b[2Jx\ny', '$1']] }, { width: 80, paint: plain });
    expect(row).toBe('?[2Jx y    $1');
  });

  it('does not cut for a file', () => {
    const name = 'm'.repeat(300);
    expect(tableLines({ columns, rows: [[name, '$1']] }, { width: undefined, paint: plain })[1]).toContain(
      name,
    );
  });
});

describe('facts and numbers', () => {
  it('aligns values', () => {
    const facts = [
      ['id', 'key_1'],
      ['budget', 'none\u0007'],
    ] as const;
    expect(factLines(facts, plain)).toEqual(['id      key_1', 'budget  none?']);
  });

  it('groups thousands and leaves money as it came', () => {
    expect(grouped(1_234_567)).toBe('1,234,567');
    expect(grouped(999)).toBe('999');
    expect(dollars('0.000000001')).toBe('$0.000000001');
    expect(dollars(null)).toBe('–');
  });
});
