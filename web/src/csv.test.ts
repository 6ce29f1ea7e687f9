import { describe, expect, it } from 'vitest';
import { csvCell, toCsv } from './csv.ts';

describe('csvCell', () => {
  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', ' =1', '＝1', '\n@x', '\u0000=cmd'])(
    'takes the force out of %j',
    (text) => {
      expect(csvCell(text).startsWith(`"'`)).toBe(true);
    },
  );

  it('leaves ordinary text and numbers alone', () => {
    expect(csvCell('gpt-4o')).toBe('"gpt-4o"');
    expect(csvCell(-3.5)).toBe('-3.5');
    expect(csvCell(null)).toBe('""');
  });

  it('cannot be broken out of with quotes or line ends', () => {
    expect(toCsv(['a'], [['x",\r\n"=1']])).toBe('"a"\r\n"x"",\r\n""=1"\r\n');
  });
});
