// `npm run overload`: sets itself up, then offers ten times what the gateway takes. What and how: docs/guides/reliability.md.
import { become, ensureBuilt, ensureInstalled, nodeBinary, root } from './bootstrap.mjs';

await ensureInstalled('run');
if (process.env.SLUICE_FROM_SOURCE === undefined) await ensureBuilt();
become(nodeBinary(), [`${root}scripts/overload/main.mjs`, ...process.argv.slice(2)]);
