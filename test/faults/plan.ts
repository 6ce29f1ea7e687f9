import { CASES, type FaultCase, LEAVES, type LeaveCase } from './cases.ts';
import { DIALECTS, type Dialect } from './dialects.ts';
import { FORMATS, type UpstreamFormat } from './stand.ts';

/** One square of the matrix. */
export interface Cell {
  readonly id: string;
  readonly dialect: Dialect;
  readonly format: UpstreamFormat;
  readonly stream: boolean;
  readonly what:
    | { readonly kind: 'direct' | 'failover'; readonly fault: FaultCase }
    | { readonly kind: 'leave'; readonly leave: LeaveCase };
  /** The model a client asks for. */
  readonly model: string;
  /** The model's name as the faulty upstream logs it. */
  readonly loggedAs: string;
  /** For people: `F8 cut · Gemini ← ollama · stream · failover`. */
  readonly title: string;
}

/** What to run. */
export interface Selection {
  /** Every upstream format with every dialect, instead of each dialect's own and one other. */
  readonly full: boolean;
  /** Names of faults, groups, dialects or formats; empty: all. */
  readonly only: readonly string[];
  /** Every fault once in each of its kinds, over changing dialects and formats. */
  readonly sample: boolean;
}

/** The other format that a dialect is tried with by default. */
const OTHER: Readonly<Record<string, string>> = {
  'openai-chat': 'anthropic-messages',
  'openai-responses': 'openai-chat',
  'anthropic-messages': 'gemini',
  gemini: 'bedrock-converse',
};

function formatsFor(dialect: Dialect, full: boolean): readonly UpstreamFormat[] {
  return FORMATS.filter(
    ({ id }) => canReach(dialect, id) && (full || id === dialect.id || id === OTHER[dialect.id]),
  );
}

/** See {@link FORMATS}. */
function canReach(dialect: Dialect, format: string): boolean {
  return format !== 'openai-responses' || dialect.id === format;
}

/** A mid-stream fault strikes before any content when somebody else is to take over. */
function failoverAsk(ask: string): string {
  return ask.replace(',at=50', ',at=0');
}

class Planner {
  readonly #cells: Cell[] = [];
  readonly #accounts = new Map<string, number>();
  #serial = 0;

  /** A credential that rests is to be missed by nobody else: failover cells take one of their own. */
  #account(family: string, kind: 'direct' | 'failover'): string {
    if (kind === 'direct') return 'a0';
    const next = (this.#accounts.get(family) ?? 0) + 1;
    this.#accounts.set(family, next);
    return `a${next}`;
  }

  add(place: Pick<Cell, 'dialect' | 'format' | 'stream' | 'what'>): void {
    const { what, format, dialect, stream } = place;
    const id = `c${++this.#serial}`;
    let word = 'd';
    let ask = '';
    let name = '';
    if (what.kind === 'leave') {
      ({ ask } = what.leave);
      name = `F14 ${what.leave.name}`;
    } else {
      const { fault, kind } = what;
      if (fault.deadEnd !== undefined) word = fault.deadEnd.replace('_', '');
      else if (fault.heavy === true) word = 'h';
      else if (fault.account === true) word = this.#account(format.family, kind);
      if (kind === 'failover') word += 'x';
      ask = kind === 'failover' ? failoverAsk(fault.ask ?? '') : (fault.ask ?? '');
      name = `${fault.group} ${fault.name}`;
    }
    const loggedAs = `${format.family}-${word}-${id}`;
    const suffix = what.kind === 'failover' ? ' · failover' : '';
    const title = `${name} · ${dialect.id} ← ${format.id} · ${stream ? 'stream' : 'whole'}${suffix}`;
    this.#cells.push({ ...place, id, model: ask === '' ? loggedAs : `${loggedAs}~${ask}`, loggedAs, title });
  }

  get cells(): readonly Cell[] {
    return this.#cells;
  }
}

/** Whether there is a moment before the first content at which somebody else can take over. */
function canFailOver(fault: FaultCase, stream: boolean): boolean {
  if (fault.sound === true || fault.final === true) return false;
  // An answer above the size limit would most likely be as large elsewhere; it is not asked for again.
  const isTooLarge = ['huge', 'tiny', 'endless', 'huge-event'].includes(fault.name);
  const isGood = (stream ? fault.stream : fault.whole).kind === 'good';
  const isAfterContent = stream && fault.poisons === true && fault.name !== 'cl-te';
  return !isTooLarge && !isGood && !isAfterContent;
}

function planAll(full: boolean, planner: Planner): void {
  for (const dialect of DIALECTS) {
    for (const format of formatsFor(dialect, full)) {
      for (const stream of [true, false]) {
        const place = { dialect, format, stream };
        for (const fault of CASES) {
          planner.add({ ...place, what: { kind: 'direct', fault } });
          if (canFailOver(fault, stream)) planner.add({ ...place, what: { kind: 'failover', fault } });
        }
        for (const leave of LEAVES) {
          if (leave.streams.includes(stream)) planner.add({ ...place, what: { kind: 'leave', leave } });
        }
      }
    }
  }
}

/** Every fault in a stream and in a whole answer, over all dialects and formats in turn. */
function planSample(planner: Planner): void {
  const pairs = DIALECTS.flatMap((dialect) =>
    formatsFor(dialect, true).map((format) => ({ dialect, format })),
  );
  let turn = 0;
  const next = () => {
    const pair = pairs[(turn++ * 7) % pairs.length];
    if (pair === undefined) throw new Error('nothing to plan with');
    return pair;
  };
  for (const fault of CASES) {
    for (const stream of fault.heavy === true ? [true] : [true, false]) {
      planner.add({ ...next(), stream, what: { kind: 'direct', fault } });
    }
    if (canFailOver(fault, true)) planner.add({ ...next(), stream: true, what: { kind: 'failover', fault } });
  }
  for (const leave of LEAVES) {
    for (const stream of leave.streams) planner.add({ ...next(), stream, what: { kind: 'leave', leave } });
  }
}

function wanted(cell: Cell, only: readonly string[]): boolean {
  if (only.length === 0) return true;
  const fault = cell.what.kind === 'leave' ? undefined : cell.what.fault;
  const names: (string | undefined)[] = [
    fault?.name ?? (cell.what.kind === 'leave' ? cell.what.leave.name : undefined),
    fault?.group ?? 'F14',
    cell.dialect.id,
    cell.format.id,
    cell.stream ? 'stream' : 'whole',
    cell.what.kind,
  ];
  // Words joined by + must hold together: `cut+gemini`.
  return only.some((word) => word.split('+').every((part) => names.includes(part)));
}

/** The cells of a run, in order. */
export function planCells({ full, only, sample }: Selection): readonly Cell[] {
  const planner = new Planner();
  if (sample) planSample(planner);
  else planAll(full, planner);
  return planner.cells.filter((cell) => wanted(cell, only));
}
