import { SluiceError } from '../../core/errors/error.ts';
import type { ProvenIdentity, SignInProvider } from '../../ports/sign-in.ts';
import { stranger } from '../caller.ts';
import type { OpenedSession, Sessions } from '../sessions.ts';
import { AttemptLimiter } from './attempt-limiter.ts';
import { OneTime, type OneTimePorts } from './one-time.ts';
import { People, type PeoplePolicy, type PeoplePorts } from './people.ts';

/** How long somebody may take at his provider. */
const ATTEMPT_MS = 10 * 60_000;
/** Between the answer and the browser that fetches its session. */
const TICKET_MS = 60_000;
/** Sign-ins begun from one address in a minute; each is kept for a while. */
const MAX_BEGUN = 120;

/** A provider with what its people become here. */
export interface ConfiguredProvider {
  readonly provider: SignInProvider;
  readonly policy: PeoplePolicy;
  readonly title: string;
}

export interface SingleSignOnPorts extends PeoplePorts, OneTimePorts {
  readonly sessions: Sessions;
  /** As configured now. */
  readonly providers: () => ReadonlyMap<string, ConfiguredProvider>;
  /** Where the gateway is, without a trailing slash. */
  readonly baseUrl: () => string;
}

interface Attempt {
  readonly provider: string;
  readonly notes: Readonly<Record<string, string>>;
  readonly callbackUrl: string;
  /** Hash of what only the browser that began has. */
  readonly browser: string;
  readonly returnTo: string;
}

interface Ticket {
  readonly provider: string;
  readonly proven: ProvenIdentity;
  readonly browser: string;
  readonly returnTo: string;
}

/** Where to send the browser, and what it keeps in a cookie. */
export interface Begun {
  readonly url: string;
  /** Names the cookie: several sign-ins may be under way in one browser. */
  readonly cookieId: string;
  readonly browserSecret: string;
}

/** A finished sign-in. */
export interface SignedIn {
  readonly session: OpenedSession;
  readonly returnTo: string;
}

function broken(): SluiceError {
  return new SluiceError(
    'invalid_key',
    'This sign-in has expired or was begun in another browser; begin again.',
  );
}

/** A page of the portal only, never another site. */
function safeReturn(path: string | undefined): string {
  const good = path !== undefined && path.length <= 1000 && /^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/.test(path);
  return good && !path.startsWith('/sign-in') && !path.startsWith('/auth/') ? path : '/';
}

/** Sign-in with OIDC and SAML providers: out with a secret the browser keeps, back once, and only to that browser. */
export class SingleSignOn {
  readonly #ports: SingleSignOnPorts;
  readonly #people: People;
  readonly #attempts: OneTime<Attempt>;
  readonly #tickets: OneTime<Ticket>;
  readonly #begun: AttemptLimiter;

  constructor(ports: SingleSignOnPorts) {
    this.#ports = ports;
    this.#people = new People(ports);
    this.#attempts = new OneTime(ports, 'attempt', ATTEMPT_MS);
    this.#tickets = new OneTime(ports, 'ticket', TICKET_MS);
    this.#begun = new AttemptLimiter(ports, 'sign-in', { limit: MAX_BEGUN, escalates: false });
  }

  #configured(name: string, kind: SignInProvider['kind']): ConfiguredProvider {
    const found = this.#ports.providers().get(name);
    if (found?.provider.kind === kind) return found;
    throw new SluiceError('not_found', 'There is no such sign-in provider here.');
  }

  #callbackUrl(name: string, kind: SignInProvider['kind']): string {
    const path = kind === 'oidc' ? 'callback' : 'acs';
    return `${this.#ports.baseUrl()}/auth/${kind}/${encodeURIComponent(name)}/${path}`;
  }

  async metadata(name: string): Promise<string> {
    const { provider } = this.#configured(name, 'saml');
    return provider.metadata?.(this.#callbackUrl(name, 'saml')) ?? '';
  }

  /** Throws `rate_limited` for an address that begins too often, and what the provider throws. */
  async begin(
    name: string,
    kind: SignInProvider['kind'],
    from: { readonly address: string; readonly returnTo: string | undefined },
  ): Promise<Begun> {
    const { secrets, random } = this.#ports;
    await this.#begun.begin(from.address);
    const { provider } = this.#configured(name, kind);
    const browserSecret = Buffer.from(random.bytes(32)).toString('base64url');
    const callbackUrl = this.#callbackUrl(name, kind);
    const state = this.#attempts.newToken();
    const { url, notes } = await provider.begin(state, callbackUrl);
    await this.#attempts.keep(state, {
      provider: name,
      notes,
      callbackUrl,
      browser: secrets.hashKey(browserSecret),
      returnTo: safeReturn(from.returnTo),
    });
    return { url, cookieId: this.cookieId(state), browserSecret };
  }

  /** Which cookie belongs to a state or ticket. */
  cookieId(state: string): string {
    return this.#ports.secrets.hashKey(state).slice(0, 12);
  }

  /** The answer of an OIDC provider, with the browser's cookie. Throws `invalid_key` or `forbidden`. */
  async finishOidc(
    name: string,
    answer: { readonly url: string; readonly state: string; readonly browserSecret: string | undefined },
    address: string,
  ): Promise<SignedIn> {
    const { provider } = this.#configured(name, 'oidc');
    const attempt = await this.#attempts.peek(answer.state);
    // Looked at before it is taken: who only knows the state cannot spoil another's sign-in.
    if (attempt === undefined || !this.#isBrowser(attempt.browser, answer.browserSecret)) throw broken();
    if (attempt.provider !== name || (await this.#attempts.take(answer.state)) === undefined) throw broken();
    const proven = await provider.finish(
      { url: answer.url, form: {} },
      { state: answer.state, notes: attempt.notes, callbackUrl: attempt.callbackUrl },
    );
    return this.#open(name, { proven, returnTo: attempt.returnTo }, address);
  }

  /** The answer of a SAML provider, which comes without cookies: a ticket for the browser that began. */
  async receiveSaml(
    name: string,
    form: Readonly<Record<string, string>>,
  ): Promise<{ readonly ticket: string; readonly state: string }> {
    const { provider } = this.#configured(name, 'saml');
    const state = form['RelayState'] ?? '';
    const attempt = await this.#attempts.peek(state);
    if (attempt === undefined || attempt.provider !== name) throw provider.unasked?.(form) ?? broken();
    const { notes, callbackUrl, browser, returnTo } = attempt;
    const proven = await provider.finish({ url: '', form }, { state, notes, callbackUrl });
    if ((await this.#attempts.take(state)) === undefined) throw broken();
    const { token } = await this.#tickets.put({ provider: name, proven, browser, returnTo });
    return { ticket: token, state };
  }

  async finishSaml(
    name: string,
    given: { readonly ticket: string; readonly browserSecret: string | undefined },
    address: string,
  ): Promise<SignedIn> {
    this.#configured(name, 'saml');
    const ticket = await this.#tickets.peek(given.ticket);
    if (ticket === undefined || ticket.provider !== name) throw broken();
    if (!this.#isBrowser(ticket.browser, given.browserSecret)) throw broken();
    if ((await this.#tickets.take(given.ticket)) === undefined) throw broken();
    return this.#open(name, ticket, address);
  }

  #isBrowser(expected: string, secret: string | undefined): boolean {
    // Both are keyed hashes: comparing them tells nothing about the secret.
    return secret !== undefined && this.#ports.secrets.hashKey(secret) === expected;
  }

  async #open(
    name: string,
    who: { readonly proven: ProvenIdentity; readonly returnTo: string },
    address: string,
  ): Promise<SignedIn> {
    const { providers, audit, sessions } = this.#ports;
    const configured = providers().get(name);
    if (configured === undefined) throw broken();
    const user = await this.#people.signIn(who.proven, configured.policy, address);
    await audit.append(stranger(`user:${user.id}`, address), {
      action: 'session.open',
      target: user.id,
      organization: user.organizationId,
      details: { provider: name },
    });
    return { session: await sessions.openFor(user.id), returnTo: who.returnTo };
  }
}
