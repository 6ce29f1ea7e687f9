import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { createProgram } from './program.ts';
import type { Terminal } from './terminal.ts';
import { examplesOf } from './verb.ts';

const terminal = {
  environment: {},
  paint: (_style, text) => text,
  print: () => undefined,
  complain: () => undefined,
} as Partial<Terminal> as Terminal;

function leaves(verb: Command): readonly Command[] {
  return verb.commands.length === 0 ? [verb] : verb.commands.flatMap(leaves);
}

function pathOf(verb: Command): string {
  return verb.parent === null ? verb.name() : `${pathOf(verb.parent)} ${verb.name()}`;
}

const VERBS = leaves(createProgram(terminal)).filter((verb) => verb.name() !== 'help');

test.each(VERBS.map((verb) => [pathOf(verb), verb] as const))(
  '%s takes --json and shows an example',
  (path, verb) => {
    expect(verb.options.map(({ long }) => long)).toContain('--json');
    expect(examplesOf(verb).length).toBeGreaterThan(0);
    for (const line of examplesOf(verb)) expect(line).toMatch(/^(?:[A-Z_]+=\S+ )?(?:\S.* \| )?sluice /);
    expect(examplesOf(verb).some((line) => line.includes(path))).toBe(true);
    expect(verb.description()).not.toBe('');
  },
);

test('the verbs of the surface are there', () => {
  const paths = new Set(VERBS.map(pathOf));
  const wanted =
    'start|init|check|status|doctor|service install|service uninstall|service status|autostart on|autostart off|autostart status|keys create|keys list|keys show|keys rotate|keys block|keys revoke|budget set|budget status|usage|logs|models|cache stats|cache list|cache clear|route explain|simulate|launch|configure|import|export|apply';
  for (const verb of wanted.split('|')) expect(paths).toContain(`sluice ${verb}`);
});
