import { type Scope, type ScopeKind, scopeName } from './scope.ts';

/** Something that applies to a scope: a budget, a rate limit. */
export interface Scoped {
  readonly id: string;
  /** Id `*`: every member of the kind for itself. */
  readonly scope: Scope;
  /** Only for requests of this organization; absent: for all of them. */
  readonly organizationId: string | undefined;
}

/** A rule that applies to a request, and the name its sums are kept under. */
export interface Applied<Rule extends Scoped> {
  readonly rule: Rule;
  /** The rule's id, with the member's behind it where each member counts for itself. */
  readonly account: string;
}

/** What a request says about itself as far as scopes go. */
export interface ScopeFacts {
  readonly tags: Readonly<Record<string, string>>;
  /** Every name the model goes by here. */
  readonly models: readonly string[];
  readonly endUser: string | undefined;
  readonly session: string | undefined;
}

const FIXED: ReadonlySet<ScopeKind> = new Set(['organization', 'team', 'project', 'user', 'key']);
const NOTHING: readonly never[] = Object.freeze([]);
/** Stands for every member of a kind. */
export const EVERY_MEMBER = '*';

/**
 * Rules by what they apply to; immutable, replaced as a whole when one changes. What applies to the places of a key is
 * found once per list of places; what comes from the request is only looked at while there is a rule of its kind.
 */
export class ScopeIndex<Rule extends Scoped> {
  readonly #byScope = new Map<string, Rule[]>();
  readonly #kinds = new Set<ScopeKind>();
  readonly #ofPlaces = new WeakMap<readonly Scope[], readonly Applied<Rule>[]>();
  /** Number of rules. */
  readonly size: number;
  /** Some rules depend on more than who calls. */
  readonly readsRequest: boolean;
  /** Some rules count every member of a kind for itself. */
  readonly countsMembers: boolean;

  constructor(rules: readonly Rule[]) {
    this.size = rules.length;
    for (const rule of rules) {
      const name = scopeName(rule.scope);
      const known = this.#byScope.get(name);
      if (known === undefined) this.#byScope.set(name, [rule]);
      else known.push(rule);
      this.#kinds.add(rule.scope.kind);
    }
    this.readsRequest = [...this.#kinds].some((kind) => !FIXED.has(kind));
    this.countsMembers = rules.some(({ scope }) => scope.id.endsWith(EVERY_MEMBER));
  }

  /** Whether a rule applies to models. */
  get hasModels(): boolean {
    return this.#kinds.has('model');
  }

  /** What applies to a request made in these places (the same array for the same places, or it is slow). */
  find(places: readonly Scope[], facts: ScopeFacts): readonly Applied<Rule>[] {
    if (this.size === 0) return NOTHING;
    let fixed = this.#ofPlaces.get(places);
    if (fixed === undefined) {
      const organization = organizationOf(places);
      fixed = places.flatMap((place) => this.#of(place, organization));
      this.#ofPlaces.set(places, fixed);
    }
    return this.readsRequest ? this.#withRequest(fixed, places, facts) : fixed;
  }

  #withRequest(
    fixed: readonly Applied<Rule>[],
    places: readonly Scope[],
    facts: ScopeFacts,
  ): readonly Applied<Rule>[] {
    const found = [...fixed];
    const organization = organizationOf(places);
    const add = (kind: ScopeKind, id: string): void => {
      for (const applied of this.#of({ kind, id }, organization)) {
        // A model goes by several names, and a rule counts once.
        if (!found.some(({ account }) => account === applied.account)) found.push(applied);
      }
    };
    if (this.#kinds.has('tag')) {
      for (const name in facts.tags) {
        add('tag', `${name}=${facts.tags[name]}`);
        this.#addEvery(
          found,
          { kind: 'tag', id: `${name}=*` },
          { member: facts.tags[name] ?? '', organization },
        );
      }
    }
    if (this.#kinds.has('model')) {
      for (const model of facts.models) add('model', model);
    }
    if (this.#kinds.has('end_user') && facts.endUser !== undefined) add('end_user', facts.endUser);
    if (this.#kinds.has('session') && facts.session !== undefined) add('session', facts.session);
    return found;
  }

  #of(scope: Scope, organization: string | undefined): Applied<Rule>[] {
    const found: Applied<Rule>[] = [];
    if (scope.id !== EVERY_MEMBER) {
      for (const rule of this.#byScope.get(scopeName(scope)) ?? NOTHING) {
        if (isWithin(rule, organization)) found.push({ rule, account: rule.id });
      }
    }
    const member = scope.id;
    this.#addEvery(found, { kind: scope.kind, id: EVERY_MEMBER }, { member, organization });
    return found;
  }

  #addEvery(
    found: Applied<Rule>[],
    scope: Scope,
    of: { readonly member: string; readonly organization: string | undefined },
  ): void {
    for (const rule of this.#byScope.get(scopeName(scope)) ?? NOTHING) {
      if (isWithin(rule, of.organization)) found.push({ rule, account: `${rule.id}/${of.member}` });
    }
  }
}

function organizationOf(places: readonly Scope[]): string | undefined {
  return places.find(({ kind }) => kind === 'organization')?.id;
}

function isWithin(rule: Scoped, organization: string | undefined): boolean {
  return rule.organizationId === undefined || rule.organizationId === organization;
}
