// `npm start`: install, build what is missing, run.
import { join } from 'node:path';
import { nodeFlags, PINNED } from '../bin/node-flags.mjs';
import { become, ensureBuilt, ensureInstalled, nodeBinary, pinnedNode, root } from './bootstrap.mjs';

await ensureInstalled('run');
await ensureBuilt();
const program = nodeBinary();
const flags = nodeFlags(program === pinnedNode ? PINNED : process.versions.node);
become(program, [...flags, join(root, 'bin/sluice'), 'start', ...process.argv.slice(2)]);
