// `npm start`: install, build what is missing, run.
import { join } from 'node:path';
import { NODE_FLAGS } from '../bin/node-flags.mjs';
import { become, ensureBuilt, ensureInstalled, nodeBinary, root } from './bootstrap.mjs';

await ensureInstalled('run');
await ensureBuilt();
become(nodeBinary(), [...NODE_FLAGS, join(root, 'bin/sluice'), 'start', ...process.argv.slice(2)]);
