import { dirname } from 'node:path';
import { createEnvelope } from '../../src/adapters/secret-box/envelope.ts';
import { openKeyring } from '../../src/adapters/secret-box/keyring.ts';
import { openMasterKeys } from '../../src/adapters/secret-box/master-keys.ts';
import { createAuditStore } from '../../src/adapters/sqlite/audit-store.ts';
import { createKeyringStore } from '../../src/adapters/sqlite/credential-store.ts';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { createSettingStore } from '../../src/adapters/sqlite/small-stores.ts';
import { systemClock } from '../../src/adapters/system/clock.ts';
import { AuditLog } from '../../src/control/audit.ts';
import type { Store } from '../../src/ports/store.ts';

// Another process on the same database: appends as many entries to the audit log as it is told to, some at a time.

const [path = '', count = '0', name = 'child'] = process.argv.slice(2);
const { raw, typed } = await openDatabase(path);
const masters = openMasterKeys(dirname(path));
const secrets = await openKeyring({
  store: createKeyringStore(raw),
  envelope: createEnvelope(masters),
  master: masters.current().bytes,
  inUse: async () => true,
  now: Date.now(),
});
const store = { audit: createAuditStore(typed), settings: createSettingStore(typed) } as unknown as Store;
const audit = new AuditLog({ store, secrets, clock: systemClock });
const AT_ONCE = 8;
let failed = 0;
for (let done = 0; done < Number(count); done += AT_ONCE) {
  const some = Array.from({ length: Math.min(AT_ONCE, Number(count) - done) }, (_, index) =>
    audit
      .append({ actor: name, address: '' }, { action: 'child.entry', target: `${done + index}`, details: {} })
      .catch((error: unknown) => {
        process.stderr.write(`${String((error as { cause?: unknown }).cause)}\n`);
        failed += 1;
      }),
  );
  await Promise.all(some);
}
process.stdout.write(`${failed}\n`);
raw.close();
