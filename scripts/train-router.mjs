// `npm run train:router`: makes the router's shipped weights anew from ../shared/router. See docs/guides/router-model.md.
import { become, ensureInstalled, nodeBinary, root } from './bootstrap.mjs';

await ensureInstalled('all');
become(nodeBinary(), [`${root}scripts/train-router.ts`, ...process.argv.slice(2)]);
