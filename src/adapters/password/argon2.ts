import { type Argon2Parameters, argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { SluiceError } from '../../core/errors/error.ts';
import type { PasswordHasher } from '../../ports/sign-in.ts';

/** OWASP's recommendation for argon2id: 19 MiB, two passes, one lane. */
const COST = { memory: 19_456, passes: 2, parallelism: 1 } as const;
const TAG_BYTES = 32;
/** Each takes tens of milliseconds of a thread and 19 MiB. */
const MAX_RUNNING = 2;
const MAX_WAITING = 50;

interface Stored extends Pick<Argon2Parameters, 'memory' | 'passes' | 'parallelism'> {
  readonly nonce: Buffer;
  readonly tag: Buffer;
}

const PHC = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

function parse(text: string): Stored | undefined {
  const found = PHC.exec(text);
  if (found === null) return undefined;
  const [, memory, passes, parallelism, nonce = '', tag = ''] = found;
  return {
    memory: Number(memory),
    passes: Number(passes),
    parallelism: Number(parallelism),
    nonce: Buffer.from(nonce, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  };
}

function plain(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}

function derive(password: string, cost: Omit<Stored, 'tag'>, tagLength: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    argon2(
      'argon2id',
      // One password, however its characters are composed.
      { message: Buffer.from(password.normalize('NFKC')), ...cost, tagLength },
      (error, tag) => (error === null ? resolve(tag) : reject(error)),
    );
  });
}

/** argon2id on the thread pool, few at a time. */
export function createPasswordHasher(): PasswordHasher {
  let running = 0;
  const waiting: (() => void)[] = [];
  const inTurn = async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= MAX_RUNNING) {
      if (waiting.length >= MAX_WAITING) {
        throw new SluiceError('overloaded', 'Too many people sign in at once; try again in a moment.', {
          retryAfterS: 2,
        });
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    running += 1;
    try {
      return await work();
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  };
  const nobody: Stored = { ...COST, nonce: randomBytes(16), tag: randomBytes(TAG_BYTES) };
  return {
    hash: (password) =>
      inTurn(async () => {
        const nonce = randomBytes(16);
        const tag = await derive(password, { ...COST, nonce }, TAG_BYTES);
        const { memory, passes, parallelism } = COST;
        return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${plain(nonce)}$${plain(tag)}`;
      }),
    verify: (password, stored) =>
      inTurn(async () => {
        const known = stored === undefined ? undefined : parse(stored);
        const { tag, ...cost } = known ?? nobody;
        const same = timingSafeEqual(await derive(password, cost, tag.length), tag);
        return same && known !== undefined;
      }),
  };
}
