import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** DESIGN §2: what each folder of `src/` may import of ours. The same folder is always allowed. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  ports: ['core'],
  formats: ['core'],
  providers: ['core', 'formats'],
  adapters: ['core', 'ports'],
  control: ['core', 'ports'],
  pipeline: ['core', 'ports', 'formats', 'providers'],
  http: ['core', 'ports', 'formats', 'pipeline', 'control'],
  app: ['core', 'ports', 'formats', 'providers', 'adapters', 'control', 'pipeline', 'http'],
  cli: ['control', 'app'],
  main: ['cli'],
};

/** Folders that do no I/O (DESIGN §1.4), and what they must not touch. */
const PURE = ['core', 'formats', 'providers'];
const IMPURE =
  /\b(?:process\.(?:env|argv|exit|hrtime|nextTick|cwd|pid|memoryUsage|std)|Date\.now\(|Math\.random\(|performance\.now\(|setTimeout\(|setInterval\(|fetch\()|from '(?:node:(?!buffer|util)[a-z/_]+|undici|pino|fastify)'/;

/** Longest file, in lines; wire types and tables of data may be longer. */
const MAX_LINES = 400;
const LONG_FILES: ReadonlySet<string> = new Set([]);

interface Source {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
  /** Without `import type`, which is erased and cannot close a cycle at run time. */
  readonly valueImports: readonly string[];
}

function sourcesUnder(folder: string): Source[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !entry.name.endsWith('.test.ts'))
    .map((entry) => {
      const absolute = join(entry.parentPath, entry.name);
      const text = readFileSync(absolute, 'utf8');
      const importsOf = (code: string) =>
        [...code.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map((match) =>
          relative(ROOT, resolve(dirname(absolute), match[1] ?? '')),
        );
      const values = text.replaceAll(/^(?:import|export) type [^;]*;$/gm, '');
      return {
        path: relative(ROOT, absolute),
        text,
        imports: importsOf(text),
        valueImports: importsOf(values),
      };
    });
}

function areaOf(path: string): string {
  const [top = '', area = ''] = path.split('/');
  return top === 'src' ? area.replace(/\.ts$/, '') : top;
}

const sources = sourcesUnder('src');

/** Comments may speak of what code may not do. */
function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/(^|[^:'"`])\/\/.*$/gm, '$1');
}

describe('the house as drawn in DESIGN', () => {
  it('tells nobody to run TypeScript with whatever Node there is', () => {
    const pages = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.md'))
      .filter((path) =>
        /(?<!npx )\bnode scripts\/[\w/-]+\.ts/.test(readFileSync(join(ROOT, 'docs', path), 'utf8')),
      );
    expect(pages).toEqual([]);
  });

  it('imports only downwards', () => {
    const breaches = sources.flatMap(({ path, imports }) => {
      const from = areaOf(path);
      const allowed = MAY_IMPORT[from];
      if (allowed === undefined) return [`${path}: no rule for the folder ${from}`];
      return imports
        .filter(
          (target) =>
            target.startsWith('src/') && areaOf(target) !== from && !allowed.includes(areaOf(target)),
        )
        .map((target) => `${path} imports ${target}`);
    });
    expect(breaches).toEqual([]);
  });

  it('lets no provider import another', () => {
    const breaches = sources
      .filter(({ path }) => path.startsWith('src/providers/') && path.split('/').length === 4)
      .flatMap(({ path, imports }) =>
        imports
          .filter((target) => /^src\/providers\/[^/]+\/./.test(target) && dirname(target) !== dirname(path))
          .filter((target) => !target.startsWith(dirname(path)))
          .map((target) => `${path} imports ${target}`),
      );
    expect(breaches).toEqual([]);
  });

  it('keeps core, formats and providers free of I/O', () => {
    const breaches = sources
      .filter(({ path }) => PURE.includes(areaOf(path)))
      .flatMap(({ path, text }) => {
        const found = IMPURE.exec(withoutComments(text));
        return found === null ? [] : [`${path}: ${found[0]}`];
      });
    expect(breaches).toEqual([]);
  });

  it('has no import cycles', () => {
    const graph = new Map(sources.map(({ path, valueImports }) => [path, valueImports]));
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      const at = trail.indexOf(path);
      if (at >= 0) {
        cycles.push([...trail.slice(at), path].join(' → '));
        return;
      }
      if (done.has(path)) return;
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
      done.add(path);
    };
    for (const path of graph.keys()) visit(path, []);
    expect(cycles).toEqual([]);
  });

  it('names no provider outside its folder', () => {
    const ids = readdirSync(join(ROOT, 'src/providers'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
    const compared = new RegExp(`(?:vendor|provider)(?:\\.id|Id)?\\s*[=!]==\\s*'(?:${ids.join('|')})'`);
    const breaches = sources
      .filter(({ path }) => !path.startsWith('src/providers/'))
      .filter(({ text }) => compared.test(text))
      .map(({ path }) => path);
    expect(breaches).toEqual([]);
  });

  it('keeps files short and the story on one page', () => {
    const long = [...sources, ...sourcesUnder('web/src')]
      .filter(({ path }) => !LONG_FILES.has(path))
      .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
      .filter(({ lines }) => lines > MAX_LINES)
      .map(({ path, lines }) => `${path} has ${lines} lines`);
    expect(long).toEqual([]);
    const story = sources.find(({ path }) => path === 'src/pipeline/chat.ts');
    expect(story?.text.split('\n').length).toBeLessThanOrEqual(71);
  });

  it('lets the portal import nothing of ours but contract and client', () => {
    const breaches = sourcesUnder('web/src').flatMap(({ path, imports }) =>
      imports
        .filter((target) => target.startsWith('src/'))
        .filter((target) => !['src/control/contract.ts', 'src/control/client.ts'].includes(target))
        .map((target) => `${path} imports ${target}`),
    );
    expect(breaches).toEqual([]);
  });

  it('has no default exports, no any, and at most three positional parameters', () => {
    const breaches = sources.flatMap(({ path, text }) => {
      const code = withoutComments(text);
      const found: string[] = [];
      if (/^export default /m.test(code)) found.push(`${path}: default export`);
      for (const match of code.matchAll(/\bfunction\*? \w+(?:<[^(]*>)?\(([^()]*)\)/g)) {
        const count = (match[1] ?? '')
          .split(',')
          .filter((piece) => /^\s*\w+\??\s*:/.test(piece) && !/^\s*this:/.test(piece)).length;
        if (count > 3) found.push(`${path}: ${match[0].slice(0, 60)}`);
      }
      return found;
    });
    expect(breaches).toEqual([]);
  });

  it('stands beside nothing that the repository must not hold', () => {
    expect(existsSync(join(ROOT, 'wire'))).toBe(false);
    expect(existsSync(join(ROOT, 'shared'))).toBe(false);
  });
});
