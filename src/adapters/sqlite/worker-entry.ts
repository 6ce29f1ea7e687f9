/**
 * Where the worker's program is: beside this file while Node runs the sources, beside the bundle once they are built
 * into one (the build writes `sqlite-worker.mjs` from `worker.ts`).
 */
export function workerEntry(here: string = import.meta.url): URL {
  const name = new URL(here).pathname.endsWith('.ts') ? './worker.ts' : './sqlite-worker.mjs';
  return new URL(name, here);
}
