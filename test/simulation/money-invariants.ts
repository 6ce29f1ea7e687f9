import { costOf } from '../../src/core/cost/cost.ts';
import type { ExchangeRecord } from '../../src/core/cost/exchange.ts';
import type { Invariants, Seen } from './invariants.ts';
import type { ProviderCall } from './provider.ts';
import type { World } from './world.ts';

function costNano(row: ExchangeRecord | undefined): number {
  return row?.cost?.total ?? 0;
}

/** What requests of a key cost beyond what was held for them: only then may a budget be passed (R2). */
function overshoot(invariants: Invariants, keyId: string): number {
  let sum = 0;
  for (const { hold, record } of invariants.seen.values()) {
    if (hold?.keyId !== keyId || record === undefined) continue;
    sum += Math.max(0, costNano(record) - hold.heldNano);
  }
  return sum;
}

/** After every step: nothing is spent or promised beyond a budget. */
export function checkBudgets(world: World, invariants: Invariants): void {
  const { process, scenario } = world;
  if (process === undefined) return;
  const now = process.clock.now();
  for (const { id, budget } of scenario.keys) {
    if (budget === undefined) continue;
    const view = process.adapters.book.view(id, now);
    if (view === undefined) continue;
    if (view.settledNano < 0 || view.heldNano < 0) invariants.note(`${id}: money below zero`);
    if (budget.action !== 'block') continue;
    const promised = view.settledNano + view.heldNano;
    if (promised <= budget.limitNano) continue;
    const allowed = budget.limitNano + overshoot(invariants, id);
    if (promised > allowed)
      invariants.note(`${id}: ${promised} nano-dollars spent or held, ${allowed} allowed`);
  }
}

/** Two of them were under way at once. */
function overlap(calls: readonly ProviderCall[]): boolean {
  return calls.some((call, index) =>
    calls.slice(index + 1).some(({ facts }) => facts.startedAt < (call.closedAt ?? Infinity)),
  );
}

/** One row: whole, of one exchange, added up right, and within what was held. */
function checkRow(
  world: World,
  invariants: Invariants,
  { row, seen }: { row: ExchangeRecord; seen: Seen },
): void {
  const { mark } = seen;
  const { honest } = world.scenario;
  // With several calls to pay, the row's usage is not that of one of them.
  const calls = invariants.callsOf.get(mark) ?? [];
  const single = (seen.exchange.facts.billed?.length ?? 0) === 0 && !overlap(calls);
  if (single && row.price !== undefined && row.outcome !== 'crashed' && row.cost !== undefined) {
    const owed = costOf(row.usage, row.price.price).total;
    if (costNano(row) !== owed) invariants.note(`request ${mark}: charged ${costNano(row)}, owes ${owed}`);
  }
  if (honest && seen.hold !== undefined && costNano(row) > seen.hold.heldNano)
    invariants.note(
      `request ${mark}: costs ${costNano(row)} nano-dollars, only ${seen.hold.heldNano} were held`,
    );
  const last = calls.at(-1);
  const used = last?.facts.used;
  // Beyond the bounds on drains an answer is given up, and what was not read by then is estimated.
  const gone = world.clients[mark]?.leftAt ?? world.clients[mark]?.droppedAt ?? 0;
  const readMs = (seen.endedAt ?? 0) - gone + 4 * world.scenario.resolutionMs;
  const drained =
    row.outcome === 'abandoned' &&
    readMs < invariants.drainMs(mark) &&
    invariants.mayDrainAll &&
    last?.completed === true;
  if (
    single &&
    (row.outcome === 'answered' || drained) &&
    last !== undefined &&
    used !== undefined &&
    last.facts.script.proper
  ) {
    if (row.usage.input !== used.input || row.usage.output !== used.output)
      invariants.note(
        `request ${mark}: billed ${row.usage.input}+${row.usage.output} tokens, used ${used.input}+${used.output}`,
      );
  }
}

function checkSums(world: World, invariants: Invariants): void {
  const { process, scenario, disk } = world;
  if (process === undefined) return;
  const rows = [...disk.rows.values()];
  const jumped = scenario.incidents.some(({ kind }) => kind === 'clock');
  const redefined = world.crashes > 0 || scenario.incidents.some(({ kind }) => kind === 'reload');
  for (const { id, budget } of scenario.keys) {
    const view = process.adapters.book.view(id, process.clock.now());
    if (budget === undefined || view === undefined) continue;
    if (view.heldNano !== 0) invariants.note(`${id}: ${view.heldNano} nano-dollars are held at the end`);
    const own = rows.filter(({ keyId }) => keyId === id);
    const all = own.reduce((sum, row) => sum + costNano(row), 0);
    const inWindow = own
      .filter((row) => invariants.seen.get(row.id)?.window === invariants.windows.get(id))
      .reduce((sum, row) => sum + costNano(row), 0);
    const exact = budget.window === 'total' || !jumped ? all : redefined ? undefined : inWindow;
    if (exact !== undefined && view.settledNano !== exact)
      invariants.note(`${id}: the budget counts ${view.settledNano} nano-dollars, its rows ${exact}`);
    if (view.settledNano > all) invariants.note(`${id}: the budget counts more than was ever spent`);
  }
}

/** When all is over: one row and one settle for each exchange, and every sum is the sum of its rows. */
export function checkRows(world: World, invariants: Invariants): void {
  const { disk } = world;
  for (const id of disk.twice) invariants.note(`${id}: two rows`);
  if (disk.openHolds > 0) invariants.note(`${disk.openHolds} holds in the journal are never settled`);
  for (const seen of invariants.seen.values()) {
    const { mark, exchange } = seen;
    const known = 'principal' in exchange && exchange.principal !== undefined;
    const row = disk.rows.get(exchange.id);
    if (!seen.killed) {
      if (seen.settles !== (known ? 1 : 0)) invariants.note(`request ${mark}: settled ${seen.settles} times`);
      if (seen.published !== (known ? 1 : 0))
        invariants.note(`request ${mark}: ended ${seen.published} times`);
    }
    if (row === undefined) {
      // What was journalled in the instant of a crash may be lost, but nothing that reached a provider.
      if (invariants.callsOf.has(mark)) invariants.note(`request ${mark}: called a provider and has no row`);
      else if (known && world.crashes === 0) invariants.note(`request ${mark}: has no row`);
      continue;
    }
    checkRow(world, invariants, { row, seen });
  }
  for (const id of disk.rows.keys()) if (!invariants.seen.has(id)) invariants.note(`${id}: a row of nobody`);
  checkSums(world, invariants);
}
