import { badRequest, SluiceError } from '../../core/errors/error.ts';
import type { User } from '../../core/policy/place.ts';

/** NIST SP 800-63B: length counts, rules of composition do not. */
const MIN_LENGTH = 12;

/** Throws `bad_request` for a password that is short, all alike, or his own name. */
export function checkPassword(password: string, user: Pick<User, 'email' | 'name'>): void {
  const plain = password.normalize('NFKC');
  if ([...plain].length < MIN_LENGTH) {
    throw badRequest('password', `\`password\`: use at least ${MIN_LENGTH} characters.`);
  }
  const low = plain.toLowerCase();
  const own = [user.email, user.email?.split('@')[0], user.name]
    .filter((text): text is string => text !== undefined && text.length > 3)
    .some((text) => low.replaceAll(text.toLowerCase(), '').length < MIN_LENGTH / 2);
  if (new Set(low).size < 5 || own || /^(?:password|123456|qwerty)/.test(low)) {
    throw badRequest('password', '`password`: this one is easily guessed; choose another.');
  }
}

/** The same sentence whatever was wrong. */
export function wrongPassword(): SluiceError {
  return new SluiceError('invalid_key', 'E-mail address or password is wrong.');
}
