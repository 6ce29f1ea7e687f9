import { DEFAULT_ORGANIZATION_ID } from '../../core/policy/place.ts';
import { decodeWho, type ExchangeHead, type ExchangeWho, whoText } from '../journal/exchange-text.ts';
import { Latencies } from './latencies.ts';
import { PER_BUCKET } from './places.ts';
import { facetOf } from './postings.ts';
import { SESSION_TAG } from './rollup-cubes.ts';
import { hourOf, type RollupKey, type Sums, UNKNOWN_MODEL } from './rollups.ts';

/** Names come from clients; a longer one is cut where it is indexed (the record keeps all of it). */
const MAX_NAME_LENGTH = 256;
const MAX_TAGS = 16;

/** Exchanges of a batch that count in the same row of the rollups and started within the same ten seconds. */
export interface Sum {
  readonly rollup: RollupKey;
  /** What the exchanges are found by. */
  readonly facets: readonly string[];
  readonly sums: Sums;
  /** How long they took; undefined for sessions. */
  readonly latencies: Latencies | undefined;
  readonly places: number[];
}

interface Shared extends Sum {
  /** The same exchanges again, by tag. */
  readonly tagged: Map<string, Sum>;
}

/** Adds up a batch. */
export class BatchSums {
  /** By time and kind, then by who. */
  readonly #all = new Map<string, Map<string, Shared>>();
  #name = '';
  #named = new Map<string, Shared>();

  /** `who`: see `whoText`; `place` is the exchange's number in the log. */
  add(head: ExchangeHead, who: string, place: number): void {
    const shared = this.#shared(head, who, place);
    count(shared, head, place);
    if (head[15] !== undefined && head[15] !== null) {
      const session = cut(head[15]);
      count(tagged(shared, SESSION_TAG, session), head, place);
    }
    if (head[14] === null) {
      return;
    }
    for (const [tag, value] of indexedTags(head[14])) {
      count(tagged(shared, tag, value), head, place);
    }
  }

  *[Symbol.iterator](): Generator<Sum> {
    for (const named of this.#all.values()) {
      for (const shared of named.values()) {
        yield shared;
        yield* shared.tagged.values();
      }
    }
  }

  #shared(head: ExchangeHead, who: string, place: number): Shared {
    const hour = hourOf(head[0]);
    // A model nobody serves is the client's invention, so it gets no row of its own.
    const served = head[3] !== 'model_not_found';
    const name = `${hour} ${Math.floor(place / PER_BUCKET)} ${served}`;
    if (name !== this.#name) {
      this.#name = name;
      this.#named = this.#all.get(name) ?? new Map();
      this.#all.set(name, this.#named);
    }
    let shared = this.#named.get(who);
    if (shared === undefined) {
      shared = sharedBy(who, hour, served);
      this.#named.set(who, shared);
    }
    return shared;
  }
}

function tagged(shared: Shared, tag: string, value: string): Sum {
  // The length keeps apart what clients write.
  const name = `${tag.length} ${tag}${value}`;
  let sum = shared.tagged.get(name);
  if (sum === undefined) {
    const facets = tag === SESSION_TAG ? [] : [facetOf.tag(tag, value), facetOf.tagName(tag)];
    const latencies = tag === SESSION_TAG ? undefined : new Latencies();
    sum = { rollup: { ...shared.rollup, tag, value }, facets, sums: noSums(), latencies, places: [] };
    shared.tagged.set(name, sum);
  }
  return sum;
}

/** Every facet an exchange is found by. */
export function facetsOf(head: ExchangeHead, text: string): string[] {
  const sums = new BatchSums();
  const who = whoText(text);
  sums.add(head, who, 0);
  return [...[...sums].flatMap(({ facets }) => facets), ...ownFacets(head, who)];
}

/** Those that few exchanges have, or share. `who`: see `whoText`. */
export function ownFacets(head: ExchangeHead, who: string): readonly string[] {
  if (head[1] === 200 && head[4] === null) return NO_FACETS;
  const facets: string[] = [];
  if (head[1] !== 200) {
    facets.push(facetOf.status(head[1]));
    for (const facet of whoFacets(decodeWho(who))) {
      facets.push(facetOf.statusAnd(head[1], facet));
    }
  }
  if (head[4] !== null) {
    facets.push(facetOf.request(cut(head[4])));
  }
  return facets;
}

const NO_FACETS: readonly string[] = Object.freeze([]);

/** A name as it is indexed. */
export function cut(name: string): string {
  return name.length > MAX_NAME_LENGTH ? name.slice(0, MAX_NAME_LENGTH) : name;
}

function whoFacets([key, name, provider, , , place]: ExchangeWho): string[] {
  const [organization = DEFAULT_ORGANIZATION_ID, team, , owner] = place ?? [];
  const facets = [facetOf.model(cut(name)), facetOf.organization(organization)];
  if (team !== null && team !== undefined) {
    facets.push(facetOf.team(team));
  }
  if (owner !== null && owner !== undefined) {
    facets.push(facetOf.owner(owner));
  }
  if (key !== null) {
    facets.push(facetOf.key(key));
  }
  if (provider !== null) {
    facets.push(facetOf.provider(provider));
  }
  return facets;
}

function sharedBy(text: string, hour: number, served: boolean): Shared {
  const who = decodeWho(text);
  const [key, name, provider, user, , place] = who;
  const [organization = DEFAULT_ORGANIZATION_ID, team, project] = place ?? [];
  const rollup = {
    hour,
    tag: '',
    value: '',
    key: key ?? '',
    model: served ? cut(name) : UNKNOWN_MODEL,
    provider: provider ?? '',
    user: cut(user ?? ''),
    organization,
    team: team ?? '',
    project: project ?? '',
  };
  return {
    rollup,
    facets: whoFacets(who),
    sums: noSums(),
    latencies: new Latencies(),
    places: [],
    tagged: new Map(),
  };
}

function noSums(): Sums {
  return [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
}

function count({ sums, latencies, places }: Sum, head: ExchangeHead, place: number): void {
  places.push(place);
  sums[0] += 1;
  sums[1] += head[2] === 'answered' ? 0 : 1;
  sums[2] += whole(head[5] ?? 0);
  sums[3] += whole(head[6] + head[11]);
  sums[4] += whole(head[7]);
  sums[5] += whole(head[8] + head[9]);
  // As `completionTokens`.
  sums[6] += whole(head[10] + head[12]);
  sums[7] += whole(head[13]);
  // What was refused costs nothing; anything else without a cost costs something unknown.
  sums[8] += head[5] === null && head[2] !== 'refused' ? 1 : 0;
  sums[9] += head[2] === 'refused' ? 1 : 0;
  sums[10] += head[2] === 'abandoned' ? 1 : 0;
  latencies?.count(whole(head[13]));
}

function indexedTags(tags: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(tags)
    .filter(([name]) => name !== '' && name !== SESSION_TAG)
    .slice(0, MAX_TAGS)
    .map(([name, value]) => [cut(name), cut(value)]);
}

/** STRICT integer columns refuse fractions, and one odd figure must not stop the journal. */
function whole(count: number): number {
  return Number.isFinite(count) ? Math.min(Math.max(0, Math.round(count)), Number.MAX_SAFE_INTEGER) : 0;
}
