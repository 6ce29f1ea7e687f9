export * from './defaults.ts';
export { environmentConfig } from './environment.ts';
export { type ConfigFlags, type LoadResult, loadConfig } from './load.ts';
export { configHash, maskSecrets } from './mask.ts';
export { formatProblem, type Problem } from './paths.ts';
export type * from './schema.ts';
export { type ConfigWatch, watchConfig } from './watch.ts';
