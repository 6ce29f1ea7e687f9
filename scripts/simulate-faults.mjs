// `npm run simulate-faults`: sets itself up, then runs the gateway in simulated worlds. What and how: docs/guides/simulation.md.
import { become, ensureInstalled, nodeBinary, root } from './bootstrap.mjs';

await ensureInstalled('all');
become(nodeBinary(), [`${root}scripts/simulate-faults.ts`, ...process.argv.slice(2)]);
