import { createHash } from 'node:crypto';
import { SluiceError } from '../../core/errors/error.ts';
import type { KeyEntry } from '../../core/policy/policy-snapshot.ts';
import type { VirtualKey } from '../../core/policy/virtual-key.ts';
import type { Clock } from '../../ports/clock.ts';
import type { CheckedToken, TokenChecker } from '../../ports/sign-in.ts';
import type { Store } from '../../ports/store.ts';
import type { KeyDirectory } from '../key-directory.ts';
import type { PlaceDirectory } from '../place-directory.ts';

/** What tokens with these claims may do. */
export interface TokenRule {
  /** Claims that must all have these values; dots lead into objects, a list must contain the value. */
  readonly when: Readonly<Record<string, string | boolean>>;
  /** What the call counts as: a key that exists nowhere else. */
  readonly key: Pick<VirtualKey, 'teamId' | 'projectId' | 'models' | 'policy' | 'limits'>;
}

/** An issuer whose tokens are accepted. */
export interface TokenIssuer {
  readonly name: string;
  readonly organizationId: string;
  readonly checker: TokenChecker;
  readonly user: 'none' | 'linked' | 'required';
  readonly rules: readonly TokenRule[];
  /** How long a good token is not checked again. At most a minute. */
  readonly cacheMs: number;
}

export interface TokenDeskPorts {
  readonly store: Store;
  readonly clock: Clock;
  readonly directory: KeyDirectory;
  readonly places: PlaceDirectory;
  /** As configured now; another array after a reload. */
  readonly issuers: () => readonly TokenIssuer[];
}

interface Known {
  readonly key: VirtualKey | undefined;
  readonly error: SluiceError | undefined;
  /** Wall clock, because tokens end by it. */
  readonly until: number;
  readonly issuers: readonly TokenIssuer[];
  compiled: { readonly version: number; readonly entry: KeyEntry } | undefined;
}

const MAX_KNOWN = 20_000;
/** A refused token is not checked again for as long as its request takes to be refused, and a little more. */
const REFUSED_MS = 1000;

/** The value at a claim; a name with dots is tried as it is first (`https://example.com/groups`). */
function claimAt(claims: CheckedToken['claims'], path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[part];
  }
  return value;
}

function fits(rule: TokenRule, claims: CheckedToken['claims']): boolean {
  return Object.entries(rule.when).every(([path, wanted]) => {
    const value = claimAt(claims, path);
    return Array.isArray(value) ? value.includes(wanted) : value === wanted;
  });
}

/** The issuer a token claims to be of, unchecked: only to know whom to check it with. */
function claimedIssuer(token: string): string | undefined {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  try {
    const { iss } = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString()) as { iss?: unknown };
    return typeof iss === 'string' ? iss : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Tokens of configured issuers on the data plane. A token is checked before its request and remembered by the hash of all
 * of it for at most a minute; what it may do follows users, teams and projects as they are at each request.
 */
export class TokenDesk {
  readonly #ports: TokenDeskPorts;
  readonly #known = new Map<string, Known>();
  readonly #checking = new Map<string, Promise<void>>();

  constructor(ports: TokenDeskPorts) {
    this.#ports = ports;
  }

  /** Checks a token that is one of ours; `undefined` when there is nothing to wait for. Never throws. */
  prepare(token: string): Promise<void> | undefined {
    const issuers = this.#ports.issuers();
    if (issuers.length === 0) return undefined;
    const hash = hashOf(token);
    if (this.#lookup(hash, issuers) !== undefined) return undefined;
    const claimed = claimedIssuer(token);
    const candidates = issuers.filter(({ checker }) => checker.issuer === claimed);
    if (candidates.length === 0) {
      // What an issuer that is configured no longer allowed is over.
      this.#known.delete(hash);
      return undefined;
    }
    const running = this.#checking.get(hash);
    if (running !== undefined) return running;
    const checking = this.#check(token, candidates)
      .then((found) => this.#remember(hash, { ...found, issuers, compiled: undefined }))
      .finally(() => this.#checking.delete(hash));
    this.#checking.set(hash, checking);
    return checking;
  }

  /**
   * What a prepared token may do; `undefined` for what is no token of ours. Throws why it is refused. What was found holds
   * for the request that asked, however long its body takes to arrive and whatever is reloaded meanwhile.
   */
  find(token: string): KeyEntry | undefined {
    const issuers = this.#ports.issuers();
    if (issuers.length === 0) return undefined;
    const known = this.#known.get(hashOf(token));
    if (known === undefined) return this.#unprepared(token, issuers);
    if (known.error !== undefined) throw known.error;
    if (known.key === undefined) throw refused();
    const { version } = this.#ports.directory.snapshot();
    if (known.compiled?.version !== version) {
      known.compiled = { version, entry: this.#ports.directory.entryOf(known.key) };
    }
    return known.compiled.entry;
  }

  #unprepared(token: string, issuers: readonly TokenIssuer[]): undefined {
    const claimed = claimedIssuer(token);
    if (!issuers.some(({ checker }) => checker.issuer === claimed)) return undefined;
    // It was checked, and what was found made room for others: nobody knows that it is a bad one.
    throw new SluiceError('overloaded', 'Too many different tokens are in use at once; try again.', {
      retryAfterS: 1,
    });
  }

  #lookup(hash: string, issuers: readonly TokenIssuer[]): Known | undefined {
    const known = this.#known.get(hash);
    if (known === undefined || known.issuers !== issuers) return undefined;
    return known.until > this.#ports.clock.now() ? known : undefined;
  }

  #remember(hash: string, known: Known): void {
    this.#known.delete(hash);
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value ?? '');
    this.#known.set(hash, known);
  }

  async #check(
    token: string,
    candidates: readonly TokenIssuer[],
  ): Promise<Pick<Known, 'key' | 'error' | 'until'>> {
    let error: SluiceError = refused();
    for (const issuer of candidates) {
      try {
        const checked = await issuer.checker.check(token);
        const now = this.#ports.clock.now();
        const key = await this.#keyOf(issuer, checked, now);
        // One second at least: long enough for the request that asked.
        const until = Math.min(now + Math.max(issuer.cacheMs, REFUSED_MS), checked.expiresAt + 30_000);
        return { key, error: undefined, until: Math.max(until, now + REFUSED_MS) };
      } catch (failure) {
        const known = failure instanceof SluiceError;
        error = known
          ? failure
          : new SluiceError('internal', 'The token could not be checked.', { cause: failure });
        // Of several audiences of one issuer the next may fit; an issuer that is down is said to be down.
        if (error.code !== 'invalid_key') break;
      }
    }
    return { key: undefined, error, until: this.#ports.clock.now() + REFUSED_MS };
  }

  async #keyOf(issuer: TokenIssuer, token: CheckedToken, now: number): Promise<VirtualKey> {
    const rule = issuer.rules.find((candidate) => fits(candidate, token.claims));
    if (rule === undefined) {
      throw new SluiceError(
        'forbidden',
        'This token is good, and no rule of its issuer says what it may do here.',
      );
    }
    this.#demandPlace(issuer, rule);
    const identity =
      issuer.user === 'none'
        ? undefined
        : await this.#ports.store.places.findIdentity(issuer.checker.issuer, token.subject);
    const isOurs = identity?.organizationId === issuer.organizationId && !identity.disabled;
    if (issuer.user === 'required' && !isOurs) {
      throw new SluiceError('forbidden', 'The user of this token has not signed in here yet.');
    }
    const name = hashOf(JSON.stringify([issuer.name, issuer.checker.issuer, token.subject]));
    return {
      id: `jwt_${name.slice(0, 32)}`,
      name: `${issuer.name}: ${token.subject}`.slice(0, 200),
      hash: '',
      hint: '',
      previousHash: undefined,
      previousHashExpiresAt: undefined,
      createdAt: now,
      expiresAt: undefined,
      blocked: false,
      revokedAt: undefined,
      organizationId: issuer.organizationId,
      ...rule.key,
      userId: isOurs ? identity.userId : undefined,
      serviceAccountId: undefined,
      limitedBy: [],
      rotation: undefined,
      budget: undefined,
      metadata: {},
    };
  }

  /** A rule that names what is not there gives nothing: it would count for nobody and be limited by nothing. */
  #demandPlace({ organizationId, name }: TokenIssuer, { key }: TokenRule): void {
    const { places } = this.#ports;
    const { teamId, projectId } = key;
    const project = projectId === undefined ? undefined : places.projects.get(projectId);
    const isTeam = teamId === undefined || places.teams.get(teamId)?.organizationId === organizationId;
    const isProject =
      projectId === undefined || (project?.organizationId === organizationId && project.teamId === teamId);
    if (places.organizations.has(organizationId) && isTeam && isProject) return;
    throw new SluiceError(
      'forbidden',
      `The rules for tokens of \`${name}\` name a team or project that is not there.`,
    );
  }
}

function refused(): SluiceError {
  return new SluiceError('invalid_key', 'This token is not accepted.');
}

/** All of the token: tokens that begin alike are different tokens (RELIABILITY T8). */
function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url');
}
