// `npm run idle-streams`: sets itself up, then holds 5,000 streams open at once. What and how: docs/performance.md.
import { become, ensureBuilt, ensureInstalled, nodeBinary, root } from './bootstrap.mjs';

await ensureInstalled('run');
if (process.env.SLUICE_FROM_SOURCE === undefined && process.env.SLUICE_PROGRAM === undefined)
  await ensureBuilt();
become(nodeBinary(), [`${root}scripts/endurance/idle-streams.mjs`, ...process.argv.slice(2)]);
