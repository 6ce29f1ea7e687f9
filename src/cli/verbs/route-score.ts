import type { Command } from 'commander';
import type { PromptModel, PromptScore } from '../../app/prompt-model.ts';
import { badUsage } from '../failure.ts';
import type { Terminal } from '../terminal.ts';
import { addVerb, type CommonOptions } from '../verb.ts';
import { type NamedPrompt, readExamples, readPrompts } from './route-lines.ts';

interface ScoreOptions extends CommonOptions {
  readonly train?: string;
  readonly tier?: string;
  readonly models?: boolean;
}

/** Output is written in pieces of about this many characters. */
const PIECE = 64 * 1024;
const DIGITS = 6;

const rounded = (value: number) => Number(value.toFixed(DIGITS));

function lineOf(id: NamedPrompt['id'], score: PromptScore, options: ScoreOptions): string {
  const { weak, strong, ...models } = score.heads;
  const probabilities = {
    score: rounded(score.score),
    p_weak: rounded(score.pWeak),
    p_strong: rounded(score.pStrong),
  };
  const perModel = options.models
    ? { models: Object.fromEntries(Object.entries(models).map(([name, p]) => [name, rounded(p)])) }
    : {};
  if (options.tier === undefined) return JSON.stringify({ id, ...probabilities, ...perModel });
  return JSON.stringify({
    id,
    tier: score.tier,
    ...probabilities,
    task: score.task,
    language: score.language,
    needs_info: score.needsInfo ?? null,
    ...perModel,
  });
}

/** Writes a piece; resolves when standard output takes more. */
function write(text: string): Promise<void> | undefined {
  if (text === '' || process.stdout.write(text)) return undefined;
  return new Promise((resolve) => process.stdout.once('drain', resolve));
}

async function learned(model: PromptModel, options: ScoreOptions, terminal: Terminal): Promise<PromptModel> {
  if (options.train === undefined) return model;
  const started = performance.now();
  const examples = await readExamples(options.train, options.models === true);
  const next = model.learn(examples);
  if (!options.json) {
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    terminal.complain(
      next.labels === 0
        ? `${examples.length} labelled prompts are too few to learn from; the shipped weights are used.`
        : `Learned from ${next.labels} labelled prompts in ${seconds} s.`,
    );
  }
  return next;
}

async function score(options: ScoreOptions, terminal: Terminal): Promise<void> {
  if (options.train === '-') throw badUsage('--train takes a file; standard input is for the prompts.');
  if (options.tier === undefined && terminal.canAsk)
    terminal.complain('Reading {"id","prompt"} lines from standard input; Ctrl-D ends them.');
  const { openPromptModel } = await import('../../app/prompt-model.ts');
  const model = await learned(openPromptModel(), options, terminal);
  let waiting = '';
  try {
    for await (const { id, prompt } of readPrompts(options.tier ?? '-')) {
      waiting += `${lineOf(id, model.score({ text: prompt }), options)}\n`;
      // A person at the keyboard waits for every answer; a pipe is faster in pieces.
      if (waiting.length < PIECE && !terminal.canAsk) continue;
      const piece = waiting;
      waiting = '';
      await write(piece);
    }
  } finally {
    await write(waiting);
  }
}

/** `sluice route score` */
export function defineRouteScore(route: Command, terminal: Terminal): void {
  addVerb(route, 'score', {
    summary: 'Score prompts: how much each needs the stronger model',
    details:
      'Reads {"id","prompt"} JSON lines on standard input and writes {"id","score","p_weak","p_strong"} for each; a higher score is more reason for the strong tier. Needs no gateway, no configuration and no network.',
    examples: [
      'sluice route score < prompts.jsonl > scores.jsonl',
      'sluice route score --train labelled.jsonl < prompts.jsonl',
      'sluice route score --tier prompts.jsonl',
    ],
  })
    .option(
      '--train <file>',
      'first learn from labelled lines: prompt, weak_correct, strong_correct (0 to 1), optionally scores by model',
    )
    .option('--tier <file>', 'read prompts from this file (- is standard input) and write their tiers')
    .option('--models', 'with --train: also write P(ok) of every model the file has scores for')
    .action((options: ScoreOptions) => score(options, terminal));
}
