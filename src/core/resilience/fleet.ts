import { Circuit, type CircuitState } from './circuit.ts';
import { type Credential, CredentialPool, type Standing } from './credentials.ts';
import { DecayedLatency } from './latency.ts';
import { NOTHING, type Wanted } from './learned-limits.ts';
import { FleetCall, localOf, type Member, type MemberState } from './member.ts';
import { type Conduct, type OutlierPolicy, type OutlierReason, Outliers } from './outliers.ts';
import { RollingPair } from './window.ts';

/** A credential's state at one deployment, for the operator. Times are monotonic milliseconds. */
export interface CredentialView {
  /** Its last characters; empty for a short one. */
  readonly hint: string;
  /** `refused`: by 401 or 402, everywhere. `resting`: asked to by 429 or 403, here. `limited`: its limits are used up. */
  readonly state: 'ready' | 'limited' | 'resting' | 'refused';
  /** When it may be used again; `undefined` when it may be now. */
  readonly until: number | undefined;
  /** Calls with it at all deployments of the provider. */
  readonly inFlight: number;
  /** What is left of the limits learned from the provider's headers, 0 to 1; `undefined` when none are known. */
  readonly headroom: number | undefined;
}

/** A deployment's state for the operator. Times are monotonic milliseconds. */
export interface MemberView {
  readonly id: string;
  readonly state: CircuitState;
  readonly failures: number;
  readonly probesAt: number | undefined;
  readonly restsUntil: number | undefined;
  readonly inFlight: number;
  readonly latencyMs: number | undefined;
  /** Part of its usual traffic it gets while it recovers, 0 to 1. */
  readonly share: number;
  /** Outcomes of the last minute that speak of it. */
  readonly good: number;
  readonly bad: number;
  /** Where it is left out as an outlier, for the longest time. */
  readonly ejected:
    | { readonly route: string; readonly until: number; readonly reason: OutlierReason }
    | undefined;
  readonly credentials: readonly CredentialView[];
}

/** Clients may invent model names: so many deployments are remembered, those without anything to tell go first. */
const MAX_MEMBERS = 5000;
const OUTCOMES_MS = 60_000;

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
  readonly tokens: Wanted;
  /** There is nowhere else to go: a rest that was asked for is ignored. */
  readonly ignoreRests?: boolean;
  /** Mark of the credential that was used before; taken if it may be used. */
  readonly preferred?: string | undefined;
  /** No other than the preferred one will do. */
  readonly only?: boolean;
}

/** A route's deployments to be compared with each other. */
export interface Siblings {
  readonly route: string;
  readonly members: readonly Member[];
  readonly policy: OutlierPolicy;
  /** Whether slowness counts, too. */
  readonly slow: boolean;
  readonly stream: boolean;
}

/**
 * The health of all deployments: circuits, outliers, credentials that rest, limits learned, calls under way and times to
 * first byte. It outlives configurations. Pure; times are milliseconds of one monotonic clock.
 */
export class Fleet {
  readonly #members = new Map<string, MemberState>();
  readonly #pools = new Map<string, CredentialPool>();
  readonly #outliers = new Outliers();

  /** Whether the circuit lets a call through now. */
  admits(member: Member, now: number): boolean {
    return this.#members.get(member.id)?.circuit.admits(now) ?? true;
  }

  /** Circuit and credentials let a call through now, and the upstream has not asked for a rest. */
  usable(member: Member, now: number): boolean {
    const state = this.#members.get(member.id);
    if (state !== undefined && !state.circuit.admits(now)) return false;
    const { credentials } = member.provider;
    if (credentials.length === 0) return (state?.locals.get(undefined)?.restsUntil ?? 0) <= now;
    const pool = this.#pools.get(member.provider.name);
    if (pool === undefined) return true;
    for (const credential of pool.of(credentials)) {
      if (credential.restsUntil <= now && (state?.locals.get(credential)?.restsUntil ?? 0) <= now)
        return true;
    }
    return false;
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

  /** Part of its usual traffic a deployment should get now, 0 to 1: less than all while it recovers. */
  share(member: Member, now: number): number {
    return this.#members.get(member.id)?.circuit.share(now) ?? 1;
  }

  /** Every credential was refused lately (401, 402): a call would only be refused again. */
  barred(member: Member, now: number): boolean {
    const count = member.provider.credentials.length;
    return count > 0 && this.restingCredentials(member.provider, now) >= count;
  }

  /** Whether a deployment is left out of a route because it does much worse than its siblings. */
  ejected(route: string, member: Member, now: number): boolean {
    return this.#outliers.ejectedUntil(route, member.id, now) !== undefined;
  }

  /** Whether siblings are to be compared again. */
  compares(route: string, now: number): boolean {
    return this.#outliers.due(route, now);
  }

  /** Compares siblings, and leaves outliers out. Returns those newly left out. */
  compare(
    siblings: Siblings,
    now: number,
  ): readonly { readonly id: string; readonly reason: OutlierReason }[] {
    const { route, members, policy, slow, stream } = siblings;
    const conducts = members.map((member): Conduct => {
      const state = this.#members.get(member.id);
      return {
        id: member.id,
        good: state?.outcomes.first(now) ?? 0,
        bad: state?.outcomes.second(now) ?? 0,
        latencyMs: (stream ? state?.streamed : state?.whole)?.measured ?? 0,
        out: state !== undefined && state.circuit.state(now) !== 'closed',
      };
    });
    const ejected = this.#outliers.judge(route, conducts, { policy, slow, now });
    for (const { id } of ejected) {
      const state = this.#members.get(id);
      const until = this.#outliers.ejectedUntil(route, id, now);
      // It comes back slowly, and what it did before does not count then.
      if (until !== undefined) state?.circuit.recovered(until);
      state?.outcomes.clear();
    }
    return ejected;
  }

  /** The credential for a call; how long to wait when all are at their limits. */
  chooseCredential(member: Member, need: Need, now: number): CredentialChoice {
    const state = this.#stateOf(member);
    const restOf = (credential: Credential | undefined): number =>
      need.ignoreRests === true ? 0 : (state.locals.get(credential)?.restsUntil ?? 0) - now;
    const waitMs = (credential: Credential | undefined): number =>
      Math.max(restOf(credential), state.locals.get(credential)?.learned?.waitFor(need.tokens, now) ?? 0);
    const list = state.pool.of(member.provider.credentials);
    if (list.length === 0) {
      const wait = waitMs(undefined);
      if (wait <= 0) return { ready: true, index: undefined };
      return { ready: false, waitMs: wait, resting: restOf(undefined) > 0 };
    }
    const preferred =
      need.preferred === undefined ? -1 : list.findIndex(({ mark }) => mark === need.preferred);
    const kept = list[preferred];
    if (kept !== undefined) {
      const free = kept.restsUntil <= now && waitMs(kept) <= 0;
      // The only one that can answer is tried although it was refused, so that a repaired account is found.
      if (free || (need.only === true && waitMs(kept) <= 0)) return { ready: true, index: preferred };
      if (need.only === true) return { ready: false, waitMs: waitMs(kept), resting: restOf(kept) > 0 };
    }
    const standing: Standing = {
      waitMs,
      headroom: (credential) => state.locals.get(credential)?.learned?.headroom(now) ?? 1,
    };
    const index = state.pool.choose(list, now, standing);
    if (index !== undefined) return { ready: true, index };
    const [soonest] = list
      .filter(({ restsUntil }) => restsUntil <= now)
      .sort((a, b) => waitMs(a) - waitMs(b));
    if (soonest !== undefined) return { ready: false, waitMs: waitMs(soonest), resting: restOf(soonest) > 0 };
    // Every credential was refused: the one whose rest ends first is tried all the same.
    const ends = list.map(({ restsUntil }) => restsUntil);
    return { ready: true, index: ends.indexOf(Math.min(...ends)) };
  }

  /** Short hash of a credential of a pool, to come back to it; `undefined` where there is nothing to choose. */
  markOf(member: Member, index: number | undefined): string | undefined {
    const { credentials } = member.provider;
    if (index === undefined || credentials.length < 2) return undefined;
    return this.#poolOf(member).of(credentials)[index]?.mark;
  }

  /** A call begins with this credential. `tokens` count against limits that were learned. */
  begin(member: Member, given: { index: number | undefined; tokens: Wanted }, now: number): FleetCall {
    const state = this.#stateOf(member);
    const list = state.pool.of(member.provider.credentials);
    const credential = given.index === undefined ? undefined : list[given.index];
    state.locals.get(credential)?.learned?.take(given.tokens);
    return new FleetCall(state, credential, now);
  }

  /** What is known of each deployment that was called, in order of first use. */
  view(now: number): readonly MemberView[] {
    const ejections = this.#outliers.view(now);
    return [...this.#members.values()].map((state) => {
      const credentials = state.pool.of(state.secrets);
      const shown = credentials.length === 0 ? [undefined] : credentials;
      const until = Math.max(...shown.map((one) => state.locals.get(one)?.restsUntil ?? 0));
      const [ejected] = ejections.filter(({ id }) => id === state.id).sort((a, b) => b.until - a.until);
      return {
        id: state.id,
        state: state.circuit.state(now),
        failures: state.circuit.failures,
        probesAt: state.circuit.probesAt,
        restsUntil: until > now ? until : undefined,
        inFlight: state.inFlight,
        latencyMs: state.streamed.measured ?? state.whole.measured,
        share: ejected === undefined ? state.circuit.share(now) : 0,
        good: state.outcomes.first(now),
        bad: state.outcomes.second(now),
        ejected,
        credentials: credentials.map((credential) => credentialView(state, credential, now)),
      };
    });
  }

  /** Credentials of a provider that rest because they were refused, a count. */
  restingCredentials(provider: Member['provider'], now: number): number {
    const list = this.#pools.get(provider.name)?.of(provider.credentials) ?? [];
    let resting = 0;
    for (const { restsUntil } of list) if (restsUntil > now) resting++;
    return resting;
  }

  /** Every credential of every provider that was called, by its number in the pool. */
  credentials(now: number): readonly { provider: string; index: number; refused: boolean }[] {
    return [...this.#pools].flatMap(([provider, { newest }]) =>
      newest.map(({ restsUntil }, index) => ({ provider, index, refused: restsUntil > now })),
    );
  }

  #stateOf(member: Member): MemberState {
    let state = this.#members.get(member.id);
    if (state === undefined) {
      state = {
        id: member.id,
        circuit: new Circuit(member.circuit),
        pool: this.#poolOf(member),
        streamed: new DecayedLatency(),
        whole: new DecayedLatency(),
        outcomes: new RollingPair(OUTCOMES_MS),
        locals: new Map(),
        secrets: member.provider.credentials,
        inFlight: 0,
        sound: true,
      };
      if (this.#members.size >= MAX_MEMBERS) this.#forget();
      this.#members.set(member.id, state);
    }
    state.circuit.adopt(member.circuit);
    if (state.secrets !== member.provider.credentials) adoptSecrets(state, member.provider.credentials);
    return state;
  }

  #poolOf(member: Member): CredentialPool {
    let pool = this.#pools.get(member.provider.name);
    if (pool === undefined) {
      pool = new CredentialPool();
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

/** A configuration lists other credentials: what is known of those that left is forgotten. */
function adoptSecrets(state: MemberState, secrets: readonly string[]): void {
  state.secrets = secrets;
  const present = new Set<Credential | undefined>(state.pool.of(secrets));
  if (present.size === 0) present.add(undefined);
  for (const credential of state.locals.keys()) if (!present.has(credential)) state.locals.delete(credential);
}

function credentialView(state: MemberState, credential: Credential, now: number): CredentialView {
  const { learned, restsUntil } = localOf(state, credential);
  const common = { hint: credential.hint, inFlight: credential.inFlight, headroom: learned?.headroom(now) };
  if (credential.restsUntil > now) return { ...common, state: 'refused', until: credential.restsUntil };
  if (restsUntil > now) return { ...common, state: 'resting', until: restsUntil };
  const wait = learned?.waitFor(NOTHING, now) ?? 0;
  if (wait > 0) return { ...common, state: 'limited', until: now + wait };
  return { ...common, state: 'ready', until: undefined };
}
