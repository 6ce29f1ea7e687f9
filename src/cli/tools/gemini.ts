import { join } from 'node:path';
import { setVariables, variableIn } from './env-text.ts';
import { readObject, setAt, valueAt, writeObject } from './json-text.ts';
import type { GatewayFacts, SettingsFile, Tool } from './tool.ts';

const OURS = ['GOOGLE_GEMINI_BASE_URL', 'GEMINI_API_KEY', 'GEMINI_MODEL'] as const;

/** Asks Vertex AI, whose paths are others. */
const RIVALS = ['GOOGLE_API_KEY', 'GOOGLE_GENAI_USE_VERTEXAI', 'GOOGLE_GENAI_USE_GCA'] as const;

function variables({ url, key, model }: GatewayFacts): Record<string, string> {
  return {
    GOOGLE_GEMINI_BASE_URL: url,
    GEMINI_API_KEY: key,
    ...(model === undefined ? {} : { GEMINI_MODEL: model }),
  };
}

function dotenv(folder: string): SettingsFile {
  return {
    path: join(folder, '.env'),
    apply: (text, facts) => setVariables(text, variables(facts)),
    remove(text, before) {
      return setVariables(text, Object.fromEntries(OURS.map((name) => [name, variableIn(before, name)])));
    },
    keyIn: (text) => variableIn(text, 'GEMINI_API_KEY'),
  };
}

const AUTH = ['security', 'auth', 'selectedType'];

/** A way to sign in that stands in the settings wins over the variables. */
function settings(folder: string): SettingsFile {
  return {
    path: join(folder, 'settings.json'),
    apply(text) {
      const object = readObject(text);
      if (valueAt(object, AUTH) === 'gemini-api-key') return text;
      setAt(object, AUTH, 'gemini-api-key');
      return writeObject(object, text);
    },
    remove(text, before) {
      const object = readObject(text);
      setAt(object, AUTH, valueAt(readObject(before), AUTH));
      return Object.keys(object).length === 0 ? '' : writeObject(object, text);
    },
  };
}

/**
 * Gemini CLI: `~/.gemini/.env` and the way to sign in of its settings, as its configuration reference describes. It
 * appends `/v1beta/models/…` to the base URL itself.
 */
export const GEMINI: Tool = {
  name: 'gemini',
  title: 'Gemini CLI',
  program: 'gemini',
  install: 'npm install -g @google/gemini-cli',
  simulated: 'sim/gemini',
  files(environment, home) {
    const folder = join(environment['GEMINI_CLI_HOME'] || home, '.gemini');
    return [dotenv(folder), settings(folder)];
  },
  launch: (facts) => ({
    environment: { ...variables(facts), GEMINI_DEFAULT_AUTH_TYPE: 'gemini-api-key' },
    unset: RIVALS,
    argv: [],
  }),
};
