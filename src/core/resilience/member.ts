import type { Circuit, CircuitPolicy, CircuitRole } from './circuit.ts';
import { acceptCredential, type Credential, type CredentialPool, refuseCredential } from './credentials.ts';
import type { DecayedLatency } from './latency.ts';
import { LearnedLimits } from './learned-limits.ts';
import type { ToldLimits } from './limit-headers.ts';
import type { RollingPair } from './window.ts';

/** What the fleet needs to know of a deployment. */
export interface Member {
  readonly id: string;
  readonly provider: { readonly name: string; readonly credentials: readonly string[] };
  readonly circuit: CircuitPolicy;
}

/** How a call ended, as far as it speaks of the deployment. */
export type Outcome =
  | { readonly kind: 'good' }
  /** By the deployment's fault. */
  | { readonly kind: 'bad' }
  /** The client's fault, ours, or nobody's. */
  | { readonly kind: 'neutral' }
  /** 429: this credential rests at this deployment. */
  | { readonly kind: 'limited'; readonly restMs: number }
  /** 401, 402: the credential rests everywhere; `here`: only at this deployment (403). */
  | { readonly kind: 'refused'; readonly here: boolean };

/** What one credential may do at one deployment. */
export interface Local {
  /** Asked for by a 429 or a 403. */
  restsUntil: number;
  learned: LearnedLimits | undefined;
}

/** All that is known of a deployment. */
export interface MemberState {
  readonly id: string;
  readonly circuit: Circuit;
  readonly pool: CredentialPool;
  /** Times to the first event of a stream, and to whole answers: they cannot be compared. */
  readonly streamed: DecayedLatency;
  readonly whole: DecayedLatency;
  /** Good and bad outcomes of the last minute. */
  readonly outcomes: RollingPair;
  /** `undefined` stands for the one without a credential. */
  readonly locals: Map<Credential | undefined, Local>;
  /** As the newest configuration lists them. */
  secrets: readonly string[];
  inFlight: number;
  /** The last outcome that speaks of the deployment was good, or there was none. */
  sound: boolean;
}

/** Rest of a deployment that is refused by permission (403), not by key. */
const FORBIDDEN_REST_MS = 60_000;

/** What is known of a credential at a deployment, made on first use. */
export function localOf(state: MemberState, credential: Credential | undefined): Local {
  let local = state.locals.get(credential);
  if (local === undefined) {
    local = { restsUntil: 0, learned: undefined };
    state.locals.set(credential, local);
  }
  return local;
}

/** One call under way. Must be ended exactly once; later calls do nothing. */
export class FleetCall {
  readonly #state: MemberState;
  readonly #credential: Credential | undefined;
  readonly #role: CircuitRole;
  #open = true;

  constructor(state: MemberState, credential: Credential | undefined, now: number) {
    this.#state = state;
    this.#credential = credential;
    this.#role = state.circuit.begin(now);
    state.inFlight++;
    if (credential !== undefined) state.pool.begin(credential);
  }

  /** The upstream's headers have come. */
  learn(told: ToldLimits, now: number): void {
    const local = localOf(this.#state, this.#credential);
    local.learned ??= new LearnedLimits();
    local.learned.learn(told, now);
  }

  /** The commit point: the answer has begun after `ms`. */
  answered(ms: number, stream: boolean, now: number): void {
    const { circuit, streamed, whole, locals } = this.#state;
    circuit.answered(this.#role, now);
    (stream ? streamed : whole).add(ms, now);
    this.#state.sound = true;
    const local = locals.get(this.#credential);
    if (local !== undefined) local.restsUntil = 0;
    if (this.#credential !== undefined) acceptCredential(this.#credential);
  }

  /** Gives the place back. Returns true when the circuit opened by it. */
  end(outcome: Outcome, now: number): boolean {
    if (!this.#open) return false;
    this.#open = false;
    const state = this.#state;
    const credential = this.#credential;
    state.inFlight--;
    if (credential !== undefined) credential.inFlight--;
    if (outcome.kind === 'bad') {
      state.sound = false;
      state.outcomes.add(0, 1, now);
      return state.circuit.failed(this.#role, now);
    }
    if (outcome.kind === 'good') {
      state.sound = true;
      state.outcomes.add(1, 0, now);
      state.circuit.answered(this.#role, now);
      state.circuit.succeeded(now);
      return false;
    }
    state.circuit.released(this.#role);
    if (outcome.kind === 'limited') localOf(state, credential).restsUntil = now + outcome.restMs;
    if (outcome.kind === 'refused' && credential !== undefined) {
      if (outcome.here) localOf(state, credential).restsUntil = now + FORBIDDEN_REST_MS;
      else refuseCredential(credential, now);
    }
    return false;
  }
}
