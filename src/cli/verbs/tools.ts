import type { Command } from 'commander';
import { badUsage } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { addVerb, type ConnectionOptions, withConnection } from '../verb.ts';

/** What `launch` and `configure` take. */
export interface ToolOptions extends ConnectionOptions {
  readonly key?: string;
  readonly model?: string;
  readonly dryRun?: boolean;
  readonly undo?: boolean;
}

function withKey(verb: Command): Command {
  return withConnection(verb)
    .argument('<tool>', 'claude, codex or gemini')
    .option(
      '--key <key>',
      'virtual key for the tool (default: $SLUICE_KEY, else one made for it where one is needed)',
    )
    .option('--model <model>', 'model the tool asks for (default: the tool’s own choice)')
    .option('--dry-run', 'only show what would happen');
}

/** `sluice configure` and `sluice launch` */
export function defineTools(program: Command, terminal: Terminal): void {
  withKey(
    addVerb(program, 'configure', {
      summary: 'Point a coding tool at this gateway for good: Claude Code, Codex or Gemini CLI',
      details:
        'Writes its settings file, after a backup beside it; other settings stay. Done twice it changes nothing, and --undo takes it back.',
      examples: [
        'sluice configure claude --dry-run',
        'sluice configure codex --model gpt-4o',
        'sluice configure gemini --undo',
      ],
    }),
  )
    .option('--undo', 'take the settings back to what they were')
    .action(async (name: string, options: ToolOptions) => {
      const { configureTool } = await import('./run-configure.ts');
      return configureTool(name, options, terminal);
    });
  withKey(
    addVerb(program, 'launch', {
      summary: 'Start a coding tool against this gateway once; its settings stay as they are',
      details: 'What follows -- goes to the tool. Ends with the tool’s own exit code.',
      examples: ['sluice launch claude', 'sluice launch codex -- exec "what does this repository do?"'],
    }),
  )
    .argument('[arguments...]', 'for the tool, after --')
    .action(async (name: string, rest: readonly string[], options: ToolOptions) => {
      if (name === '') throw badUsage('Name a tool: claude, codex or gemini.');
      const { launchTool } = await import('./run-launch.ts');
      return launchTool(name, { ...options, rest }, terminal);
    });
}
