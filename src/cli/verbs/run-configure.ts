import { connect, locate } from '../connect.ts';
import type { Terminal } from '../terminal.ts';
import { clean } from '../text.ts';
import { diffLines } from '../tools/diff.ts';
import { findTool, homeOf, modelFor, modelNotice } from '../tools/index.ts';
import {
  type Change,
  carryOutApply,
  carryOutRemove,
  keyIn,
  planApply,
  planRemove,
} from '../tools/settings-files.ts';
import type { SettingsFile, Tool } from '../tools/tool.ts';
import { findToolKey, keepKey, keptKey, type ToolKey } from '../tools/tool-key.ts';
import { printJson } from '../verb.ts';
import type { ToolOptions } from './tools.ts';

/** A secret as it may stand on a screen. */
function hidden(text: string): string {
  return text.replaceAll(/sk-sluice-[\w-]{6,}/g, (key) => `sk-sluice-…${key.slice(-4)}`);
}

function changeJson({ path, before, after, backup }: Change) {
  return {
    path,
    changed: before !== after,
    backup,
    diff: diffLines(before, after).map(({ mark, text }) => `${mark} ${hidden(text)}`),
  };
}

const COLOURS = { '-': 'red', '+': 'green', ' ': 'dim' } as const;

function printChanges(changes: readonly Change[], terminal: Terminal): void {
  for (const { path, before, after } of changes) {
    terminal.print(clean(before === after ? `${path} stays as it is.` : path));
    for (const { mark, text } of diffLines(before, after))
      terminal.print(terminal.paint(COLOURS[mark], `  ${mark} ${clean(hidden(text))}`));
  }
}

function undo(
  tool: Tool,
  files: readonly SettingsFile[],
  given: { options: ToolOptions; terminal: Terminal },
): void {
  const { options, terminal } = given;
  const changes = files.flatMap((file) => planRemove(file) ?? []);
  const dry = options.dryRun === true;
  if (!dry) changes.forEach(carryOutRemove);
  if (options.json) {
    printJson(terminal, {
      tool: tool.name,
      dry_run: dry,
      undone: changes.length > 0,
      files: changes.map(changeJson),
    });
    return;
  }
  if (changes.length === 0) {
    terminal.print(`${tool.title} was not configured by Sluice; nothing to take back.`);
    return;
  }
  printChanges(changes, terminal);
  terminal.print(
    dry
      ? 'Nothing was written.'
      : `${tool.title} is as it was. Its key still works; \`sluice keys revoke\` ends it.`,
  );
}

const SOURCES: Readonly<Record<ToolKey['source'], string>> = {
  given: 'the key that you gave',
  kept: 'the key that it had before',
  open: 'no key: this gateway is open to this machine',
  new: 'a new virtual key',
};

/** `sluice configure`. Throws `CliFailure`. */
export async function configureTool(name: string, options: ToolOptions, terminal: Terminal): Promise<void> {
  const tool = findTool(name);
  const files = tool.files(terminal.environment, homeOf(terminal));
  if (options.undo === true) return undo(tool, files, { options, terminal });
  const { url, dataDir } = locate(options, terminal);
  const had = files.map(keyIn);
  const key = await findToolKey({
    tool,
    url,
    gateway: () => connect(options, terminal),
    given: options.key ?? terminal.environment['SLUICE_KEY'],
    earlier: [...had, keptKey(dataDir, url, tool)].filter((one) => one !== undefined),
    dryRun: options.dryRun === true,
  });
  if (key.id !== undefined) keepKey(dataDir, { url, tool }, key.key);
  const model = modelFor(tool, options.model, key.models);
  const changes = files.map((file) => planApply(file, { url, key: key.key, model }));
  const dry = options.dryRun === true;
  if (!dry) changes.forEach(carryOutApply);
  const notice = modelNotice(tool, model, key.models);
  if (options.json) {
    return printJson(terminal, {
      tool: tool.name,
      dry_run: dry,
      url,
      key: { source: key.source, id: key.id ?? null },
      model: model ?? null,
      files: changes.map(changeJson),
      notice: notice ?? null,
    });
  }
  printChanges(changes, terminal);
  terminal.print(`${tool.title} ${dry ? 'would ask' : 'asks'} ${url} now, with ${SOURCES[key.source]}.`);
  if (dry) terminal.print('Nothing was written.');
  else if (changes.some((one) => one.before !== one.after))
    terminal.print(`\`sluice configure ${tool.name} --undo\` takes it back; restart the tool if it runs.`);
  if (notice !== undefined) terminal.complain(terminal.paint('yellow', notice));
}
