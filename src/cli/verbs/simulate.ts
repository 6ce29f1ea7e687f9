import type { Command } from 'commander';
import { parseChoice, parsePort } from '../parse.ts';
import type { Terminal } from '../terminal.ts';
import { addVerb, type CommonOptions } from '../verb.ts';

interface SimulateOptions extends CommonOptions {
  readonly port: string;
  readonly host: string;
  readonly latency: string;
  readonly deadEnds?: boolean;
}

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '::1']);

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}

async function simulate(options: SimulateOptions, terminal: Terminal): Promise<void> {
  const latency = parseChoice(options.latency, '--latency', ['none', 'demo']);
  const port = parsePort(options.port);
  const stopped = stopSignal();
  const [{ startSimulator }, { SIMULATED_MODELS }] = await Promise.all([
    import('../../app/simulator.ts'),
    import('../../app/cli-support.ts'),
  ]);
  const simulator = await startSimulator({
    host: options.host,
    port,
    latency: latency === 'demo' ? 'lively' : latency,
    deadEnds: options.deadEnds === true,
  });
  const { deadEnds } = simulator;
  if (options.json)
    terminal.print(
      JSON.stringify({ url: simulator.url, latency, models: SIMULATED_MODELS, dead_ends: deadEnds }),
    );
  else {
    terminal.print(
      `The simulator answers on ${terminal.paint('cyan', simulator.url)}, as any provider would.`,
    );
    terminal.print(`  OpenAI     base URL ${simulator.url}/v1`);
    terminal.print(`  Anthropic  base URL ${simulator.url}`);
    terminal.print(`  models     ${SIMULATED_MODELS.join(', ')}`);
    for (const [name, url] of Object.entries(deadEnds ?? {})) {
      terminal.print(`  ${name.replace('_', ' ').padEnd(11)} ${url}`);
    }
    if (!LOOPBACK.has(options.host)) {
      terminal.complain('It asks nobody for a key: other machines can call it, too.');
    }
  }
  await stopped;
  await simulator.close();
  process.exit(0);
}

/** `sluice simulate` */
export function defineSimulate(program: Command, terminal: Terminal): void {
  addVerb(program, 'simulate', {
    summary: 'Run the simulator alone, as an upstream to test against',
    details: 'It needs no key and calls nobody. SIGTERM and Ctrl-C end it.',
    examples: ['sluice simulate --port 4199', 'sluice simulate --latency none --json'],
  })
    .option('-p, --port <n>', 'port to listen on; 0 takes any free one', '4199')
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option('--latency <kind>', 'demo: as a model would write; none: at once', 'demo')
    .option('--dead-ends', 'also open addresses that fail below HTTP: refused, reset, silent, full, bad TLS')
    .action((options: SimulateOptions) => simulate(options, terminal));
}
