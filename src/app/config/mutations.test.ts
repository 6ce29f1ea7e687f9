// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax under test.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadConfig } from './load.ts';
import { formatProblem } from './paths.ts';

const SECRETS = ['plain-secret-4711', 'environment-secret-0815', 'header-secret-2323', 'password-9999'];
const ENVIRONMENT = { OPENAI_API_KEY: 'environment-secret-0815' };
const VALID = `version: 1
server:
  host: 127.0.0.1
  port: 4100
  max_body_mb: 32
storage:
  url: "postgres://user:password-9999@db.example/sluice"
providers:
  openai:
    api_key: "\${OPENAI_API_KEY}"
    timeouts: { connect_ms: 2000, total_ms: 600000 }
    limits:
      rpm: 500
      concurrency: 50
  anthropic:
    api_key: "plain-secret-4711"
    headers: { x-extra: "header-secret-2323" }
models:
  gpt-4o:
    deployments:
      - { provider: "openai", model: "gpt-4o", weight: 3 }
      - provider: "anthropic"
        model: "other"
    strategy: "weighted"
    retries: { attempts: 2, backoff_ms: 200 }
    fallbacks: ["claude"]
  claude:
    deployments: ["anthropic/claude-sonnet-4-5"]
guardrails:
  - name: "pii"
    type: "pii"
    action: "redact"
log:
  content: "metadata"
  retention_days: 30
`;

type Mutation = readonly [name: string, text: string];

/** Every place where one of these mistakes can be made in the file, each made alone. */
function mutations(): Mutation[] {
  const lines = VALID.trimEnd().split('\n');
  const out: Mutation[] = [];
  const put = (name: string, at: number, replaced: string) =>
    out.push([`${name}, line ${at + 1}`, lines.with(at, replaced).join('\n')]);
  for (const [at, line] of lines.entries()) {
    const key = /^( *)(?:- )?([a-z_]+):/.exec(line);
    const [indent = '', name = ''] = key === null ? [] : [key[1], key[2]];
    const isFree = /^ {2}(openai|anthropic|claude):|gpt-4o:$/.test(line);
    for (const quote of line.matchAll(/"/g))
      put('dropped quote', at, line.slice(0, quote.index) + line.slice(quote.index + 1));
    for (const bracket of line.matchAll(/[[\]{}](?![A-Z])(?<!\$\{)(?<![A-Z]\})/g)) {
      put('dropped bracket', at, line.slice(0, bracket.index) + line.slice(bracket.index + 1));
    }
    for (const number of line.matchAll(/: (\d+)(?=[,} ]|$)/g)) {
      put('text for a number', at, line.replace(number[0], ': many'));
      put('negative number', at, line.replace(number[0], ': -7'));
      put('list for a number', at, line.replace(number[0], ': [1]'));
    }
    if (key === null) continue;
    if (indent !== '' && !line.includes('- ')) put('one space more', at, ` ${line}`);
    if (indent !== '') put('tab for spaces', at, line.replace(/^ +/, '\t'));
    if (!isFree) put('unknown key', at, line.replace(`${name}:`, `${name}x:`));
    if (!line.includes('- ')) put('key given twice', at, `${line}\n${indent}${name}: 1`);
    if (!line.includes('- '))
      put(
        'no space after the colon',
        at,
        line.endsWith(':') ? line.replace(':', '') : line.replace(': ', ':'),
      );
    if (/: \S/.test(line)) put('no value', at, line.slice(0, line.indexOf(':') + 1));
  }
  return out;
}

/** The only key of its map may be indented as one likes. */
const LAWFUL = new Set(['one space more, line 7', 'one space more, line 28']);

describe('mutations of a valid file', () => {
  it('starts from a valid file', () => {
    expect(loadConfig({ text: VALID, environment: ENVIRONMENT }).problems.map(formatProblem)).toEqual([]);
  });

  const all = mutations().filter(([name]) => !LAWFUL.has(name));
  it('makes at least 100 of them', () => expect(all.length).toBeGreaterThanOrEqual(100));

  it.each(all)('%s', (_, text) => {
    const { config, problems } = loadConfig({ text, environment: ENVIRONMENT });
    expect(config).toBeUndefined();
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) {
      expect(problem.path).not.toBe('');
      expect(problem.line).toBeGreaterThan(0);
      expect(problem.column).toBeGreaterThan(0);
      expect(problem.remedy.length).toBeGreaterThan(5);
      const shown = formatProblem(problem);
      for (const secret of SECRETS) expect(shown).not.toContain(secret);
    }
  });
});

describe('any text', () => {
  const word = fc.constantFrom(
    'a',
    ' ',
    '\n',
    '\n  ',
    ':',
    ': ',
    '"',
    "'",
    '{',
    '}',
    '[',
    ']',
    '${',
    '${X}',
    '- ',
    '#',
    '&a',
    '*a',
    '!',
    '|',
    '\t',
    'server',
    'port',
    '1',
    '__proto__',
    '<<',
  );
  it('never makes the loader throw', () => {
    const check = (text: string) => {
      const { config, problems } = loadConfig({ text, environment: {} });
      expect(config === undefined).toBe(problems.length > 0);
    };
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 30 }).map((words) => words.join('')),
        check,
      ),
      { numRuns: 400 },
    );
    const cut = fc.tuple(fc.nat(VALID.length), fc.nat(40), word);
    const edit = ([at, length, put]: [number, number, string]) =>
      VALID.slice(0, at) + put + VALID.slice(at + length);
    fc.assert(fc.property(cut.map(edit), check), { numRuns: 200 });
  });

  it('never shows a secret, whatever is cut out of the file', () => {
    const cut = fc.tuple(fc.nat(VALID.length), fc.nat(12));
    fc.assert(
      fc.property(cut, ([at, length]) => {
        const text = VALID.slice(0, at) + VALID.slice(at + length);
        const { problems, warnings } = loadConfig({ text, environment: ENVIRONMENT });
        const shown = [...problems, ...warnings].map(formatProblem).join('\n');
        for (const secret of SECRETS) expect(shown).not.toContain(secret);
      }),
      { numRuns: 500 },
    );
  });
});
