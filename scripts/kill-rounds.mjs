// `npm run kill-rounds`: sets itself up, then kills the gateway a hundred times under load. What and how: docs/performance.md.
import { become, ensureBuilt, ensureInstalled, nodeBinary, root } from './bootstrap.mjs';

await ensureInstalled('run');
if (process.env.SLUICE_FROM_SOURCE === undefined && process.env.SLUICE_PROGRAM === undefined)
  await ensureBuilt();
become(nodeBinary(), [`${root}scripts/endurance/kill-rounds.mjs`, ...process.argv.slice(2)]);
