import { Circuit, type CircuitPolicy, type CircuitRole, type CircuitState } from './circuit.ts';
import { CredentialPool } from './credentials.ts';
import { DecayedLatency } from './latency.ts';
import { LearnedLimits, type ToldLimits } from './learned-limits.ts';

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

/** A deployment's state for the operator. Times are monotonic milliseconds. */
export interface MemberView {
  readonly id: string;
  readonly state: CircuitState;
  readonly failures: number;
  readonly probesAt: number | undefined;
  readonly restsUntil: number | undefined;
  readonly inFlight: number;
  readonly latencyMs: number | undefined;
}

interface State {
  readonly id: string;
  readonly circuit: Circuit;
  readonly pool: CredentialPool;
  /** Times to the first event of a stream, and to whole answers: they cannot be compared. */
  readonly streamed: DecayedLatency;
  readonly whole: DecayedLatency;
  /** By credential; -1 where there is none. */
  readonly rests: Map<number, number>;
  readonly learned: Map<number, LearnedLimits>;
  inFlight: number;
  /** The last outcome that speaks of the deployment was good, or there was none. */
  sound: boolean;
}

/** Clients may invent model names: so many deployments are remembered, those without anything to tell go first. */
const MAX_MEMBERS = 5000;
/** Rest of a deployment that is refused by permission (403), not by key. */
const FORBIDDEN_REST_MS = 60_000;

/** A credential to use now, or how long to wait for one. `index` is absent where none is needed. */
export type CredentialChoice =
  | { readonly ready: true; readonly index: number | undefined }
  | {
      readonly ready: false;
      readonly waitMs: number;
      /** All were told to rest by a 429, rather than known to be at their limits. */
      readonly resting: boolean;
    };

/** What a call needs. */
export interface Need {
  readonly tokens: number;
  /** There is nowhere else to go: a rest that was asked for is ignored. */
  readonly ignoreRests?: boolean;
}

/** One call under way. Must be ended exactly once; later calls do nothing. */
export class FleetCall {
  readonly #state: State;
  readonly #index: number | undefined;
  readonly #role: CircuitRole;
  #open = true;

  constructor(state: State, index: number | undefined, now: number) {
    this.#state = state;
    this.#index = index;
    this.#role = state.circuit.begin(now);
    state.inFlight++;
    if (index !== undefined) state.pool.begin(index);
  }

  /** The upstream's headers have come. */
  learn(told: ToldLimits, now: number): void {
    const { learned } = this.#state;
    const index = this.#index ?? -1;
    let limits = learned.get(index);
    if (limits === undefined) {
      limits = new LearnedLimits();
      learned.set(index, limits);
    }
    limits.learn(told, now);
  }

  /** The commit point: the answer has begun after `ms`. */
  answered(ms: number, stream: boolean, now: number): void {
    const { circuit, streamed, whole, pool, rests } = this.#state;
    circuit.answered(this.#role, now);
    (stream ? streamed : whole).add(ms, now);
    this.#state.sound = true;
    rests.delete(this.#index ?? -1);
    if (this.#index !== undefined) pool.accepted(this.#index);
  }

  /** Gives the place back. Returns true when the circuit opened by it. */
  end(outcome: Outcome, now: number): boolean {
    if (!this.#open) return false;
    this.#open = false;
    const state = this.#state;
    state.inFlight--;
    if (this.#index !== undefined) state.pool.end(this.#index);
    if (outcome.kind === 'bad') {
      state.sound = false;
      return state.circuit.failed(this.#role, now);
    }
    if (outcome.kind === 'good') {
      state.sound = true;
      state.circuit.answered(this.#role, now);
      state.circuit.succeeded(now);
      return false;
    }
    state.circuit.released(this.#role);
    if (outcome.kind === 'limited') state.rests.set(this.#index ?? -1, now + outcome.restMs);
    if (outcome.kind === 'refused' && this.#index !== undefined) {
      if (outcome.here) state.rests.set(this.#index, now + FORBIDDEN_REST_MS);
      else state.pool.refused(this.#index, now);
    }
    return false;
  }
}

/**
 * The health of all deployments: circuits, credentials that rest, limits learned, calls under way and times to first
 * byte. It outlives configurations. Pure; times are milliseconds of one monotonic clock.
 */
export class Fleet {
  readonly #members = new Map<string, State>();
  readonly #pools = new Map<string, CredentialPool>();

  /** Whether the circuit lets a call through now. */
  admits(member: Member, now: number): boolean {
    return this.#members.get(member.id)?.circuit.admits(now) ?? true;
  }

  /** Circuit and credentials let a call through now, and the upstream has not asked for a rest. */
  usable(member: Member, now: number): boolean {
    const state = this.#members.get(member.id);
    if (state === undefined) {
      const pool = this.#pools.get(member.provider.name);
      return pool === undefined || pool.usable(now, () => false);
    }
    return state.circuit.admits(now) && state.pool.usable(now, (index) => rests(state, index, now));
  }

  /** Closed, and answered well when it was last asked: trying it next adds no load to something that fails. */
  sound(member: Member, now: number): boolean {
    const state = this.#members.get(member.id);
    return state === undefined || (state.sound && state.circuit.state(now) === 'closed');
  }

  inFlight(member: Member): number {
    return this.#members.get(member.id)?.inFlight ?? 0;
  }

  /** Expected milliseconds to the first byte; 0 when unknown. */
  latency(member: Member, stream: boolean, now: number): number {
    const state = this.#members.get(member.id);
    return state === undefined ? 0 : (stream ? state.streamed : state.whole).expected(now);
  }

  /** Every credential was refused lately (401, 402): a call would only be refused again. */
  barred(member: Member, now: number): boolean {
    const count = member.provider.credentials.length;
    return count > 0 && this.restingCredentials(member.provider.name, now) >= count;
  }

  /** The credential for a call, least used first; how long to wait when all are at their limits. */
  chooseCredential(member: Member, need: Need, now: number): CredentialChoice {
    const state = this.#stateOf(member);
    const restOf = (index: number): number =>
      need.ignoreRests === true ? 0 : (state.rests.get(index) ?? 0) - now;
    const waitOf = (index: number): number =>
      Math.max(restOf(index), state.learned.get(index)?.waitFor(need.tokens, now) ?? 0);
    const count = member.provider.credentials.length;
    if (count === 0) {
      const waitMs = waitOf(-1);
      if (waitMs <= 0) return { ready: true, index: undefined };
      return { ready: false, waitMs, resting: restOf(-1) > 0 };
    }
    const busy = (index: number): boolean => waitOf(index) > 0;
    if (state.pool.usable(now, busy)) return { ready: true, index: state.pool.choose(now, busy) };
    let soonest: number | undefined;
    for (let index = 0; index < count; index++) {
      if (state.pool.rests(index, now)) continue;
      if (soonest === undefined || waitOf(index) < waitOf(soonest)) soonest = index;
    }
    // Every credential was refused: one is tried all the same, so that a repaired account is found.
    if (soonest === undefined) return { ready: true, index: state.pool.choose(now, () => false) };
    return { ready: false, waitMs: waitOf(soonest), resting: restOf(soonest) > 0 };
  }

  /** A call begins with this credential. `tokens` count against limits that were learned. */
  begin(member: Member, given: { index: number | undefined; tokens: number }, now: number): FleetCall {
    const state = this.#stateOf(member);
    state.learned.get(given.index ?? -1)?.take(given.tokens);
    return new FleetCall(state, given.index, now);
  }

  /** What is known of each deployment that was called, in order of first use. */
  view(now: number): readonly MemberView[] {
    return [...this.#members.values()].map((state) => {
      const until = Math.max(0, ...state.rests.values());
      return {
        id: state.id,
        state: state.circuit.state(now),
        failures: state.circuit.failures,
        probesAt: state.circuit.probesAt,
        restsUntil: until > now ? until : undefined,
        inFlight: state.inFlight,
        latencyMs: state.streamed.measured ?? state.whole.measured,
      };
    });
  }

  /** Credentials of a provider that rest because they were refused, a count. */
  restingCredentials(provider: string, now: number): number {
    const views = this.#pools.get(provider)?.view() ?? [];
    return views.filter(({ restsUntil }) => restsUntil > now).length;
  }

  #stateOf(member: Member): State {
    let state = this.#members.get(member.id);
    if (state === undefined) {
      state = {
        id: member.id,
        circuit: new Circuit(member.circuit),
        pool: this.#poolOf(member),
        streamed: new DecayedLatency(),
        whole: new DecayedLatency(),
        rests: new Map(),
        learned: new Map(),
        inFlight: 0,
        sound: true,
      };
      if (this.#members.size >= MAX_MEMBERS) this.#forget();
      this.#members.set(member.id, state);
    }
    state.circuit.adopt(member.circuit);
    this.#poolOf(member).resize(member.provider.credentials.length);
    return state;
  }

  #poolOf(member: Member): CredentialPool {
    let pool = this.#pools.get(member.provider.name);
    if (pool === undefined) {
      pool = new CredentialPool();
      pool.resize(member.provider.credentials.length);
      this.#pools.set(member.provider.name, pool);
    }
    return pool;
  }

  /** Makes room: the first that is idle and sound, else the first that is idle. */
  #forget(): void {
    let idle: string | undefined;
    for (const [id, state] of this.#members) {
      if (state.inFlight > 0) continue;
      idle ??= id;
      if (state.sound && state.circuit.probesAt === undefined) {
        idle = id;
        break;
      }
    }
    if (idle !== undefined) this.#members.delete(idle);
  }
}

function rests(state: State, index: number, now: number): boolean {
  return (state.rests.get(index) ?? 0) > now;
}
