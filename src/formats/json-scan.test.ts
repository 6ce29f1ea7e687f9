import { describe, expect, it } from 'vitest';
import { hasManyBrackets, isTooDeep, repeatedName, scanJson } from './json-scan.ts';

const LIMITS = { maxDepth: 8, maxValues: 1000, maxMembers: 500 };
const scan = (text: string) => scanJson(Buffer.from(text), LIMITS);

describe('scanJson', () => {
  it('counts the members of the outermost object, also repeated ones', () => {
    expect(scan('{"a":1,"b":{"c":2,"d":[1,2]},"a":"x:y,{["}')).toMatchObject({
      refused: undefined,
      topMembers: 3,
      longNumbers: false,
    });
  });

  it('refuses depth, values, members and numbers beyond the limits', () => {
    expect(scan(`${'['.repeat(8)}${']'.repeat(8)}`).refused).toBeUndefined();
    expect(scan('{"a":'.repeat(9)).refused).toBe('depth');
    expect(scan(`[${'1,'.repeat(1001)}1]`).refused).toBe('values');
    expect(scan(`{"a":{${'"k":1 '.repeat(501)}}}`).refused).toBe('members');
    expect(scan(`{"a":${'9'.repeat(1001)}}`).refused).toBe('number');
  });

  it('reads strings to their end, however many quotes are escaped', () => {
    expect(scan(JSON.stringify({ a: '\\', b: '"]}"'.repeat(50), c: '\\"' })).topMembers).toBe(3);
    expect(scan('{"never closed').topMembers).toBe(0);
    expect(scan('{"a":"\\').topMembers).toBe(1);
  });

  it('reads strings of every length to their end, with a backslash at every place', () => {
    for (let length = 0; length < 40; length++) {
      for (let at = 0; at <= length; at++) {
        for (const special of ['', '\\"', '\\\\', '\\\\\\"', ']}']) {
          const inside = `${'a'.repeat(at)}${special}${'b'.repeat(length - at)}`;
          expect(scan(`{"x":"${inside}","y":[1]}`), inside).toMatchObject({
            refused: undefined,
            topMembers: 2,
          });
          const name = special === '' || special === ']}' ? undefined : 'escaped-key';
          expect(scan(`{"${inside}":"x"}`).refused, inside).toBe(name);
        }
      }
    }
  });

  it('sees numbers that a double may change, outside strings only', () => {
    for (const text of ['{"a":12345678901234567}', '{"a":1e5}', '[0.1234567890123456]', '[1E400]']) {
      expect(scan(text).longNumbers, text).toBe(true);
    }
    for (const text of ['{"a":"1e5 12345678901234567"}', '[123456789012345]', '[true,false,0.5]']) {
      expect(scan(text).longNumbers, text).toBe(false);
    }
  });

  it('refuses a name of the outermost object that is spelled with escapes', () => {
    expect(scan('{"mod\\u0065l":"m"}').refused).toBe('escaped-key');
    expect(scan('{"model":"m\\u0065"}').refused).toBeUndefined();
    expect(scan('{"a":{"b\\u0065":1}}').refused).toBeUndefined();
  });
});

describe('repeatedName', () => {
  it('finds the first name that stands twice at the top', () => {
    expect(repeatedName(Buffer.from('{"a":{"b":1,"b":2},"c":"c","c":3}'))).toBe('c');
    expect(repeatedName(Buffer.from('{"a":{"a":1}}'))).toBeUndefined();
  });
});

describe('depth of answers', () => {
  it('is looked into only where there are brackets enough', () => {
    const nested = (levels: number): string => `${'{"a":['.repeat(levels)}1${']}'.repeat(levels)}`;
    for (const [text, many, deep] of [
      [nested(64), false, false],
      [nested(65), true, true],
      ['['.repeat(128), false, false],
      ['['.repeat(129), true, true],
      [`[${'{},'.repeat(200)}1]`, true, false],
      [JSON.stringify(['{['.repeat(200)]), true, false],
    ] as const) {
      expect([hasManyBrackets(text), isTooDeep(Buffer.from(text))], text.slice(0, 20)).toEqual([many, deep]);
    }
  });
});
