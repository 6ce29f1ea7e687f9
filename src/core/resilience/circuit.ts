import { RollingPair } from './window.ts';

/** When a failing deployment is left alone (RELIABILITY R7). */
export interface CircuitPolicy {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** Share of failures in the window that opens it, percent. */
  readonly failurePercent: number;
  /** Outcomes in the window before the share counts. */
  readonly minRequests: number;
  readonly windowMs: number;
  /** How long it stays open the first time; the n-th time in a row n times as long. */
  readonly openMs: number;
  readonly maxOpenMs: number;
  /** Time in which the traffic grows from a tenth to all of it after it closed again. 0 or absent: at once. */
  readonly slowStartMs?: number;
}

/** What a deployment gets of its traffic right after it recovered. */
const FIRST_SHARE = 0.1;

/** `closed`: calls go through. `open`: none do. `half_open`: one probe decides. */
export type CircuitState = 'closed' | 'open' | 'half_open';

/**
 * What a call is to its circuit. `probe`: decides over a half-open one. `forced`: made although it is open, because there
 * was nothing else to try; its answer closes the circuit, its failure changes nothing.
 */
export type CircuitRole = 'normal' | 'probe' | 'forced';

/**
 * A circuit breaker. Opens on failures in a row or on their share in a window, admits one probe when its time is over,
 * closes when the probe is answered and opens for longer when it fails. Pure; times are monotonic milliseconds.
 */
export class Circuit {
  #policy: CircuitPolicy;
  #outcomes: RollingPair;
  #inRow = 0;
  #openings = 0;
  #closedAt = 0;
  #openUntil: number | undefined;
  #probing = false;
  /** When it last became usable again; `undefined` when it never was away. */
  #recoveredAt: number | undefined;

  constructor(policy: CircuitPolicy) {
    this.#policy = policy;
    this.#outcomes = new RollingPair(policy.windowMs);
  }

  /** A new configuration's policy; what has been counted stays unless the window's length changed. */
  adopt(policy: CircuitPolicy): void {
    if (policy === this.#policy) return;
    if (policy.windowMs !== this.#policy.windowMs) this.#outcomes = new RollingPair(policy.windowMs);
    this.#policy = policy;
  }

  state(now: number): CircuitState {
    if (this.#openUntil === undefined) return 'closed';
    return now < this.#openUntil ? 'open' : 'half_open';
  }

  /** Whether a call may go through now. In `half_open` only while no probe is under way. */
  admits(now: number): boolean {
    const state = this.state(now);
    return state === 'closed' || (state === 'half_open' && !this.#probing);
  }

  /** It was left alone for another reason (an outlier) and comes back now, slowly. */
  recovered(now: number): void {
    this.#recoveredAt = now;
  }

  /** Part of its usual traffic it should get now, 0 to 1: grows evenly for `slowStartMs` after a recovery. */
  share(now: number): number {
    if (this.#recoveredAt === undefined) return 1;
    const { slowStartMs = 0 } = this.#policy;
    const passed = now - this.#recoveredAt;
    if (passed >= slowStartMs) {
      this.#recoveredAt = undefined;
      return 1;
    }
    return FIRST_SHARE + (1 - FIRST_SHARE) * (Math.max(0, passed) / slowStartMs);
  }

  /** A call begins; its outcome must be reported with the role it gets. */
  begin(now: number): CircuitRole {
    const state = this.state(now);
    if (state === 'closed') return 'normal';
    if (state === 'open' || this.#probing) return 'forced';
    this.#probing = true;
    return 'probe';
  }

  /** The deployment has begun to answer. Closes a half-open circuit; the outcome is counted by `succeeded` or `failed`. */
  answered(role: CircuitRole, now: number): void {
    if (role !== 'normal' && this.#openUntil !== undefined) this.#close(now);
  }

  /** A call came to a good end. Those that began before the circuit opened do not close it. */
  succeeded(now: number): void {
    this.#inRow = 0;
    this.#outcomes.add(1, 0, now);
  }

  /** A call failed by the deployment's fault. Returns true when that opened the circuit. */
  failed(role: CircuitRole, now: number): boolean {
    if (role === 'probe' && this.#probing) {
      this.#probing = false;
      return this.#open(now);
    }
    if (this.#openUntil !== undefined) return false;
    this.#inRow++;
    this.#outcomes.add(0, 1, now);
    const bad = this.#outcomes.second(now);
    const all = bad + this.#outcomes.first(now);
    const { failures, failurePercent, minRequests } = this.#policy;
    const opens = this.#inRow >= failures || (all >= minRequests && bad * 100 >= failurePercent * all);
    return opens && this.#open(now);
  }

  /** A call ended in a way that says nothing about the deployment; a probe's place becomes free. */
  released(role: CircuitRole): void {
    if (role === 'probe') this.#probing = false;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#inRow;
  }

  /** When an open circuit admits its next probe; `undefined` while it is closed. */
  get probesAt(): number | undefined {
    return this.#openUntil;
  }

  #open(now: number): true {
    const { openMs, maxOpenMs } = this.#policy;
    // What stayed closed for longer than it could be open begins anew; flapping does not.
    if (this.#openUntil === undefined && now - this.#closedAt > maxOpenMs) this.#openings = 0;
    this.#openings++;
    this.#openUntil = now + Math.min(openMs * this.#openings, Math.max(openMs, maxOpenMs));
    this.#outcomes.clear();
    return true;
  }

  #close(now: number): void {
    this.#closedAt = now;
    this.#recoveredAt = now;
    this.#openUntil = undefined;
    this.#probing = false;
    this.#inRow = 0;
    this.#outcomes.clear();
  }
}
