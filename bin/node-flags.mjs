/**
 * What a gateway process is run with. Most of a request's objects die at once: a young generation of three times 8 MB holds
 * them as well as one of three times 32 MB, which is all that node would let it grow to (docs/decisions, "Young generation").
 */
export const NODE_FLAGS = ['--max-semi-space-size=8'];
