import { join } from 'node:path';
import { cutToml, joinToml, setTable, setTopLine, tableLinesOf, tomlString, topLine } from './toml-text.ts';
import type { GatewayFacts, SettingsFile, Tool } from './tool.ts';

/** Names of built-in providers (`openai`, `ollama`, …) are refused by Codex. */
const PROVIDER = 'sluice';
const TABLE = `model_providers.${PROVIDER}`;
/** Where a single start takes the key from. */
const VARIABLE = 'SLUICE_KEY';
/** Tells our lines from those the user writes later: only ours are taken away again. */
const MARK = '# by `sluice configure`';

/** The responses API is the only one Codex speaks. */
function providerLines({ url, key }: GatewayFacts): readonly string[] {
  return [
    `[${TABLE}]`,
    'name = "Sluice"',
    `base_url = ${tomlString(`${url}/v1`)}`,
    'wire_api = "responses"',
    // In the file and not in a variable, so that the desktop app and editors, which no shell starts, have it too.
    `experimental_bearer_token = ${tomlString(key)}`,
  ];
}

function config(path: string): SettingsFile {
  return {
    path,
    apply(text, facts) {
      let parts = cutToml(text);
      if (facts.model !== undefined)
        parts = setTopLine(parts, 'model', `model = ${tomlString(facts.model)} ${MARK}`);
      parts = setTopLine(parts, 'model_provider', `model_provider = ${tomlString(PROVIDER)} ${MARK}`);
      return joinToml(setTable(parts, TABLE, providerLines(facts)));
    },
    remove(text, before) {
      const earlier = cutToml(before);
      let parts = setTable(cutToml(text), TABLE, tableLinesOf(earlier, TABLE));
      for (const name of ['model', 'model_provider']) {
        if (topLine(parts, name)?.endsWith(MARK) === true)
          parts = setTopLine(parts, name, topLine(earlier, name));
      }
      const left = joinToml(parts);
      return left.trim() === '' ? '' : `${left.trimEnd()}\n`;
    },
    keyIn(text) {
      const line = tableLinesOf(cutToml(text), TABLE)?.find((one) =>
        /^\s*experimental_bearer_token\s*=/.test(one),
      );
      return /=\s*"([^"\\]*)"/.exec(line ?? '')?.[1];
    },
  };
}

/** Codex: a model provider of its user configuration, as its configuration reference describes. */
export const CODEX: Tool = {
  name: 'codex',
  title: 'Codex',
  program: 'codex',
  install: 'npm install -g @openai/codex',
  simulated: 'sim/responses',
  files(environment, home) {
    return [config(join(environment['CODEX_HOME'] || join(home, '.codex'), 'config.toml'))];
  },
  launch({ url, key, model }) {
    const settings = [
      `model_provider=${tomlString(PROVIDER)}`,
      `${TABLE}.name="Sluice"`,
      `${TABLE}.base_url=${tomlString(`${url}/v1`)}`,
      `${TABLE}.wire_api="responses"`,
      `${TABLE}.env_key=${tomlString(VARIABLE)}`,
      ...(model === undefined ? [] : [`model=${tomlString(model)}`]),
    ];
    return {
      environment: { [VARIABLE]: key },
      unset: [],
      argv: settings.flatMap((setting) => ['-c', setting]),
    };
  },
};
