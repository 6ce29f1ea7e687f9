import { fileURLToPath } from 'node:url';

const SOURCES = fileURLToPath(new URL('../../src/', import.meta.url));

/** The function of ours that asked, if it was one. */
function asker(): string | undefined {
  const line = new Error().stack?.split('\n')[3] ?? '';
  const at = line.indexOf(SOURCES);
  if (at < 0) return undefined;
  return line.slice(at + SOURCES.length).replace(/:\d+\)?$/, '');
}

/**
 * While a world runs, nothing under `src/` may set a real timer, read a real clock or draw a real random number: the seed
 * would no longer decide. Returns what puts everything back.
 */
export function forbidRealTime(complain: (what: string) => void): () => void {
  const places: readonly (readonly [object, string])[] = [
    [globalThis, 'setTimeout'],
    [globalThis, 'setInterval'],
    [Date, 'now'],
    [Math, 'random'],
    [performance, 'now'],
  ];
  const restore = places.map(([owner, name]) => {
    const holder = owner as Record<string, (...given: unknown[]) => unknown>;
    const original = holder[name]!;
    const watched = (...given: unknown[]): unknown => {
      const who = asker();
      if (who !== undefined) complain(`${who} uses the real ${name}`);
      return original.apply(owner, given);
    };
    const own = Object.getOwnPropertyDescriptor(owner, name);
    Object.defineProperty(owner, name, { value: watched, configurable: true, writable: true });
    return () => {
      if (own === undefined) Reflect.deleteProperty(owner, name);
      else Object.defineProperty(owner, name, own);
    };
  });
  return () => {
    for (const back of restore) back();
  };
}
