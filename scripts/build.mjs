// `npm run build`: bundle and portal, where their sources changed.
import { ensureBuilt, ensureInstalled } from './bootstrap.mjs';

await ensureInstalled('run');
await ensureBuilt();
