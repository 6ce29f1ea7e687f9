import { expect, test } from 'vitest';
import { InFlight } from './in-flight.ts';

const item = (name: string) => ({ slot: -1, name });

test('what is added is there until it is deleted, once', () => {
  const flight = new InFlight<ReturnType<typeof item>>();
  const [a, b, c] = [item('a'), item('b'), item('c')];
  for (const each of [a, b, c, a]) flight.add(each);
  expect(flight.size).toBe(3);
  expect(flight.delete(a)).toBe(true);
  expect(flight.delete(a)).toBe(false);
  expect(flight.delete(item('stranger'))).toBe(false);
  const left: string[] = [];
  flight.forEach(({ name }) => {
    left.push(name);
  });
  expect(left.sort()).toEqual(['b', 'c']);
  flight.add(a);
  expect(flight.size).toBe(3);
});

test('items may leave while they are looked at', () => {
  const flight = new InFlight<ReturnType<typeof item>>();
  for (const name of 'abcdef') flight.add(item(name));
  const seen: string[] = [];
  flight.forEach((each) => {
    seen.push(each.name);
    if (each.name !== 'c') flight.delete(each);
  });
  expect(seen.sort().join('')).toBe('abcdef');
  expect(flight.size).toBe(1);
});
