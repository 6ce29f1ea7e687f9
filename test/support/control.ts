import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../../src/adapters/journal/journal.ts';
import { openSecretBox } from '../../src/adapters/secret-box/secret-box.ts';
import { openSqlite } from '../../src/adapters/sqlite/open.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { createSystemRandom } from '../../src/adapters/system/random.ts';
import type { Config } from '../../src/app/config/index.ts';
import { createIdentityHandlers, type Identity, openIdentity } from '../../src/app/identity.ts';
import { BudgetBook } from '../../src/core/policy/budget.ts';
import type { Store } from '../../src/ports/store.ts';

/** The control plane's identity part over a real database, without a server. */
export interface TestControl extends Identity {
  readonly store: Store;
  readonly handlers: ReturnType<typeof createIdentityHandlers>;
  close(): Promise<void>;
}

/** Opens one in a data directory of its own. */
export async function startControl(): Promise<TestControl> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-control-'));
  const clock = systemClock;
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const journal = openJournal({ directory: `${directory}/journal`, clock });
  const { store, ledger } = await openSqlite({ directory, journal, clock, log });
  const ports = {
    store,
    clock,
    log,
    book: new BudgetBook(),
    secrets: openSecretBox(directory),
    random: createSystemRandom(() => clock.now()),
  };
  const identity = await openIdentity({ teams: [], keys: [] } as unknown as Config, ports);
  return {
    ...identity,
    store,
    handlers: createIdentityHandlers(identity, ports),
    async close() {
      identity.watch.close();
      await ledger.close();
      await store.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
