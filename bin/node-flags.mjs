/**
 * What a gateway process is run with (docs/decisions, "Young generation").
 *
 * - `max-semi-space-size`: most of a request's objects die at once, so a young generation of three times 16 MB does as well as one
 *   of three times 32 MB, which is all that node would let it grow to.
 * - `no-allocation-site-pretenuring`: V8 comes to make some objects of each request in the old generation at once. There they
 *   stay until the next full collection, and until then everything they refer to survives too: a third of all that is allocated.
 */
export const NODE_FLAGS = ['--max-semi-space-size=16', '--no-allocation-site-pretenuring'];
