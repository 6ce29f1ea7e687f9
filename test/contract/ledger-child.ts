/**
 * A process to be killed: appends holds and settles without end, and notes in the file `promises` which of them it was
 * told are kept. Arguments: the data directory and a prefix for ids.
 */
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openJournal } from '../../src/adapters/journal/journal.ts';
import { openSqlite } from '../../src/adapters/sqlite/open.ts';
import { exchange, hold, quietLog, systemClock } from './ledger-samples.ts';

const [directory = '', prefix = ''] = process.argv.slice(2);
const journal = openJournal({
  directory: join(directory, 'journal'),
  clock: systemClock,
  segmentBytes: 200_000,
});
const { ledger } = await openSqlite({ directory, journal, clock: systemClock, log: quietLog });
const notes = openSync(join(directory, 'promises'), 'a');
const say = (text: string) => writeSync(notes, `${text}\n`);
process.stdout.write('ready\n');

async function work(worker: number): Promise<void> {
  for (let index = 0; ; index += 1) {
    const id = `exc_${prefix}_${worker}_${index}`;
    await ledger.hold(hold(id));
    say(`H ${id}`);
    await new Promise((resolve) => setTimeout(resolve, (worker + index) % 3));
    await ledger.settle(exchange(id));
    say(`S ${id}`);
  }
}

await Promise.all(Array.from({ length: 24 }, (_, worker) => work(worker)));
