import { join } from 'node:path';
import { type JsonObject, readObject, setAt, valueAt, writeObject } from './json-text.ts';
import type { GatewayFacts, Tool } from './tool.ts';

/** Models Claude Code picks from by itself; one name for all keeps it on a model the gateway has. */
const MODEL_VARIABLES = [
  'ANTHROPIC_MODEL',
  'ANTHROPIC_DEFAULT_OPUS_MODEL',
  'ANTHROPIC_DEFAULT_SONNET_MODEL',
  'ANTHROPIC_DEFAULT_HAIKU_MODEL',
] as const;

/** Sent beside our token it would win, and reach the gateway as a foreign key. */
const RIVAL = 'ANTHROPIC_API_KEY';

function variables({ url, key, model }: GatewayFacts): Readonly<Record<string, string>> {
  return {
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_AUTH_TOKEN: key,
    ...(model === undefined ? {} : Object.fromEntries(MODEL_VARIABLES.map((name) => [name, model]))),
  };
}

const ADDRESS = ['ANTHROPIC_BASE_URL', 'ANTHROPIC_AUTH_TOKEN'] as const;

/** Names whose values are ours: the four models only while all are the same, for nobody else sets them so. */
function oursIn(settings: JsonObject): readonly string[] {
  const models = new Set(MODEL_VARIABLES.map((name) => valueAt(settings, ['env', name])));
  const rival = valueAt(settings, ['env', RIVAL]) === undefined ? [RIVAL] : [];
  return [...ADDRESS, ...(models.size === 1 ? MODEL_VARIABLES : []), ...rival];
}

/**
 * Claude Code: the `env` object of its user settings, as its documentation on LLM gateways describes. It appends
 * `/v1/messages` to the base URL itself, and settings win over the shell's variables.
 */
export const CLAUDE: Tool = {
  name: 'claude',
  title: 'Claude Code',
  program: 'claude',
  install: 'npm install -g @anthropic-ai/claude-code',
  simulated: 'sim/claude',
  files(environment, home) {
    const folder = environment['CLAUDE_CONFIG_DIR'] || join(home, '.claude');
    return [
      {
        path: join(folder, 'settings.json'),
        apply(text, facts) {
          const settings = readObject(text);
          setAt(settings, ['env', RIVAL], undefined);
          for (const [name, value] of Object.entries(variables(facts))) setAt(settings, ['env', name], value);
          return writeObject(settings, text);
        },
        remove(text, before) {
          const settings = readObject(text);
          const earlier = readObject(before);
          for (const name of oursIn(settings))
            setAt(settings, ['env', name], valueAt(earlier, ['env', name]));
          return Object.keys(settings).length === 0 ? '' : writeObject(settings, text);
        },
        keyIn(text) {
          const key = valueAt(readObject(text), ['env', 'ANTHROPIC_AUTH_TOKEN']);
          return typeof key === 'string' ? key : undefined;
        },
      },
    ];
  },
  launch(facts) {
    const environment = variables(facts);
    // Variables of the user's settings win over the shell's; those of a file named at the start win over both.
    const text = `${JSON.stringify({ env: { ...environment, [RIVAL]: '' } }, null, 2)}\n`;
    const settings = { flag: '--settings', name: 'claude-launch.json', text };
    return { environment, unset: [RIVAL], argv: [], settings };
  },
};
