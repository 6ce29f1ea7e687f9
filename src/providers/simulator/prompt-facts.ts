import { isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import { fitNumber } from './schema-sample.ts';

/** What a prompt names that a tool could be called with. */
export interface PromptFacts {
  readonly text: string;
  /** Cities, people, things: in order of mention. */
  readonly names: readonly string[];
  readonly numbers: readonly number[];
  readonly quoted: readonly string[];
  readonly emails: readonly string[];
  readonly urls: readonly string[];
  readonly dates: readonly string[];
  readonly expression: string | undefined;
}

/** Places people ask about, for prompts without capitals and for scripts that have none. */
const PLACES =
  /\b(?:amsterdam|athens|barcelona|beijing|berlin|boston|chicago|dublin|hamburg|lisbon|london|los angeles|lyon|madrid|milan|münchen|munich|new york|osaka|oslo|paris|prague|rome|san francisco|seattle|seoul|shanghai|singapore|stockholm|sydney|tokyo|toronto|vienna|warsaw|zurich)\b|東京|大阪|京都|北京|上海|巴黎|伦敦|パリ|ロンドン/giu;

const NOT_NAMES = new Set(
  (
    'What How Who Why When Where Which Please Is Are Can Could Will Would Do Does Did Use Call Get Give Tell Compare Find ' +
    'Search Check Show Write Explain The A An I You It In On And Then Also Both Celsius Fahrenheit Wie Was Wer Warum Wo ' +
    'Bitte Ist Sind Quel Quelle Comment Qué Cómo Cuál Dime Book Send Create Calculate Compute Convert Look Read Make Add ' +
    'Set Let My Today Tomorrow Weather Translate Summarize Using'
  ).split(' '),
);

function namesIn(text: string): string[] {
  const found: { readonly at: number; readonly name: string }[] = [];
  for (const match of text.matchAll(/\p{Lu}[\p{L}'-]+(?:\s\p{Lu}[\p{L}'-]+)*/gu)) {
    const words = match[0].split(/\s/);
    while (words.length > 0 && NOT_NAMES.has(words[0] ?? '')) words.shift();
    if (words.length > 0) found.push({ at: match.index, name: words.join(' ') });
  }
  for (const match of text.matchAll(PLACES)) found.push({ at: match.index, name: titled(match[0]) });
  const seen = new Set<string>();
  return found
    .sort((a, b) => a.at - b.at)
    .filter(({ name }) => !seen.has(name.toLowerCase()) && seen.add(name.toLowerCase()))
    .map(({ name }) => name);
}

function titled(name: string): string {
  return name.replace(/(^|\s)(\p{Ll})/gu, (_, gap: string, letter: string) => gap + letter.toUpperCase());
}

/** Reads the names, numbers, dates and the like out of a prompt. */
export function readFacts(text: string): PromptFacts {
  const sample = text.slice(-4000);
  const all = (pattern: RegExp): string[] =>
    [...sample.matchAll(pattern)].map((match) => match[1] ?? match[0]);
  const expression = /\d[\d.]*(?:\s*[-+*/×^%]\s*\(?\d[\d.]*\)?)+/.exec(
    sample.replaceAll(/\d{4}-\d{2}-\d{2}/g, ''),
  )?.[0];
  return {
    text: sample,
    names: namesIn(sample),
    numbers: all(/(?<![\p{L}\d.-])-?\d+(?:\.\d+)?(?![\p{L}\d])/gu).map(Number),
    quoted: all(/["“«„]([^"”»“]{1,200})["”»“]/g),
    emails: all(/[\w.+-]+@[\w-]+\.[\w.]+\w/g),
    urls: all(/https?:\/\/[^\s"'<>)]+/g),
    dates: all(/\d{4}-\d{2}-\d{2}/g),
    expression,
  };
}

const PLACE_FIELD =
  /city|location|place|town|region|country|destination|origin|address|address|ort|stadt|ville|ciudad/i;
const NAME_FIELD = /name|person|who|title|company|customer|subject|symbol|ticker|product|item|topic|entity/i;
const TEXT_FIELD =
  /query|question|text|prompt|message|input|content|body|search|keyword|description|task|instruction/i;

/** Whether a field takes one of the names a prompt may list, so that one call is made per name. */
export function takesName(field: string): boolean {
  return PLACE_FIELD.test(field) || NAME_FIELD.test(field);
}

function asString(field: string, facts: PromptFacts, turn: number): string | undefined {
  if (/e-?mail/i.test(field)) return facts.emails[turn] ?? facts.emails[0];
  if (/url|link|uri/i.test(field)) return facts.urls[turn] ?? facts.urls[0];
  if (/date|day|when/i.test(field)) return facts.dates[turn] ?? facts.dates[0];
  if (/expression|formula|calculation/i.test(field)) return facts.expression;
  if (takesName(field)) return facts.names[turn] ?? facts.names[0] ?? facts.quoted[0];
  if (TEXT_FIELD.test(field))
    return facts.quoted[turn] ?? facts.text.replace(/\s+/g, ' ').trim().slice(0, 200);
  return undefined;
}

function fits(schema: JsonObject, value: string): boolean {
  const { minLength, maxLength, pattern, format } = schema;
  if (typeof minLength === 'number' && value.length < minLength) return false;
  if (typeof maxLength === 'number' && value.length > maxLength) return false;
  if (typeof format === 'string' && !['email', 'uri', 'url', 'date'].includes(format)) return false;
  if (typeof pattern !== 'string') return true;
  try {
    return new RegExp(pattern, 'u').test(value);
  } catch {
    return true;
  }
}

function isType(schema: JsonObject, word: string): boolean {
  const { type } = schema;
  const list = Array.isArray(type) ? type : [type];
  return list.some((entry) => typeof entry === 'string' && entry.toLowerCase() === word);
}

/** Takes the next number of the prompt each time, so that `from` and `to` differ. */
function takeNumber(facts: PromptFacts, used: { numbers: number }): number | undefined {
  const value = facts.numbers[used.numbers];
  if (value !== undefined) used.numbers++;
  return value;
}

/** A value for one field out of the prompt; `undefined` where the prompt holds none that the schema takes. */
export function suggestFrom(
  facts: PromptFacts,
  turn: number,
): (name: string, schema: JsonObject) => Json | undefined {
  const used = { numbers: 0 };
  return (name, schema) => {
    const choices = schema['enum'];
    if (Array.isArray(choices)) {
      const lower = facts.text.toLowerCase();
      return choices.find(
        (choice) => typeof choice === 'string' && choice !== '' && lower.includes(choice.toLowerCase()),
      );
    }
    if (isType(schema, 'integer') || isType(schema, 'number')) {
      const wish = takeNumber(facts, used);
      const isInteger = isType(schema, 'integer');
      return wish === undefined
        ? undefined
        : fitNumber(schema, isInteger ? Math.round(wish) : wish, isInteger);
    }
    if (isType(schema, 'string')) {
      const value = asString(name, facts, turn);
      return value !== undefined && fits(schema, value) ? value : undefined;
    }
    const items = schema['items'];
    if (isType(schema, 'array') && isObject(items) && isType(items, 'number') && facts.numbers.length > 0) {
      return [...facts.numbers];
    }
    return undefined;
  };
}
