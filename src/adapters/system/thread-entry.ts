/** Set by the tests: a folder with the threads' programs in plain JavaScript (see test/support/programs.mjs). */
const FOLDER = 'SLUICE_THREADS';

/**
 * Where the program of a thread is: `worker.ts` beside the module that asks while Node runs the sources, `<name>.mjs` beside
 * the bundle once they are built into one.
 *
 * Node strips types with a WebAssembly module in every thread, and V8 can abort the process when such modules come and go
 * (nodejs/node#64500). One gateway starts a thread or two and keeps them; the tests start thousands, so they give the
 * programs in plain JavaScript.
 *
 * @param name the program's name in the bundle.
 * @param here `import.meta.url` of the module that asks.
 */
export function threadEntry(name: string, here: string): URL {
  if (!new URL(here).pathname.endsWith('.ts')) return new URL(`./${name}.mjs`, here);
  const folder = process.env[FOLDER];
  return folder === undefined ? new URL('./worker.ts', here) : new URL(`${name}.mjs`, folder);
}
