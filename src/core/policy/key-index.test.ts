import { expect, test } from 'vitest';
import { virtualKey } from '../../../test/contract/ledger-samples.ts';
import { KeyIndex } from './key-index.ts';
import { DEFAULT_ORGANIZATION_ID, type Organization } from './place.ts';
import { KeyCompiler, NO_PLACES } from './policy-snapshot.ts';

const organization = (blocked: boolean): Organization => ({
  id: DEFAULT_ORGANIZATION_ID,
  name: 'home',
  blocked,
  policy: {},
  metadata: {},
  createdAt: 0,
});
const compiler = (blocked = false) =>
  new KeyCompiler({
    ...NO_PLACES,
    organizations: new Map([[DEFAULT_ORGANIZATION_ID, organization(blocked)]]),
  });

test('a key is found by its secret and by the one before, which another key’s own outranks', () => {
  const index = new KeyIndex(compiler());
  index.put(virtualKey('a', { hash: 'new', previousHash: 'old' }));
  expect(index.find('new')).toMatchObject({ previous: false, entry: { key: { id: 'a' } } });
  expect(index.find('old')).toMatchObject({ previous: true, entry: { key: { id: 'a' } } });
  index.put(virtualKey('b', { hash: 'old' }));
  expect(index.find('old')).toMatchObject({ previous: false, entry: { key: { id: 'b' } } });
  expect(index.delete('b')).toBe(true);
  expect(index.find('old')).toMatchObject({ previous: true, entry: { key: { id: 'a' } } });
  expect([index.size, index.find('none'), index.delete('b')]).toEqual([1, undefined, false]);
});

test('a key that was rotated is no longer found by the secret before the last', () => {
  const index = new KeyIndex(compiler());
  index.put(virtualKey('a', { hash: 'two', previousHash: 'one' }));
  index.put(virtualKey('a', { hash: 'three', previousHash: 'two' }));
  expect(index.find('one')).toBeUndefined();
  expect(index.find('two')?.previous).toBe(true);
  expect(index.find('three')?.previous).toBe(false);
  expect([...index.keys()].map(({ hash }) => hash)).toEqual(['three']);
  index.delete('a');
  expect([index.find('two'), index.find('three'), index.get('a')]).toEqual([undefined, undefined, undefined]);
});

test('what follows from places is one object until they change', () => {
  const index = new KeyIndex(compiler());
  index.put(virtualKey('a', { hash: 'h' }));
  const first = index.find('h');
  expect(index.find('h')?.entry).toBe(first?.entry);
  expect(first?.entry.suspended).toBeUndefined();
  index.recompile(compiler(true));
  expect(index.find('h')?.entry.suspended).toBe('its organization is blocked');
});
