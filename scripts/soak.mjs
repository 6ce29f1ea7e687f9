// `npm run soak`: sets itself up, then keeps mixed traffic up for an hour and watches memory. What and how: docs/performance.md.
import { become, ensureBuilt, ensureInstalled, nodeBinary, root } from './bootstrap.mjs';

await ensureInstalled('run');
if (process.env.SLUICE_FROM_SOURCE === undefined && process.env.SLUICE_PROGRAM === undefined)
  await ensureBuilt();
become(nodeBinary(), [`${root}scripts/endurance/soak.mjs`, ...process.argv.slice(2)]);
