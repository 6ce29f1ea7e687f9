/** Ids kept at most; the oldest are forgotten first. */
const MAX_PINS = 50_000;

/**
 * Which deployment issued a stored answer (Responses ids), so that a request that continues it goes back there: stateful ids
 * mean something only to their issuer (WIRE §2.1, "state"). Kept in memory; `scope` keeps callers apart.
 */
export class ResponsePins {
  readonly #issuers = new Map<
    string,
    { readonly deployment: string; readonly account: string | undefined }
  >();

  /** `account`: mark of the credential that was used, where the provider has several. */
  remember(scope: string, id: string, issuer: { deployment: string; account?: string | undefined }): void {
    const key = `${scope} ${id}`;
    this.#issuers.delete(key);
    this.#issuers.set(key, { deployment: issuer.deployment, account: issuer.account });
    if (this.#issuers.size > MAX_PINS) this.#issuers.delete(this.#issuers.keys().next().value ?? '');
  }

  /** The deployment that issued the id, for this caller. */
  issuerOf(scope: string, id: string): string | undefined {
    return this.#issuers.get(`${scope} ${id}`)?.deployment;
  }

  /** Mark of the credential with which the id was issued, for this caller. */
  accountOf(scope: string, id: string): string | undefined {
    return this.#issuers.get(`${scope} ${id}`)?.account;
  }
}
