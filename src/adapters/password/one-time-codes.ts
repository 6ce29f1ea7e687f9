import { Secret, TOTP } from 'otpauth';
import type { OneTimeCodes } from '../../ports/sign-in.ts';

const PERIOD_S = 30;

function codesOf(secret: string, label: string): TOTP {
  return new TOTP({
    issuer: 'Sluice',
    label,
    algorithm: 'SHA1',
    digits: 6,
    period: PERIOD_S,
    secret: Secret.fromBase32(secret),
  });
}

/** RFC 6238 as every authenticator app knows it. */
export const oneTimeCodes: OneTimeCodes = {
  newSecret: () => new Secret({ size: 20 }).base32,
  url: (secret, account) => codesOf(secret, account).toString(),
  stepOf(secret, code, now) {
    if (!/^\d{6}$/.test(code)) return undefined;
    const delta = codesOf(secret, '').validate({ token: code, timestamp: now, window: 1 });
    return delta === null ? undefined : Math.floor(now / 1000 / PERIOD_S) + delta;
  },
};
