import type { Command } from 'commander';
import type { Terminal } from '../terminal.ts';
import { defineRouteExplain } from './route-explain.ts';
import { defineRouteFeedback, defineRouteReport, defineRouteRollback } from './route-report.ts';
import { defineRouteScore } from './route-score.ts';
import { defineRouteTest } from './route-test.ts';

/** `sluice route …`: what the router thinks, and why. */
export function defineRoute(program: Command, terminal: Terminal): void {
  const route = program
    .command('route')
    .summary('Explain and test what routers decide, and report what they save')
    .description('Explain and test what routers decide, and report what they save.')
    .addHelpText(
      'after',
      '\nExample:\n  $ echo \'{"id":"1","prompt":"Prove that 2 is prime."}\' | sluice route score',
    );
  defineRouteExplain(route, terminal);
  defineRouteScore(route, terminal);
  defineRouteTest(route, terminal);
  defineRouteReport(route, terminal);
  defineRouteFeedback(route, terminal);
  defineRouteRollback(route, terminal);
}
