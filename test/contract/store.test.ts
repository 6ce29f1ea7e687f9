import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../../src/adapters/journal/journal.ts';
import { openSqlite } from '../../src/adapters/sqlite/open.ts';
import { quietLog, systemClock } from './ledger-samples.ts';
import { storeContract } from './store.ts';

storeContract('sqlite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-store-'));
  const journal = openJournal({ directory: join(directory, 'journal'), clock: systemClock });
  const { store, ledger } = await openSqlite({ directory, journal, clock: systemClock, log: quietLog });
  return {
    store,
    ledger,
    async dispose() {
      await ledger.close();
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
});
