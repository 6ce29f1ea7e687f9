import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { createKeyStore } from '../../src/adapters/sqlite/keys.ts';
import { createPlaceStore } from '../../src/adapters/sqlite/place-store.ts';

// Another process on the same database: changes one thing and says when.

const [path = '', what, id = ''] = process.argv.slice(2);
const { raw, typed } = await openDatabase(path);
if (what === 'revoke') await createKeyStore(typed).update(id, { revokedAt: Date.now() });
if (what === 'block') await createKeyStore(typed).update(id, { blocked: true });
if (what === 'narrow') {
  await createPlaceStore(typed).update('team', 'every', { id, change: { policy: { models: ['none'] } } });
}
if (what === 'deactivate') {
  await createPlaceStore(typed).update('user', 'every', { id, change: { disabled: true } });
}
process.stdout.write(`${Date.now()}\n`);
raw.close();
