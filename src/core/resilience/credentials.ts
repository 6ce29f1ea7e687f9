/** First rest of a credential that was refused; doubles while it keeps being refused. */
const FIRST_REST_MS = 60_000;
const LONGEST_REST_MS = 900_000;

/** One credential of a provider, known by its own text: its place in the configured list may change while it is in use. */
export interface Credential {
  /** A short hash of the text, to find it again; never shown. */
  readonly mark: string;
  /** Its last characters, for the operator; empty for a short one. */
  readonly hint: string;
  inFlight: number;
  /** Counts up with every use of the pool: among equals the one used longest ago goes first. */
  usedAt: number;
  refusals: number;
  /** Monotonic ms; in the past when it may be used. */
  restsUntil: number;
}

/** What is known of a credential beyond the pool: at one deployment. */
export interface Standing {
  /** Milliseconds until it may be used there; 0 when it may be now. */
  waitMs(credential: Credential): number;
  /** What is left of its limits there, 0 to 1; 1 when nothing is known. */
  headroom(credential: Credential): number;
}

/** So long must a secret be for its last four characters to be shown. */
const LEAST_FOR_HINT = 12;
/** Differences in headroom below this do not count: what is in flight does. */
const HEADROOM_STEPS = 10;

/** FNV-1a in two lanes: enough to tell the credentials of one pool apart, and nothing is left to read. */
function markOf(secret: string): string {
  let a = 0x811c9dc5;
  let b = 0x01000193;
  for (let at = 0; at < secret.length; at++) {
    const code = secret.charCodeAt(at);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ (code + 0x9e37), 0x85ebca6b);
  }
  return `${(a >>> 0).toString(36)}.${(b >>> 0).toString(36)}`;
}

function newCredential(secret: string): Credential {
  return {
    mark: markOf(secret),
    hint: secret.length >= LEAST_FOR_HINT ? secret.slice(-4) : '',
    inFlight: 0,
    usedAt: 0,
    refusals: 0,
    restsUntil: 0,
  };
}

/**
 * A provider's pool of credentials. One that the provider refuses (401, 402) rests: one minute, doubling to 15. Several
 * configurations may use it at once: each passes its own list, and a credential that is in both is the same one. Pure;
 * times are monotonic milliseconds.
 */
export class CredentialPool {
  #bySecret = new Map<string, Credential>();
  readonly #lists = new WeakMap<readonly string[], readonly Credential[]>();
  #uses = 0;
  /** As the newest configuration lists them. */
  newest: readonly Credential[] = [];

  /** The credentials of a configured list, in its order. */
  of(secrets: readonly string[]): readonly Credential[] {
    let list = this.#lists.get(secrets);
    if (list === undefined) {
      list = secrets.map((secret) => this.#bySecret.get(secret) ?? newCredential(secret));
      // What is gone from the newest list is kept alive only by calls that still use it.
      this.#bySecret = new Map(list.map((credential, index) => [secrets[index] ?? '', credential]));
      this.#lists.set(secrets, list);
      this.newest = list;
    }
    return list;
  }

  /**
   * Index of the credential to use: of those that may be used now the one with most of its limits left, in steps of ten
   * percent, then the one with the least in flight, then the one unused longest. `undefined` when none may be.
   */
  choose(list: readonly Credential[], now: number, standing: Standing): number | undefined {
    let best: number | undefined;
    let bestSteps = 0;
    for (const [index, credential] of list.entries()) {
      if (credential.restsUntil > now || standing.waitMs(credential) > 0) continue;
      const steps = list.length === 1 ? 0 : Math.floor(standing.headroom(credential) * HEADROOM_STEPS);
      const other = best === undefined ? undefined : list[best];
      if (
        other !== undefined &&
        (steps < bestSteps || (steps === bestSteps && !isLessUsed(credential, other)))
      ) {
        continue;
      }
      best = index;
      bestSteps = steps;
    }
    return best;
  }

  /** A call begins with this credential. */
  begin(credential: Credential): void {
    credential.inFlight++;
    credential.usedAt = ++this.#uses;
  }
}

function isLessUsed(one: Credential, other: Credential): boolean {
  return one.inFlight < other.inFlight || (one.inFlight === other.inFlight && one.usedAt < other.usedAt);
}

/** The provider let it in. */
export function acceptCredential(credential: Credential): void {
  credential.refusals = 0;
  credential.restsUntil = 0;
}

/** The provider refused it. Several refusals of one moment count once. */
export function refuseCredential(credential: Credential, now: number): void {
  if (credential.restsUntil > now) return;
  const rest = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** credential.refusals);
  credential.refusals++;
  credential.restsUntil = now + rest;
}
