// `npm run eval:router [-- --quick] [-- --write]`: what the router can do, measured. See docs/router-evaluation.md.
import { become, ensureInstalled, nodeBinary, root } from './bootstrap.mjs';

await ensureInstalled('all');
become(nodeBinary(), [`${root}scripts/eval-router.ts`, ...process.argv.slice(2)]);
