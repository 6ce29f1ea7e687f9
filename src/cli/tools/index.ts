import { homedir } from 'node:os';
import { badUsage } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { CLAUDE } from './claude.ts';
import { CODEX } from './codex.ts';
import { GEMINI } from './gemini.ts';
import type { Tool } from './tool.ts';

const TOOLS: readonly Tool[] = [CLAUDE, CODEX, GEMINI];

/** The tool of a name. Throws `bad_usage`. */
export function findTool(name: string): Tool {
  const found = TOOLS.find((tool) => tool.name === name);
  if (found !== undefined) return found;
  throw badUsage(`"${name}" is no tool that is known here; take claude, codex or gemini.`);
}

/** Whose settings are meant. */
export function homeOf(terminal: Terminal): string {
  return terminal.environment['HOME'] || homedir();
}

/** The model a tool shall ask for: the one named, the simulator's where there is nothing else, else the tool's choice. */
export function modelFor(
  tool: Tool,
  named: string | undefined,
  models: readonly string[],
): string | undefined {
  if (named !== undefined) return named;
  const demo = models.length > 0 && models.every((model) => model.startsWith('sim/'));
  return demo ? tool.simulated : undefined;
}

/** What should be known before the tool asks for a model that is not there; `undefined` when all is well. */
export function modelNotice(
  tool: Tool,
  model: string | undefined,
  models: readonly string[],
): string | undefined {
  if (model !== undefined) {
    return models.includes(model) || models.length === 0
      ? undefined
      : `The key reaches no model that is listed as ${model}; \`sluice models\` shows what there is.`;
  }
  const family = { claude: /claude/i, codex: /gpt|codex|\bo\d/i, gemini: /gemini/i }[tool.name];
  return models.some((one) => family.test(one))
    ? undefined
    : `The key reaches no model that ${tool.title} asks for by itself; name one with --model (\`sluice models\` lists them).`;
}
