import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Example } from '../../app/prompt-model.ts';
import { CliFailure } from '../failure.ts';
import { clean } from '../text.ts';

/** Longest line taken, in characters. */
const MAX_LINE = 32 * 1024 * 1024;
const SHOWN = 60;

/** A line with where it came from, for messages. */
interface Line {
  readonly text: string;
  readonly number: number;
  readonly source: string;
}

function refuse({ number, source }: Line, problem: string): CliFailure {
  return new CliFailure('bad_input', `Line ${number} of ${source} ${problem}.`);
}

async function openFile(file: string): Promise<NodeJS.ReadableStream> {
  if (file === '-') return process.stdin;
  try {
    const handle = await open(file);
    if (!(await handle.stat()).isDirectory()) return handle.createReadStream();
    await handle.close();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = code === 'ENOENT' ? 'there is no such file' : (code ?? 'unknown reason');
    throw new CliFailure('not_found', `${clean(file)} cannot be read: ${problem}.`);
  }
  throw new CliFailure('not_found', `${clean(file)} cannot be read: it is a folder.`);
}

/** Lines that are not blank, of a file or (`-`) of standard input. Throws `not_found` for a file that cannot be read. */
async function* linesOf(file: string): AsyncGenerator<Line> {
  const source = file === '-' ? 'standard input' : clean(file);
  const reader = createInterface({ input: await openFile(file), crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  for await (const raw of reader) {
    number++;
    const text = number === 1 ? raw.replace(/^\uFEFF/, '') : raw;
    if (text.trim() !== '') yield { text, number, source };
  }
}

function objectOf(line: Line): Record<string, unknown> {
  if (line.text.length > MAX_LINE) throw refuse(line, `is longer than ${MAX_LINE} characters`);
  let value: unknown;
  try {
    value = JSON.parse(line.text);
  } catch {
    const start = clean(line.text.trim().slice(0, SHOWN));
    throw refuse(line, `is not JSON: it begins with ${JSON.stringify(start)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refuse(line, 'is not a JSON object with "prompt"');
  return value as Record<string, unknown>;
}

function promptOf(line: Line, fields: Record<string, unknown>): string {
  const { prompt } = fields;
  if (typeof prompt !== 'string') throw refuse(line, 'has no "prompt" that is a string');
  return prompt;
}

/** A prompt to score; without an id, the line's number stands for it. */
export interface NamedPrompt {
  readonly id: string | number;
  readonly prompt: string;
}

/** Reads `{"id","prompt"}` lines. Throws `bad_input` with the line's number. */
export async function* readPrompts(file: string): AsyncGenerator<NamedPrompt> {
  for await (const line of linesOf(file)) {
    const fields = objectOf(line);
    const prompt = promptOf(line, fields);
    const { id } = fields;
    if (id !== undefined && typeof id !== 'string' && typeof id !== 'number')
      throw refuse(line, 'has an "id" that is neither a string nor a number');
    yield { id: id ?? line.number, prompt };
  }
}

function outcomeOf(line: Line, name: string, value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  const number = typeof value === 'boolean' ? Number(value) : value;
  if (typeof number === 'number' && number >= 0 && number <= 1) return number;
  throw refuse(line, `has a ${JSON.stringify(name)} that is no number from 0 to 1`);
}

function scoresOf(line: Line, value: unknown): Record<string, number> | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'object' || Array.isArray(value))
    throw refuse(line, 'has "scores" that are no object');
  const scores: Record<string, number> = {};
  for (const [model, given] of Object.entries(value)) {
    const outcome = outcomeOf(line, model, given);
    if (outcome !== undefined) scores[model] = outcome;
  }
  return scores;
}

/**
 * Reads labelled lines: `prompt`, `weak_correct` and `strong_correct` (0..1, or true and false), and optionally `scores` by model.
 * Throws `bad_input` with the line's number.
 */
export async function readExamples(file: string, withModels: boolean): Promise<Example[]> {
  const examples: Example[] = [];
  for await (const line of linesOf(file)) {
    const fields = objectOf(line);
    const weak = outcomeOf(line, 'weak_correct', fields['weak_correct']);
    const strong = outcomeOf(line, 'strong_correct', fields['strong_correct']);
    const scores = withModels ? scoresOf(line, fields['scores']) : undefined;
    if ((weak ?? strong ?? scores) === undefined)
      throw refuse(
        line,
        'has no label: "weak_correct" and "strong_correct" say how good either answer was, 0 to 1',
      );
    examples.push({
      prompt: promptOf(line, fields),
      ...(weak === undefined ? {} : { weak }),
      ...(strong === undefined ? {} : { strong }),
      ...(scores === undefined ? {} : { scores }),
    });
  }
  if (examples.length === 0) throw new CliFailure('bad_input', `${clean(file)} holds no labelled prompt.`);
  return examples;
}
