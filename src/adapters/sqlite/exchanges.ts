import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { DEFAULT_ORGANIZATION_ID } from '../../core/policy/place.ts';
import type { ExchangeFilter, Page, PageRequest } from '../../ports/store.ts';
import { decodeHead, decodeWho, type PlaceValues, whoText } from '../journal/exchange-text.ts';
import { ROW_OVERHEAD_BYTES } from './exchange-writer.ts';
import { HourFinder, type Part } from './hour-finder.ts';
import { limitOf, pageOf, placeOf } from './paging.ts';
import { firstPlace, PER_MS } from './places.ts';
import { facetOf, PostingReader } from './postings.ts';
import { cut, facetsOf } from './sums.ts';

/** An exchange as it is stored; `decodeExchange` reads it. */
export interface ExchangeText {
  readonly id: string;
  readonly text: string;
}

/** The log in the worker: records leave it as the text they are stored as and are parsed where they are used. */
export interface ExchangeTexts {
  list(filter: ExchangeFilter, page: PageRequest): Promise<Page<ExchangeText>>;
  get(id: string): Promise<ExchangeText | undefined>;
  prune(limits: PruneLimits): Promise<number>;
}

interface PruneLimits {
  readonly before?: number;
  readonly maxBytes?: number;
}

interface Row extends ExchangeText {
  readonly seq: number;
}

/** Rows deleted per transaction, so that ingest never waits long. */
const PRUNE_ROWS = 500;
const VACUUM_PAGES = 256;
const VACUUM_TURNS = 64;
/** Empty pages that stay in the file, 2 MiB: the next rows need them. */
const SPARE_PAGES = 256;

/** The log in the database. */
export function createExchangeTexts(raw: DatabaseSync): ExchangeTexts {
  const reader = new LogReader(raw);
  const pruner = new Pruner(raw);
  const byId = raw.prepare('SELECT id, record AS text FROM exchanges WHERE id = ?');
  return {
    async list(filter, page) {
      const limit = limitOf(page);
      const rows = reader.read(filter, placeOf(page), limit + 1);
      return pageOf(rows, limit, {
        place: ({ seq }) => ({ at: Math.floor(seq / PER_MS), id: String(seq % PER_MS) }),
        item: ({ id, text }) => ({ id, text }),
      });
    },
    async get(id) {
      const row = byId.get(id) as unknown as ExchangeText | undefined;
      return row && { id: row.id, text: row.text };
    },
    async prune(limits) {
      let deleted = 0;
      for (;;) {
        const batch = pruner.batch(limits);
        deleted += batch;
        if (batch < PRUNE_ROWS) {
          break;
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
      await giveBack(raw);
      return deleted;
    },
  };
}

/** Gives empty pages back to the file system, a bit at a time; what is left over when turns run out goes the next time. */
async function giveBack(raw: DatabaseSync): Promise<void> {
  const free = raw.prepare('PRAGMA freelist_count');
  for (let turn = 0; turn < VACUUM_TURNS; turn += 1) {
    const spare = Number(free.get()?.['freelist_count'] ?? 0) - SPARE_PAGES;
    if (spare <= 0) return;
    raw.exec(`PRAGMA incremental_vacuum(${Math.min(spare, VACUUM_PAGES)})`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

class LogReader {
  readonly #postings: PostingReader;
  readonly #row: StatementSync;
  readonly #rows: StatementSync;
  readonly #hours: HourFinder;
  readonly #legacyThrough: number;

  constructor(raw: DatabaseSync) {
    this.#postings = new PostingReader(raw);
    this.#hours = new HourFinder(raw);
    const legacy = raw.prepare('SELECT legacy_through FROM log_tenancy').get();
    this.#legacyThrough = Number(legacy?.['legacy_through'] ?? -1);
    this.#row = raw.prepare('SELECT seq, id, record AS text FROM exchanges WHERE seq = CAST(? AS INTEGER)');
    this.#rows = raw.prepare(
      `SELECT seq, id, record AS text FROM exchanges
       WHERE seq >= CAST(? AS INTEGER) AND seq < CAST(? AS INTEGER) ORDER BY seq DESC`,
    );
  }

  /** The newest rows behind a place that the filter lets through, at most `most`. */
  read(filter: ExchangeFilter, behind: { at: number; id: string } | undefined, most: number): Row[] {
    const from = firstPlace(filter.from ?? 0);
    const to = filter.to === undefined ? Number.MAX_SAFE_INTEGER : firstPlace(filter.to);
    const below = behind === undefined ? to : Math.min(to, behind.at * PER_MS + Number(behind.id));
    const rows = this.#candidates(filter, from, below);
    const found: Row[] = [];
    for (const row of rows) {
      if (passes(row.text, filter)) {
        found.push(row);
        if (found.length === most) {
          break;
        }
      }
    }
    return found;
  }

  /** Rows the filter may let through, highest first. */
  *#candidates(filter: ExchangeFilter, from: number, below: number): Generator<Row> {
    for (const part of this.#hours.parts(filter, from, below)) {
      yield* this.#inPart(filter, part);
    }
  }

  #inPart(filter: ExchangeFilter, part: Part): Iterable<Row> {
    const { from, below } = part;
    const { tenant, within } = filter.extent ?? { tenant: 'every' };
    const having = (...more: readonly string[]) =>
      this.#having(wantedFacets(filter, more, part.placed), from, below);
    if (within !== undefined) {
      const owners = within.ownerId === undefined ? [] : [facetOf.owner(within.ownerId)];
      return merged([...within.teamIds.map(facetOf.team), ...owners].map((facet) => having(facet)));
    }
    if (tenant === 'every') return this.#between(filter, part);
    if (tenant.organizationId === DEFAULT_ORGANIZATION_ID) return this.#withLegacy(filter, part);
    return having(facetOf.organization(tenant.organizationId));
  }

  /** What the default organization has: what says so, and behind it what was logged before there were others. */
  *#withLegacy(filter: ExchangeFilter, part: Part): Generator<Row> {
    const border = this.#legacyThrough + 1;
    const owned = wantedFacets(filter, [facetOf.organization(DEFAULT_ORGANIZATION_ID)], part.placed);
    yield* this.#having(owned, Math.max(part.from, border), part.below);
    yield* this.#between(filter, { ...part, below: Math.min(part.below, border) });
  }

  #between(filter: ExchangeFilter, { from, below, placed }: Part): Iterable<Row> {
    const facets = wantedFacets(filter, [], placed);
    if (facets.length > 0) return this.#having(facets, from, below);
    return this.#rows.iterate(from, below) as unknown as Iterable<Row>;
  }

  *#having(facets: readonly string[], from: number, below: number): Generator<Row> {
    for (const places of this.#postings.find(facets, from, below)) {
      for (const place of places) {
        const row = this.#row.get(place) as unknown as Row | undefined;
        if (row !== undefined) {
          yield row;
        }
      }
    }
  }
}

/**
 * What the postings can answer of a filter and of whose rows it is about. Most rows have the status 200, so that is not
 * among it; another status is found together with each of the rest, where the rows are `placed`.
 */
function wantedFacets(filter: ExchangeFilter, more: readonly string[], placed: boolean): string[] {
  const { keyId, model, provider, status, clientRequestId, tag, teamId } = filter;
  const who = [...more];
  if (teamId !== undefined) who.push(facetOf.team(teamId));
  if (keyId !== undefined) who.push(facetOf.key(keyId));
  if (model !== undefined) who.push(facetOf.model(cut(model)));
  if (provider !== undefined) who.push(facetOf.provider(provider));
  const rest: string[] = [];
  if (clientRequestId !== undefined) rest.push(facetOf.request(cut(clientRequestId)));
  if (tag?.value !== undefined) rest.push(facetOf.tag(cut(tag.name), cut(tag.value)));
  else if (tag !== undefined) rest.push(facetOf.tagName(cut(tag.name)));
  // Only failures were listed by status before.
  if (status === undefined || status === 200 || (!placed && status < 300)) return [...rest, ...who];
  if (!placed || who.length === 0) return [...rest, ...who, facetOf.status(status)];
  return [...rest, ...who.map((facet) => facetOf.statusAnd(status, facet))];
}

function passes(text: string, filter: ExchangeFilter): boolean {
  const head = decodeHead(text);
  const [startedAt, status, , , clientRequestId] = head;
  const [keyId, model, provider, , , place] = decodeWho(whoText(text));
  const { tag } = filter;
  const tagged = tag === undefined ? undefined : head[14]?.[tag.name];
  return (
    isWithin(place ?? [DEFAULT_ORGANIZATION_ID, null, null, null], filter) &&
    (filter.from === undefined || startedAt >= filter.from) &&
    (filter.to === undefined || startedAt < filter.to) &&
    (filter.status === undefined || status === filter.status) &&
    (filter.clientRequestId === undefined || clientRequestId === filter.clientRequestId) &&
    (filter.keyId === undefined || keyId === filter.keyId) &&
    (filter.model === undefined || model === filter.model) &&
    (filter.provider === undefined || provider === filter.provider) &&
    (tag === undefined || (tagged !== undefined && (tag.value === undefined || tagged === tag.value)))
  );
}

/** Facets only find: what is shown is decided here, by the row itself. */
function isWithin([organization, team, , owner]: PlaceValues, { extent, teamId }: ExchangeFilter): boolean {
  if (teamId !== undefined && team !== teamId) return false;
  if (extent === undefined) return true;
  const { tenant, within } = extent;
  if (tenant !== 'every' && tenant.organizationId !== organization) return false;
  if (within === undefined) return true;
  return (
    (team !== null && within.teamIds.includes(team)) ||
    (within.ownerId !== undefined && owner === within.ownerId)
  );
}

/** Rows of several lists, highest first, each once. */
function* merged(lists: readonly Iterator<Row>[]): Generator<Row> {
  const heads = lists.map((list) => ({ list, row: next(list) }));
  let last: number | undefined;
  for (;;) {
    const [first, ...rest] = heads.filter(({ row }) => row !== undefined);
    if (first === undefined) return;
    const highest = rest.reduce((a, b) => ((b.row?.seq ?? 0) > (a.row?.seq ?? 0) ? b : a), first);
    if (highest.row !== undefined && highest.row.seq !== last) {
      last = highest.row.seq;
      yield highest.row;
    }
    highest.row = next(highest.list);
  }
}

function next(list: Iterator<Row>): Row | undefined {
  const { done, value } = list.next();
  return done === true ? undefined : value;
}

class Pruner {
  readonly #raw: DatabaseSync;
  readonly #postings: PostingReader;
  readonly #size: StatementSync;
  readonly #oldest: StatementSync;
  readonly #delete: StatementSync;
  readonly #shrink: StatementSync;

  constructor(raw: DatabaseSync) {
    this.#raw = raw;
    this.#postings = new PostingReader(raw);
    this.#size = raw.prepare('SELECT raw_bytes FROM ingest_state');
    this.#oldest = raw.prepare(`SELECT seq, record AS text FROM exchanges ORDER BY seq LIMIT ${PRUNE_ROWS}`);
    this.#delete = raw.prepare('DELETE FROM exchanges WHERE seq <= CAST(? AS INTEGER)');
    this.#shrink = raw.prepare('UPDATE ingest_state SET raw_bytes = raw_bytes - CAST(? AS INTEGER)');
  }

  /** Deletes up to PRUNE_ROWS of the oldest rows that are too old, or too many. */
  batch({ before, maxBytes }: PruneLimits): number {
    const size = Number(this.#size.get()?.['raw_bytes'] ?? 0);
    const excess = size - (maxBytes ?? Number.POSITIVE_INFINITY);
    const through = before === undefined ? 0 : firstPlace(before);
    const facets = new Set<string>();
    let bytes = 0;
    let last = -1;
    let deleted = 0;
    for (const { seq, text } of this.#oldest.all() as unknown as Row[]) {
      if (bytes >= excess && seq >= through) {
        break;
      }
      for (const facet of facetsOf(decodeHead(text), text)) {
        facets.add(facet);
      }
      bytes += text.length + ROW_OVERHEAD_BYTES;
      last = seq;
      deleted += 1;
    }
    if (deleted > 0) {
      this.#deleteThrough(last, bytes, facets);
    }
    return deleted;
  }

  #deleteThrough(last: number, bytes: number, facets: ReadonlySet<string>): void {
    this.#raw.exec('BEGIN IMMEDIATE');
    try {
      this.#delete.run(last);
      for (const facet of facets) {
        this.#postings.prune(facet, last);
      }
      this.#shrink.run(bytes);
      this.#raw.exec('COMMIT');
    } catch (error) {
      if (this.#raw.isTransaction) {
        this.#raw.exec('ROLLBACK');
      }
      throw error;
    }
  }
}
