import { type ChatResponse, type Choice, type FunctionTool, isObject, type Json } from '../../model/index.ts';
import { schemaFault } from './json-schema.ts';
import type { EscalationCause } from './types.ts';

/** What an answer is judged by, besides itself. */
export interface VerifyFacts {
  readonly output: 'text' | 'json_object' | 'json_schema';
  /** The schema asked for. */
  readonly schema: Json | undefined;
  readonly tools: readonly Pick<FunctionTool, 'name' | 'parameters'>[];
  readonly causes: readonly EscalationCause[];
  /** Chance that an answer is wrong, from a learned verifier of answers; absent where there is none. */
  readonly doubt?: (text: string) => number;
}

/** Why an answer will not do; `undefined` when it will. */
export interface Weakness {
  readonly cause: EscalationCause | 'judge';
  readonly says: string;
}

/** Only the beginning and end of an answer are read. UTF-16 units. */
const READ_CHARS = 4000;
/** A longer answer says more than "no". */
const MAX_REFUSAL_CHARS = 600;
/** Mean probability of a token below which an answer counts as guessed. */
const LEAST_TOKEN_CHANCE = 0.6;
/** A learned verifier's doubt from here on counts. */
const MOST_DOUBT = 0.5;

const REFUSALS = [
  /^(?:i['’]m|i am) (?:sorry|afraid)\b.{0,80}\b(?:can['’]?t|cannot|unable|not able|won['’]t)/is,
  /^(?:sorry|unfortunately|i apologi[sz]e)\b.{0,80}\b(?:can['’]?t|cannot|unable|not able)/is,
  /^i (?:can['’]?t|cannot|won['’]t|am (?:unable|not able) to|['’]m (?:unable|not able) to) (?:help|assist|answer|provide|do|comply|fulfil)/i,
  /^as an ai\b.{0,120}\b(?:can['’]?t|cannot|unable|not able)/is,
  /^(?:es tut mir leid|leider|tut mir leid)\b.{0,80}\b(?:kann|darf)\b.{0,40}\bnicht/is,
  /^(?:lo siento|lamento)\b.{0,80}\bno puedo/is,
  /^(?:je suis désolée?|désolée?)\b.{0,80}\bne (?:peux|puis)\b/is,
];

const DOUBTS =
  /\b(?:i(?:['’]m| am) not (?:entirely |completely |really |quite )?(?:sure|certain)|i don['’]t (?:really )?know|i do not know|i(?:['’]m| am) unsure|hard to say|i could be wrong|i may be wrong|cannot be determined|not enough information|i(?:['’]m| am) guessing|my best guess|ich bin (?:mir )?nicht sicher|ich weiß (?:es )?nicht|no estoy segur[oa]|no lo sé|je ne suis pas sûre?|je ne sais pas)\b/i;

const EQUATION =
  /(?<![\d.^/*×x+-]\s?)(-?\d{1,12}(?:\.\d{1,6})?)\s?([+\-−*×x÷/])\s?(\d{1,12}(?:\.\d{1,6})?)\s?=\s?(-?\d{1,15}(?:\.\d{1,6})?)(?![\d%])/g;

const OPERATIONS: Readonly<Record<string, (left: number, right: number) => number>> = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '−': (left, right) => left - right,
  '*': (left, right) => left * right,
  '×': (left, right) => left * right,
  x: (left, right) => left * right,
  '÷': (left, right) => left / right,
  '/': (left, right) => left / right,
};

/** A sum in the text that does not add up, as written; results may be rounded to the digits shown. */
export function wrongSum(text: string): string | undefined {
  const plain = text.replaceAll(/(?<=\d),(?=\d{3}\b)/g, '').replaceAll('$', '');
  for (const [whole, left, sign = '', right, result = ''] of plain.matchAll(EQUATION)) {
    const value = OPERATIONS[sign]?.(Number(left), Number(right));
    if (value === undefined || !Number.isFinite(value)) continue;
    const digits = result.split('.')[1]?.length ?? 0;
    const slack =
      Math.max(0.5 * 10 ** -digits, Math.abs(value) * 1e-9) + (sign === '÷' || sign === '/' ? 0.5 : 0);
    if (Math.abs(value - Number(result)) > slack + 1e-9) return whole;
  }
  return undefined;
}

function textOf(choice: Choice): string {
  let text = '';
  for (const part of choice.parts) if (part.type === 'text' || part.type === 'refusal') text += part.text;
  return text.trim();
}

function refusal(choice: Choice, text: string): Weakness | undefined {
  const { reason } = choice.finish;
  if (
    reason === 'refusal' ||
    reason === 'content_filter' ||
    choice.parts.some(({ type }) => type === 'refusal')
  )
    return { cause: 'refusal', says: 'the model declined' };
  if (text.length > MAX_REFUSAL_CHARS || !REFUSALS.some((pattern) => pattern.test(text))) return undefined;
  return { cause: 'refusal', says: 'the answer reads like a refusal' };
}

/** Mean probability of the tokens, from OpenAI's log-probabilities. */
function meanChance(logprobs: Json | undefined): number | undefined {
  const content = isObject(logprobs) ? logprobs['content'] : undefined;
  if (!Array.isArray(content) || content.length === 0) return undefined;
  let sum = 0;
  for (const token of content) {
    const value = isObject(token) ? token['logprob'] : undefined;
    if (typeof value !== 'number') return undefined;
    sum += Math.exp(value);
  }
  return sum / content.length;
}

function uncertainty(choice: Choice, text: string, facts: VerifyFacts): Weakness | undefined {
  const chance = meanChance(choice.logprobs);
  if (chance !== undefined && chance < LEAST_TOKEN_CHANCE) {
    return { cause: 'uncertainty', says: `its tokens have a mean probability of ${chance.toFixed(2)}` };
  }
  const ends = text.length <= READ_CHARS ? text : text.slice(0, READ_CHARS / 2) + text.slice(-READ_CHARS / 2);
  if (DOUBTS.test(ends)) return { cause: 'uncertainty', says: 'the answer says that it is not sure' };
  const sum = wrongSum(ends);
  if (sum !== undefined) return { cause: 'uncertainty', says: `it calculates ${sum.slice(0, 60)}` };
  const doubt = facts.doubt?.(text) ?? 0;
  if (doubt < MOST_DOUBT) return undefined;
  return { cause: 'uncertainty', says: `the verifier doubts it (${doubt.toFixed(2)})` };
}

function parsed(text: string): { value: Json } | undefined {
  try {
    return { value: JSON.parse(text) as Json };
  } catch {
    return undefined;
  }
}

function toolFailure(choice: Choice, facts: VerifyFacts): Weakness | undefined {
  for (const part of choice.parts) {
    if (part.type !== 'tool_call' || part.kind !== 'function') continue;
    const tool = facts.tools.find(({ name }) => name === part.name);
    if (tool === undefined) return { cause: 'tool_failure', says: 'it calls a tool that was not offered' };
    const given = parsed(part.arguments === '' ? '{}' : part.arguments);
    if (given === undefined) return { cause: 'tool_failure', says: 'the arguments of its call are no JSON' };
    const fault = tool.parameters === undefined ? undefined : schemaFault(tool.parameters, given.value);
    if (fault !== undefined) return { cause: 'tool_failure', says: `the arguments of its call: ${fault}` };
  }
  return undefined;
}

function invalidOutput(choice: Choice, text: string, facts: VerifyFacts): Weakness | undefined {
  const calls = choice.parts.some(({ type }) => type === 'tool_call');
  const media = choice.parts.some(({ type }) => type === 'image' || type === 'audio');
  if (text === '' && !calls && !media) return { cause: 'invalid_output', says: 'it is empty' };
  if (facts.output === 'text' || calls) return undefined;
  const given = parsed(text);
  if (given === undefined) return { cause: 'invalid_output', says: 'it is no JSON' };
  if (facts.output === 'json_object' && !isObject(given.value))
    return { cause: 'invalid_output', says: 'it is no JSON object' };
  const fault = facts.schema === undefined ? undefined : schemaFault(facts.schema, given.value);
  return fault === undefined
    ? undefined
    : { cause: 'invalid_output', says: `it breaks the schema: ${fault}` };
}

/**
 * Whether a cheap model's whole answer will do, by signs that cost nothing: refusals, doubt in words, sums and
 * log-probabilities, broken output and broken tool calls. Looks at the first choice only.
 */
export function findWeakness(response: ChatResponse, facts: VerifyFacts): Weakness | undefined {
  const [choice] = response.choices;
  if (choice === undefined) return { cause: 'invalid_output', says: 'it is empty' };
  const text = textOf(choice);
  const wants = (cause: EscalationCause) => facts.causes.includes(cause);
  return (
    (wants('refusal') ? refusal(choice, text) : undefined) ??
    (wants('tool_failure') || wants('invalid_output') ? toolFailure(choice, facts) : undefined) ??
    (wants('invalid_output') ? invalidOutput(choice, text, facts) : undefined) ??
    (wants('uncertainty') ? uncertainty(choice, text, facts) : undefined)
  );
}
