import { createHmac } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ObjectIds } from './object-id.ts';

const sign = (text: string) => createHmac('sha256', 'k').update(text).digest('base64url');
const objects = {
  sign,
  remember: () => undefined,
  forget: () => undefined,
  owned: async () => new Set<string>(),
};
const PROVIDERS = ['up', 'v1.up', 'other'];

describe('object ids', () => {
  it('lead back to provider and id, also where a provider’s name ends another’s', () => {
    const ids = new ObjectIds(objects, 'key_1', 'files');
    for (const provider of PROVIDERS) {
      expect(ids.unwrap(ids.wrap('file-a_B', provider), PROVIDERS)).toEqual({ id: 'file-a_B', provider });
    }
  });

  it('are nothing to another owner, altered, or without a mark', () => {
    const mine = new ObjectIds(objects, 'key_1', 'files').wrap('file-a', 'up');
    const theirs = new ObjectIds(objects, 'key_2', 'files');
    for (const id of [mine, 'file-a', '', '.', mine.replace('.up.', '.other.'), `${mine}x`, `x${mine}`]) {
      expect(() => theirs.unwrap(id, PROVIDERS)).toThrow(/no such object/);
    }
    expect(() =>
      new ObjectIds(objects, 'key_1', 'files').unwrap(mine.replace('file-a', 'file-b'), PROVIDERS),
    ).toThrow();
  });

  it('are wrapped wherever a list or a batch names them', () => {
    const ids = new ObjectIds(objects, '', 'files');
    const told = ids.wrapAll(
      { object: 'list', data: [{ id: 'a', output_file_id: null }], first_id: 'a' },
      'up',
    );
    expect(told['first_id']).toBe(ids.wrap('a', 'up'));
    expect(told['data']).toEqual([{ id: ids.wrap('a', 'up'), output_file_id: null }]);
  });
});
