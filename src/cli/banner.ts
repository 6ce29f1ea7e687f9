import { clean, type Paint } from './text.ts';

/** What `start` tells, as its one JSON line holds it. */
export interface StartFacts {
  readonly url: string;
  readonly version: string;
  readonly pid: number;
  readonly demo: boolean;
  readonly access_mode: 'open' | 'keys';
  readonly config_path: string | null;
  readonly providers: readonly {
    readonly name: string;
    readonly type: string;
    /** The environment variable it was found by, `reachable` for one that answered on its port; null: configured. */
    readonly found_by: string | null;
  }[];
  readonly keys: number;
  readonly example_model: string;
  /** Opens the portal, once, within ten minutes. */
  readonly sign_in_url: string;
}

/** Providers named one by one up to here; the rest is counted. */
const MAX_PROVIDERS = 8;

/** The request a newcomer can copy, for a POSIX shell. */
export function firstCall(
  facts: Pick<StartFacts, 'url' | 'access_mode' | 'example_model'>,
): readonly string[] {
  const body = JSON.stringify({
    model: facts.example_model,
    messages: [{ role: 'user', content: 'Say hello.' }],
  });
  const key = facts.access_mode === 'keys' ? [`  -H 'authorization: Bearer sk-sluice-…' \\`] : [];
  return [
    `curl ${facts.url}/v1/chat/completions \\`,
    ...key,
    `  -H 'content-type: application/json' \\`,
    `  -d '${clean(body).replaceAll("'", String.raw`'\''`)}'`,
  ];
}

function providerText({ name, found_by }: StartFacts['providers'][number]): string {
  if (found_by === null) return clean(name);
  return `${clean(name)} (${found_by === 'reachable' ? 'answers on its port' : clean(found_by)})`;
}

function providerLine(facts: StartFacts): string {
  const named = facts.providers.slice(0, MAX_PROVIDERS).map(providerText);
  const rest = facts.providers.length - named.length;
  return [...named, ...(rest > 0 ? [`and ${rest} more`] : [])].join(', ');
}

function accessText(facts: StartFacts): string {
  if (facts.access_mode === 'open') return 'open: calls need no virtual key, on this machine only';
  const make = facts.keys === 0 ? '; make one with `sluice keys create NAME`' : '';
  return `keys: calls need a virtual key${make}`;
}

function configText(facts: StartFacts): string {
  if (facts.config_path !== null) return clean(facts.config_path);
  return facts.demo ? 'none; `sluice init` writes one' : 'none; taken from the environment';
}

/** What `start` prints for people. */
export function bannerLines(facts: StartFacts, paint: Paint): readonly string[] {
  const row = (label: string, text: string) => `  ${paint('dim', label.padEnd(10))} ${text}`;
  const demo = facts.demo
    ? [
        '',
        paint('yellow', '  DEMO MODE: no provider key was found, so a built-in simulator answers.'),
        '  Set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY, or run `sluice init`, then start again.',
      ]
    : [];
  return [
    '',
    `  ${paint('bold', `Sluice ${facts.version}`)} listens on ${paint('cyan', facts.url)}`,
    ...demo,
    '',
    ...(facts.demo ? [] : [row('providers', providerLine(facts))]),
    row('access', accessText(facts)),
    row('config', configText(facts)),
    row('portal', paint('cyan', facts.sign_in_url)),
    row('', paint('dim', 'signs in once, within ten minutes; `sluice status --link` prints a new one')),
    '',
    `  ${paint('bold', 'A first call:')}`,
    '',
    ...firstCall(facts),
    '',
  ];
}
