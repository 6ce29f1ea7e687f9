// `npm run bench`: sets itself up, then measures. What and how: docs/performance.md.
import { become, ensureBuilt, ensureInstalled, nodeBinary, root } from './bootstrap.mjs';

await ensureInstalled('all');
// Another build is measured as it is.
if (!process.argv.includes('--program') && !process.argv.includes('--help')) await ensureBuilt();
become(nodeBinary(), [`${root}scripts/bench/main.mjs`, ...process.argv.slice(2)]);
