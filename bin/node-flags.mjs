/**
 * What a gateway process is run with (docs/decisions/0010 and 0015).
 *
 * - `max-semi-space-size`: most of a request's objects die at once, so a young generation of three times 16 MB does as well as one
 *   of three times 32 MB, which is all that node would let it grow to.
 */
const FOR_ANY_NODE = ['--max-semi-space-size=16'];

/**
 * V8's own, which it may rename, so only for the version they were measured with: an unknown one would keep the gateway from starting.
 *
 * - `no-allocation-site-pretenuring`: V8 comes to make some objects of each request in the old generation at once. There they
 *   stay until the next full collection, and until then everything they refer to survives too: a third of all that is allocated.
 * - `v8-pool-size`: one helper thread for each other core instead of always four, which leave the request thread a fifth of a core.
 * - `heap-growing-percent`: the old generation, of the request thread and of storage, may grow by two fifths before it is collected,
 *   not to several times its size: 247 MB instead of 308 after a million requests, at no cost that could be shown.
 * - `no-maglev`, `max-inlined-bytecode-size…`: a request passes many small functions once each. V8 makes middling code of them
 *   before its best and joins little of it; without the former, in larger pieces, and sooner (`adapters/system/tier-up.ts`), a request
 *   takes a fifth less CPU and the process a quarter less memory under load.
 */
const FOR_PINNED = [
  '--no-allocation-site-pretenuring',
  '--heap-growing-percent=40',
  '--v8-pool-size=0',
  '--no-maglev',
  '--max-inlined-bytecode-size=1200',
  '--max-inlined-bytecode-size-cumulative=2400',
];

/** The line of Node that the project brings along. */
export const PINNED = '24.';

/** The flags for a version of Node, such as `24.21.0`. */
export function nodeFlags(version) {
  return version.startsWith(PINNED) ? [...FOR_ANY_NODE, ...FOR_PINNED] : FOR_ANY_NODE;
}
