// `npm run faults`: sets itself up, then tries every fault of an upstream in every dialect. What and how: docs/reliability.md.
import { become, ensureInstalled, nodeBinary, root } from './bootstrap.mjs';

await ensureInstalled('all');
become(nodeBinary(), [`${root}test/faults/main.ts`, ...process.argv.slice(2)]);
