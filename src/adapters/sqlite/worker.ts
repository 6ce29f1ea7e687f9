import type { DatabaseSync } from 'node:sqlite';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { SluiceError } from '../../core/errors/error.ts';
import type { JournalPosition } from '../journal/segment.ts';
import { createApprovalStore } from './approval-store.ts';
import { createAttemptStore } from './attempt-store.ts';
import { createAuditStore } from './audit-store.ts';
import { createBudgetStore, createRateRuleStore } from './budget-store.ts';
import { createCredentialStore, createKeyringStore } from './credential-store.ts';
import { type Database, openDatabase } from './database.ts';
import { createExchangeTexts } from './exchanges.ts';
import { toPlain } from './failure.ts';
import { Ingestor, type IngestReport } from './ingest.ts';
import { createKeyStore } from './keys.ts';
import { createLabelStore } from './label-store.ts';
import { takeOverLeft } from './left-behind.ts';
import { createModelHours } from './model-hours.ts';
import { createPlaceStore } from './place-store.ts';
import { createProcessRegister } from './processes.ts';
import type { Call, WorkerMessage, WorkerStart } from './protocol.ts';
import { pruneRollups, type RollupLimits } from './rollup-pruning.ts';
import { sumUpDay, sumUpHour } from './rollups.ts';
import { packMissing } from './session-days.ts';
import { createSharedCounts } from './shared-counts.ts';
import { createSharedSpend } from './shared-spend.ts';
import { createPriceOverrideStore, createSettingStore } from './small-stores.ts';
import { createTurnStore } from './turn-store.ts';
import { createUsageStore } from './usage.ts';

// The thread that owns the database. An operation awaits nothing but the database, which answers within the same turn,
// so each one runs to its end before the next message is looked at; only ingest and pruning give way in between.

/** Summed up per call. */
const MAX_DAYS = 100;
const MAX_HOURS = 24;
const MAX_PACKED = 24;
/** Hours or days deleted per call. */
const MAX_PRUNED = 500;

type Method = (...args: never[]) => Promise<unknown>;
type Nouns = Readonly<Record<string, Readonly<Record<string, Method>>>>;

if (parentPort !== null) {
  await serve(parentPort, workerData as WorkerStart);
}

async function serve(port: MessagePort, start: WorkerStart): Promise<void> {
  const send = (message: WorkerMessage) => port.postMessage(message);
  try {
    const database = await openDatabase(start.databasePath);
    const { journalDirectory: directory, firstSegment, slot = 1 } = start;
    const ingestor = new Ingestor(database.raw, { directory, firstSegment, slot });
    const recovered = ingestor.recover();
    const nouns = nounsOf(database, ingestor, { directory, slot });
    port.on('message', async (call: Call) => {
      if (call.noun === 'worker') {
        await close(port, database);
        return;
      }
      send(await answer(nouns, call));
    });
    send({ kind: 'ready', recovered });
  } catch (error) {
    send({ kind: 'refused', error: toPlain(error) });
    port.close();
  }
}

async function answer(nouns: Nouns, call: Call): Promise<WorkerMessage> {
  try {
    const method = nouns[call.noun]?.[call.method];
    if (method === undefined) {
      throw new SluiceError('internal', 'The storage knows no such operation.');
    }
    return { kind: 'value', id: call.id, value: await method(...(call.args as never[])) };
  } catch (error) {
    return { kind: 'error', id: call.id, error: toPlain(error) };
  }
}

function nounsOf(
  { raw, typed }: Database,
  ingestor: Ingestor,
  own: { readonly directory: string; readonly slot: number },
): Nouns {
  const methods = (store: object) => store as Readonly<Record<string, Method>>;
  return {
    keys: methods(createKeyStore(typed)),
    exchanges: methods(createExchangeTexts(raw)),
    usage: methods({ ...createUsageStore(typed), byModel: createModelHours(raw) }),
    prices: methods(createPriceOverrideStore(typed)),
    settings: methods(createSettingStore(typed)),
    audit: methods(createAuditStore(typed)),
    places: methods(createPlaceStore(typed)),
    budgets: methods(createBudgetStore(raw, own.slot)),
    rateRules: methods(createRateRuleStore(raw)),
    shared: methods(createSharedSpend(raw, own.slot)),
    counts: methods(createSharedCounts(raw, own.slot)),
    processes: methods(createProcessRegister(raw, own.slot, async () => takeOverLeft(raw, own))),
    attempts: methods(createAttemptStore(raw)),
    turns: methods(createTurnStore(raw, own.slot)),
    approvals: methods(createApprovalStore(raw, typed)),
    credentials: methods(createCredentialStore(raw)),
    keyring: methods(createKeyringStore(raw)),
    labels: methods(createLabelStore(raw)),
    ledger: {
      ingest: (target: JournalPosition) => ingest(ingestor, target),
      sumUpDays: (before: number) => sumUpDays(raw, before),
      pruneSums: (limits: RollupLimits) => pruneSums(raw, limits),
      expireHolds: async (before: number) => ingestor.expireHolds(before),
    },
  };
}

/** Batch after batch, with a turn of the event loop between them for questions. */
async function ingest(ingestor: Ingestor, target: JournalPosition): Promise<IngestReport> {
  let rows = 0;
  let damaged = 0;
  for (;;) {
    const { report, done } = ingestor.run(target);
    rows += report.rows;
    damaged += report.damaged;
    if (done) {
      return { rows, damaged, crashed: 0 };
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Day after day, with a turn of the event loop between them for ingest and questions. */
async function sumUpDays(raw: DatabaseSync, before: number): Promise<number> {
  let days = 0;
  while (days < MAX_DAYS && sumUpDay(raw, before)) {
    days += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (let hours = 0; hours < MAX_HOURS && sumUpHour(raw, before); hours += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (let packed = 0; packed < MAX_PACKED && packMissing(raw); packed += 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  return days;
}

/** Hour after hour and day after day that are too old, with a turn of the event loop between them. */
async function pruneSums(raw: DatabaseSync, limits: RollupLimits): Promise<number> {
  let pruned = 0;
  while (pruned < MAX_PRUNED && pruneRollups(raw, limits)) {
    pruned += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return pruned;
}

async function close(port: MessagePort, { raw }: Database): Promise<void> {
  raw.exec('PRAGMA optimize');
  raw.close();
  port.close();
}
