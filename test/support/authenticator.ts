import { setTimeout as sleep } from 'node:timers/promises';
import { Secret, TOTP } from 'otpauth';

const STEP_MS = 30_000;
/** How long a code of the step before has to stay good: until a form is filled in, or a process has started, on a busy machine. */
const GOOD_FOR_MS = 12_000;

/**
 * The code an authenticator app shows now, or showed and will show `offset` steps of 30 seconds away. A gateway takes the steps
 * beside its own, so the code of the step before would be refused if a new step began before it arrives: that is waited out.
 */
export async function totpCode(secret: string, offset = 0): Promise<string> {
  const left = STEP_MS - (Date.now() % STEP_MS);
  if (offset < 0 && left < GOOD_FOR_MS) await sleep(left);
  const timestamp = Date.now() + offset * STEP_MS;
  return new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp });
}
