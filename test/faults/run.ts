import { setTimeout as sleep } from 'node:timers/promises';
import type { ReceivedCall } from '../../src/app/simulator/memory.ts';
import type { FaultCase, LeaveCase } from './cases.ts';
import { type ClientAnswer, callAs } from './client.ts';
import { type Evidence, judgeDirect, judgeFailover, judgeLeave, type LogRow } from './judge.ts';
import type { Cell } from './plan.ts';
import { FORMATS, type Stand, startStand } from './stand.ts';

/** A cell and what is wrong with it. */
export interface Result {
  readonly cell: Cell;
  readonly problems: readonly string[];
  readonly tookMs: number;
}

/** The text that upstreams are asked to repeat: prose with some characters of two to four bytes. */
const TEXT = [
  'A gateway stands between programs and the models they call, and most days nobody notices that it is there.',
  'It passes a question on, waits, and hands the answer back as it was told: “naïve”, 東京, 😀, and all.',
  'The days when it is noticed are those on which a provider is down, or slow, or says one thing and does another.',
  'Then it has to say what went wrong in words that the program understands, and to charge for nothing but what was delivered.',
  'So each of its promises is tried here, one fault at a time, in every dialect that its clients speak.',
].join(' ');

const PROMPT = `Repeat exactly: ${TEXT}`;

/** How long the log and the upstream's own log may take to tell how a call ended. */
const SETTLE_MS = 1500;
/** T13: what the gateway's memory may grow by. */
const MAX_GROWTH_BYTES = 100 * 1024 * 1024;

/** A leave, judged with the parts of a fault that are the same. */
function asFault(leave: LeaveCase): FaultCase {
  const view = { kind: 'cut' } as const;
  return {
    group: 'F14',
    name: leave.name,
    ask: leave.ask,
    expected: leave.expected,
    whole: view,
    stream: view,
  };
}

async function until<Value>(read: () => Promise<Value>, holds: (value: Value) => boolean): Promise<Value> {
  const deadline = Date.now() + SETTLE_MS;
  for (let pause = 5; ; pause = Math.min(pause * 2, 100)) {
    const value = await read();
    if (holds(value) || Date.now() > deadline) return value;
    await sleep(pause);
  }
}

async function gather(
  stand: Stand,
  cell: Cell,
): Promise<{ rows: readonly LogRow[]; calls: readonly ReceivedCall[] }> {
  const calls = await until(
    () => stand.calls(cell.loggedAs),
    (list) => list.every(({ done }) => done),
  );
  const rows = await until(
    async () => (await stand.control.call('listExchanges', { client_request_id: cell.id, limit: 5 })).data,
    (list) => list.length > 0,
  );
  return { rows, calls };
}

function ask(stand: Stand, cell: Cell): Promise<ClientAnswer> {
  const { dialect, model, stream, id, what } = cell;
  const leave = what.kind === 'leave' ? what.leave : undefined;
  return callAs({
    url: stand.url,
    key: stand.key,
    dialect,
    model,
    prompt: PROMPT,
    stream,
    id,
    leaveAfterMs: leave?.afterMs,
    leaveAfterText: leave?.afterText,
  });
}

function judge(cell: Cell, evidence: Evidence): readonly string[] {
  const { what, stream } = cell;
  if (what.kind === 'leave') return judgeLeave(evidence);
  if (what.kind === 'failover') return judgeFailover(evidence);
  return judgeDirect(evidence, stream ? what.fault.stream : what.fault.whole);
}

async function runCell(stand: Stand, cell: Cell): Promise<Result> {
  const startedAt = performance.now();
  const { what, dialect, stream } = cell;
  try {
    const answer = await ask(stand, cell);
    const fault = what.kind === 'leave' ? asFault(what.leave) : what.fault;
    const prefix = what.kind === 'failover' ? '' : (fault.prefix ?? '');
    const evidence: Evidence = {
      fault,
      dialect,
      stream,
      answer,
      ...(await gather(stand, cell)),
      expectedText: prefix + TEXT,
      secrets: stand.secrets,
    };
    return { cell, problems: judge(cell, evidence), tookMs: performance.now() - startedAt };
  } catch (error) {
    return { cell, problems: [`the test broke: ${String(error)}`], tookMs: performance.now() - startedAt };
  }
}

/** A cell with an eye on the gateway's memory. */
async function runWatched(stand: Stand, cell: Cell): Promise<Result> {
  const before = stand.residentBytes();
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, stand.residentBytes());
  }, 20);
  const result = await runCell(stand, cell);
  clearInterval(watch);
  const grown = peak - before;
  if (grown <= MAX_GROWTH_BYTES) return result;
  const problem = `the gateway grew by ${Math.round(grown / 1024 / 1024)} MB`;
  return { ...result, problems: [...result.problems, problem] };
}

/** A leave is timed: another cell, or another program, must not have been in the way both times. */
async function runTimed(stand: Stand, cell: Cell): Promise<Result> {
  const first = await runCell(stand, cell);
  if (first.problems.length === 0) return first;
  const again = { ...cell, id: `${cell.id}b`, loggedAs: `${cell.loggedAs}b` };
  const result = await runCell(stand, { ...again, model: cell.model.replace(cell.loggedAs, again.loggedAs) });
  return { ...result, cell };
}

function isTimed({ what }: Cell): boolean {
  return what.kind === 'leave';
}

function isHeavy({ what }: Cell): boolean {
  return what.kind !== 'leave' && what.fault.heavy === true;
}

/** F12: what came over a connection after it had been poisoned. */
function reused(cells: readonly Cell[], calls: readonly ReceivedCall[]): readonly string[] {
  const poisonous = new Map<string, Cell>();
  for (const cell of cells) {
    if (cell.what.kind !== 'leave' && cell.what.fault.poisons === true) poisonous.set(cell.loggedAs, cell);
  }
  const poisoned = new Map<number, string>();
  const problems: string[] = [];
  for (const { connection, model } of calls) {
    const by = poisoned.get(connection);
    if (by !== undefined) problems.push(`${by}: its connection was used again`);
    const cell = poisonous.get(model);
    if (cell !== undefined) poisoned.set(connection, cell.title);
  }
  return problems;
}

/** What must hold when everything is over. */
async function judgeRun(stand: Stand, cells: readonly Cell[]): Promise<readonly string[]> {
  const problems = [...reused(cells, await stand.allCalls())];
  const budget = await until(
    () => stand.budget(),
    ({ held }) => held === 0,
  );
  if (budget.held !== 0) problems.push(`${budget.held} USD are still held`);
  if (stand.canaryHits() > 0) problems.push(`a redirect was followed ${stand.canaryHits()} times`);
  const live = await fetch(`${stand.url}/health/live`);
  if (live.status !== 200) problems.push('the gateway is not healthy');
  await live.arrayBuffer();
  return problems;
}

/** What a run found. */
export interface Outcome {
  readonly results: readonly Result[];
  /** Problems of the run as a whole. */
  readonly problems: readonly string[];
}

/** Runs cells, `lanes` at a time; those that are timed and those that flood one after the other at the end. */
export async function runCells(
  cells: readonly Cell[],
  lanes: number,
  told: (result: Result) => void,
): Promise<Outcome> {
  const used = new Set(cells.map(({ format }) => format.id));
  const stand = await startStand(FORMATS.filter(({ id }) => used.has(id)));
  const results: Result[] = [];
  const keep = (result: Result): void => {
    results.push(result);
    told(result);
  };
  try {
    const quick = cells.filter((cell) => !isHeavy(cell) && !isTimed(cell));
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let cell = quick[next++]; cell !== undefined; cell = quick[next++])
        keep(await runCell(stand, cell));
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    for (const cell of cells.filter(isTimed)) keep(await runTimed(stand, cell));
    for (const cell of cells.filter(isHeavy)) keep(await runWatched(stand, cell));
    return { results, problems: await judgeRun(stand, cells) };
  } finally {
    await stand.close();
  }
}
