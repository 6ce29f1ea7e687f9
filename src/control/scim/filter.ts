import SCIMMY from 'scimmy';

/** Whether a resource is meant. */
export type Matches = (resource: unknown) => boolean;

type Comparison = 'eq' | 'ne' | 'co' | 'sw' | 'ew' | 'gt' | 'ge' | 'lt' | 'le';
type Wanted = string | number | boolean | null;

/** Core attributes may be written with their schema in front (RFC 7644 §3.10). */
const CORE = /^urn:ietf:params:scim:schemas:core:2\.0:(?:user|group):/i;
const EXTENSION = /^(urn:ietf:params:scim:schemas:extension:[a-z0-9:.]+:User)(?::(.+))?$/i;
/** RFC 7643 declares these as `caseExact`; all other texts are compared without regard to case. */
const EXACT: ReadonlySet<string> = new Set(['id', 'externalid', 'members', 'members.value', 'groups.value']);
const COMPARISONS: ReadonlySet<string> = new Set(['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'ge', 'lt', 'le']);
const TOKEN = /\s*(?:([()[\]])|("(?:[^"\\]|\\.)*")|([^\s()[\]"]+))/y;
const MAX_DEPTH = 50;

function invalid(detail: string): Error {
  return new SCIMMY.Types.Error(400, 'invalidFilter', detail);
}

function tokensOf(text: string): readonly string[] {
  const tokens: string[] = [];
  const whole = text.trimEnd();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < whole.length) {
    const from = TOKEN.lastIndex;
    const found = TOKEN.exec(whole);
    if (found === null) throw invalid(`The filter cannot be read from character ${from + 1} on`);
    tokens.push(found[1] ?? found[2] ?? found[3] ?? '');
  }
  return tokens;
}

/** Names of an attribute from the resource inwards. */
function stepsOf(path: string): readonly string[] {
  const extension = EXTENSION.exec(path);
  if (extension !== null) return [extension[1] ?? '', ...(extension[2]?.split('.') ?? [])];
  return path.replace(CORE, '').split('.');
}

/** All values at a path; of what has several, each. */
function valuesAt(resource: unknown, steps: readonly string[]): readonly unknown[] {
  let found: readonly unknown[] = [resource];
  for (const step of steps) {
    const name = step.toLowerCase();
    found = found.flatMap((value) => {
      if (typeof value !== 'object' || value === null) return [];
      return Object.entries(value)
        .flatMap(([key, inside]) => (key.toLowerCase() === name ? [inside] : []))
        .flat();
    });
  }
  return found.filter((value) => value !== undefined && value !== null);
}

/** What is compared of a value: `members eq "ID"` means `members.value`. */
function plain(value: unknown): unknown {
  const inner = typeof value === 'object' && !(value instanceof Date) && value !== null && 'value' in value;
  return inner ? value.value : value;
}

function holds<T>(by: Comparison, actual: T, wanted: T): boolean {
  switch (by) {
    case 'gt':
      return actual > wanted;
    case 'ge':
      return actual >= wanted;
    case 'lt':
      return actual < wanted;
    case 'le':
      return actual <= wanted;
    case 'co':
      return String(actual).includes(String(wanted));
    case 'sw':
      return String(actual).startsWith(String(wanted));
    case 'ew':
      return String(actual).endsWith(String(wanted));
    default:
      return actual === wanted;
  }
}

function compare(by: Comparison, actual: unknown, asked: { wanted: Wanted; exact: boolean }): boolean {
  const { wanted, exact } = asked;
  if (actual instanceof Date) return holds(by, actual.getTime(), new Date(String(wanted)).getTime());
  // Microsoft Entra writes "True" for true.
  if (typeof actual === 'boolean') return holds(by, String(actual), String(wanted).toLowerCase());
  if (typeof actual === 'string' && typeof wanted === 'string') {
    return exact ? holds(by, actual, wanted) : holds(by, actual.toLowerCase(), wanted.toLowerCase());
  }
  return typeof actual === typeof wanted && holds(by, actual, wanted as typeof actual);
}

/** Reads a filter by recursive descent; `and` binds closer than `or`. */
class Reader {
  readonly #tokens: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  whole(): Matches {
    const matches = this.#either([]);
    if (this.#at < this.#tokens.length)
      throw invalid(`The filter does not go on with \`${this.#tokens[this.#at]}\``);
    return matches;
  }

  #word(): string | undefined {
    return this.#tokens[this.#at]?.toLowerCase();
  }

  #take(what: string): string {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw invalid(`The filter ends where ${what} is expected`);
    this.#at += 1;
    return token;
  }

  #expect(token: string): void {
    if (this.#take(`\`${token}\``) !== token) throw invalid(`The filter lacks a \`${token}\``);
  }

  #either(outer: readonly string[]): Matches {
    const parts = [this.#both(outer)];
    while (this.#word() === 'or') {
      this.#at += 1;
      parts.push(this.#both(outer));
    }
    return (resource) => parts.some((part) => part(resource));
  }

  #both(outer: readonly string[]): Matches {
    const parts = [this.#one(outer)];
    while (this.#word() === 'and') {
      this.#at += 1;
      parts.push(this.#one(outer));
    }
    return (resource) => parts.every((part) => part(resource));
  }

  #inside(close: string, outer: readonly string[]): Matches {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw invalid('The filter is nested too deeply');
    const matches = this.#either(outer);
    this.#expect(close);
    this.#depth -= 1;
    return matches;
  }

  #one(outer: readonly string[]): Matches {
    if (this.#word() === 'not' && this.#tokens[this.#at + 1] === '(') {
      this.#at += 2;
      const matches = this.#inside(')', outer);
      return (resource) => !matches(resource);
    }
    if (this.#word() === '(') {
      this.#at += 1;
      return this.#inside(')', outer);
    }
    const path = this.#take('an attribute');
    if (!/^[a-z$][\w$:.-]*$/i.test(path)) throw invalid(`\`${path}\` is no attribute`);
    const steps = stepsOf(path);
    if (this.#word() !== '[') return this.#attribute(steps, outer);
    this.#at += 1;
    const matches = this.#inside(']', [...outer, ...steps]);
    const rest =
      this.#word()?.startsWith('.') === true ? stepsOf(this.#take('an attribute').slice(1)) : undefined;
    if (rest === undefined) return (resource) => valuesAt(resource, steps).some(matches);
    const inner = this.#attribute(rest, [...outer, ...steps]);
    return (resource) => valuesAt(resource, steps).some((value) => matches(value) && inner(value));
  }

  #attribute(steps: readonly string[], outer: readonly string[]): Matches {
    const by = this.#take('a comparison').toLowerCase();
    if (by === 'pr') return (resource) => valuesAt(resource, steps).some((value) => plain(value) !== '');
    if (!COMPARISONS.has(by)) throw invalid(`\`${by}\` is no comparison`);
    const wanted = this.#value();
    const exact = EXACT.has([...outer, ...steps].join('.').toLowerCase());
    const asked = { wanted, exact };
    const is = (resource: unknown, how: Comparison): boolean =>
      valuesAt(resource, steps).some((value) => compare(how, plain(value), asked));
    if (wanted === null && (by === 'eq' || by === 'ne')) {
      return (resource) => (valuesAt(resource, steps).length === 0) === (by === 'eq');
    }
    return by === 'ne' ? (resource) => !is(resource, 'eq') : (resource) => is(resource, by as Comparison);
  }

  #value(): Wanted {
    const text = this.#take('a value');
    const word = /^(?:true|false|null)$/i.test(text) ? text.toLowerCase() : text;
    try {
      const value: unknown = JSON.parse(word);
      if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return value as Wanted;
    } catch {
      // Said below.
    }
    throw invalid(`\`${text}\` is no value; texts stand in double quotes`);
  }
}

/** Reads a filter (RFC 7644 §3.4.2.2). Throws the library's error with `invalidFilter` for one that cannot be read. */
export function readFilter(text: string): Matches {
  return new Reader(text).whole();
}
