// The programs of the gateway's threads, by the name each has in a bundle.
import { fileURLToPath } from 'node:url';

const source = (path) => fileURLToPath(new URL(`../src/${path}`, import.meta.url));

export const THREADS = {
  'sqlite-worker': source('adapters/sqlite/worker.ts'),
  'route-learner': source('adapters/route-learner/worker.ts'),
};
