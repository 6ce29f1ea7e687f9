/** Filled in by the bundler; the sources themselves run as `dev`. */
declare const __SLUICE_VERSION__: string | undefined;

/** The version that runs. */
export const VERSION: string = typeof __SLUICE_VERSION__ === 'string' ? __SLUICE_VERSION__ : 'dev';
