/** Where the worker's program is: beside this file, or beside the bundle as `route-learner.mjs`. */
export function learnerEntry(here: string = import.meta.url): URL {
  const name = new URL(here).pathname.endsWith('.ts') ? './worker.ts' : './route-learner.mjs';
  return new URL(name, here);
}
