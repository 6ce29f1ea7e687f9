import { expect, it } from 'vitest';
import { describeFailure } from './failure.ts';

it('names the place that may not be used', () => {
  const refused = Object.assign(new Error("EACCES: permission denied, stat '/data/admin.key'"), {
    code: 'EACCES',
    path: '/data/admin.key',
  });
  expect(describeFailure(refused)).toEqual({
    code: 'forbidden',
    message: 'This user may not use /data/admin.key. Run it as the user who owns it, or name another place.',
    exitCode: 1,
  });
});

it.each([
  ['EEXIST', 'Move it away'],
  ['EISDIR', 'is a folder'],
  ['ENOENT', 'does not exist'],
  ['ENOSPC', 'the disk is full'],
  ['ENOTDIR', 'is no folder'],
  ['EROFS', 'can only be read'],
])('says of a place (%s) what is wrong with it', (code, words) => {
  const error = Object.assign(new Error(`${code}: open '/data/out.yaml'`), { code, path: '/data/out.yaml' });
  const { message, exitCode } = describeFailure(error);
  expect(message).toContain('/data/out.yaml');
  expect(message).toContain(words);
  expect(exitCode).toBe(1);
});

it.each(['EADDRNOTAVAIL', 'ENOTFOUND'])('says of a host that is not here (%s) what to choose', (code) => {
  const { message } = describeFailure(Object.assign(new Error(`getaddrinfo ${code} nope`), { code }));
  expect(message).toBe('The host is no address of this machine. Choose another with --host.');
});
