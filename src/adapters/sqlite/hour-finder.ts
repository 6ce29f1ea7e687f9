import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { DAY_MS, HOUR_MS } from '../../core/durations.ts';
import { DEFAULT_ORGANIZATION_ID } from '../../core/policy/place.ts';
import type { ExchangeFilter } from '../../ports/store.ts';
import { firstPlace } from './places.ts';
import { BY_DAY, cubeWith, knows, NAME_COLUMNS, type NameColumn } from './rollup-cubes.ts';
import { OVERFLOW, UNKNOWN_MODEL } from './rollups.ts';
import { cut } from './sums.ts';

/** Kept ready. */
const MAX_STATEMENTS = 64;

/** A stretch of the log, `below` exclusive. `placed`: all of it was written with everything there is to find it by. */
export interface Part {
  readonly from: number;
  readonly below: number;
  readonly placed: boolean;
}

interface Sought {
  readonly tag: string;
  readonly wanted: Wanted;
  /** Days before `through` are summed up; of those before `only` the hours are gone. Milliseconds. */
  readonly days: { readonly through: number; readonly only: number };
}

type Wanted = readonly (readonly [column: NameColumn, values: readonly string[]])[];

/**
 * Tells in which hours a search can find anything: two filters may each let many exchanges through and no exchange
 * both, and to see that in the log is to walk through all of it. The sums of an hour know which combinations it had.
 */
export class HourFinder {
  readonly #raw: DatabaseSync;
  readonly #state: StatementSync;
  readonly #oldest: StatementSync;
  readonly #firstDay: StatementSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(raw: DatabaseSync) {
    this.#raw = raw;
    this.#state = raw.prepare(
      'SELECT hours_through AS through, days_through AS days, hours_from AS pruned, placed_from AS placed FROM ingest_state',
    );
    this.#firstDay = raw.prepare("SELECT min(hour) AS day FROM rollup_days WHERE tag_name = ''");
    this.#oldest = raw.prepare('SELECT min(seq) AS seq FROM exchanges');
  }

  /** The stretches of `[from, below)` worth looking into, the newest first. */
  *parts(filter: ExchangeFilter, from: number, below: number): Generator<Part> {
    const state = this.#state.get();
    const placed = firstPlace(Number(state?.['placed'] ?? 0));
    const through = firstPlace(Number(state?.['through'] ?? 0));
    const days = { through: Number(state?.['days'] ?? 0), only: Number(state?.['pruned'] ?? 0) };
    const wanted = wantedNames(filter);
    const tag = filter.tag?.name === undefined ? '' : cut(filter.tag.name);
    const oldest = Number(this.#oldest.get()?.['seq'] ?? Number.MAX_SAFE_INTEGER);
    const lowest = Math.max(from, placed, oldest);
    // What is summed up already, and about two names or more; else the log is as good.
    const names = wanted.length + (filter.tag !== undefined && filter.tag.value === undefined ? 1 : 0);
    const known = names < 2 ? lowest : Math.max(lowest, Math.min(below, through));
    yield* part(known, below, true);
    // The log may reach further back than the sums do.
    const summed = days.only === 0 ? 0 : firstPlace(Number(this.#firstDay.get()?.['day'] ?? days.only));
    const unsummed = Math.min(known, Math.max(lowest, summed));
    if (known > unsummed) {
      for (const span of this.#spansWith({ tag, wanted, days }, { from: unsummed, below: known })) {
        const [begin, end] = [firstPlace(span.from), firstPlace(span.to)];
        yield* part(Math.max(begin, unsummed), Math.min(end, known), true);
      }
    }
    yield* part(lowest, unsummed, true);
    yield* part(Math.max(from, oldest), Math.min(below, placed), false);
  }

  /** Day by day: most days have none of it, and hours are looked into only where the day has, and as far as is read. */
  *#spansWith(
    { tag, wanted, days }: Sought,
    { from, below }: Omit<Part, 'placed'>,
  ): Generator<{ readonly from: number; readonly to: number }> {
    const cube = cubeWith(new Set(wanted.map(([column]) => column)), tag);
    if (cube === undefined) throw new Error('No cube has all the names the log is searched by.');
    const statement = this.#statement(cube, tag !== '', wanted);
    const values = (folded: boolean) =>
      wanted.flatMap(([column, names]) =>
        folded && column === 'tag_value' ? names.map(() => OVERFLOW) : names,
      );
    // A tag may have been one too many in its hour.
    const variants = [[tag, ...values(false)], ...(tag === '' ? [] : [[OVERFLOW, ...values(true)]])];
    const lowest = hourAt(from);
    const end = hourAt(below - 1) + HOUR_MS;
    for (let day = dayOf(end - HOUR_MS); day + DAY_MS > lowest; day -= DAY_MS) {
      const whole = day + DAY_MS <= days.through;
      const ofDay = JSON.stringify([day]);
      const live = whole
        ? variants.filter((values) => statement.get(ofDay, cube + BY_DAY, ...values) !== undefined)
        : variants;
      if (live.length > 0 && day + DAY_MS <= days.only) {
        yield { from: day, to: day + DAY_MS };
        continue;
      }
      const hours = JSON.stringify(hoursOf(Math.max(day, lowest), Math.min(day + DAY_MS, end)));
      const found = live.flatMap((values) => statement.all(hours, cube, ...values));
      const starts = new Set(found.map(({ hour }) => Number(hour)));
      for (const hour of [...starts].sort((left, right) => right - left)) {
        yield { from: hour, to: hour + HOUR_MS };
      }
    }
  }

  #statement(cube: number, tagged: boolean, wanted: Wanted): StatementSync {
    // Values one by one, and names the cube has not too: so the index leads straight to the rows.
    const empty = NAME_COLUMNS.filter((name) => !(name === 'tag_value' ? tagged : knows(cube, name)));
    const conditions = [
      ...wanted.map(([column, names]) => `AND ${column} IN (${names.map(() => '?').join()})`),
      ...empty.map((column) => `AND ${column} = ''`),
    ].join(' ');
    let statement = this.#statements.get(conditions);
    if (statement === undefined) {
      statement = this.#raw.prepare(
        `SELECT h.value AS hour FROM json_each(?) h WHERE EXISTS (
           SELECT 1 FROM rollup_cubes WHERE cube = ? AND tag_name = ? AND hour = h.value ${conditions})`,
      );
      if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
      this.#statements.set(conditions, statement);
    }
    return statement;
  }
}

function* part(from: number, below: number, placed: boolean): Generator<Part> {
  if (from < below) yield { from, below, placed };
}

function hourAt(place: number): number {
  const at = Math.floor(place / firstPlace(1));
  return at - (at % HOUR_MS);
}

function dayOf(hour: number): number {
  return hour - (hour % DAY_MS);
}

function hoursOf(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, (to - from) / HOUR_MS) }, (_, index) => from + index * HOUR_MS);
}

/** What the rollups know of a filter, with the names under which they sum up what was too much. */
function wantedNames({ keyId, model, provider, tag, teamId, extent }: ExchangeFilter): Wanted {
  const wanted: [NameColumn, readonly string[]][] = [];
  if (keyId !== undefined) wanted.push(['key_id', [keyId]]);
  if (model !== undefined) wanted.push(['model', [cut(model), OVERFLOW, UNKNOWN_MODEL]]);
  if (provider !== undefined) wanted.push(['provider', [provider]]);
  if (teamId !== undefined) wanted.push(['team_id', [teamId]]);
  const { tenant, within } = extent ?? { tenant: 'every' };
  if (tenant !== 'every' && tenant.organizationId !== DEFAULT_ORGANIZATION_ID) {
    wanted.push(['organization_id', [tenant.organizationId]]);
  }
  if (within !== undefined && within.ownerId === undefined) wanted.push(['team_id', within.teamIds]);
  return tag?.value === undefined ? wanted : [...wanted, ['tag_value', [cut(tag.value), OVERFLOW]]];
}
