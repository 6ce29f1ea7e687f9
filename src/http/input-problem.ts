import type { z } from 'zod';
import { nearest } from '../core/nearest.ts';
import { valueAt } from '../core/value-at.ts';

/** Names of fields may be the client's own. Characters. */
const MAX_NAME = 100;

type Issue = z.core.$ZodIssue;

/** What is wrong with an input: the field, with dots into objects and lists, and a sentence that says what would be right. */
export interface InputProblem {
  readonly field: string;
  readonly sentence: string;
}

/** How kinds of values are called in JSON. */
const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
};

const kindName = (kind: string): string => KINDS[kind] ?? kind;

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return kindName(Array.isArray(value) ? 'array' : typeof value);
}

const truncated = (name: string): string => (name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}...` : name);

/** The first thing that is wrong with `input`, in words. Quotes names of fields, but no value: one may be a secret. */
export function inputProblem(
  error: z.core.$ZodError,
  input: unknown,
  fields: readonly string[],
): InputProblem {
  const [issue] = error.issues;
  if (issue === undefined) return { field: 'body', sentence: 'is not valid.' };
  const { path, sentence } = described(issue, input, fields);
  const field = path.map((part) => truncated(String(part))).join('.') || 'body';
  return { field, sentence: `\`${field}\` ${sentence}` };
}

function described(
  issue: Issue,
  input: unknown,
  fields: readonly string[],
): { readonly path: readonly PropertyKey[]; readonly sentence: string } {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    const [key = ''] = issue.keys;
    return { path: [...path, key], sentence: unknownField(key, path.length === 0 ? fields : []) };
  }
  if (issue.code === 'invalid_union') {
    // The branch meant is the one whose outer kind fits; the others only say that it does not.
    const meant = issue.errors.find((branch) => branch.some((one) => one.path.length > 0))?.[0];
    if (meant !== undefined) return described({ ...meant, path: [...path, ...meant.path] }, input, fields);
  }
  return { path, sentence: sentenceFor(issue, valueAt(input, path)) };
}

function unknownField(key: string, fields: readonly string[]): string {
  const near = nearest(key, fields);
  if (near !== undefined) return `is not a field of this call. Did you mean \`${near}\`?`;
  const known = fields.length === 0 ? '' : ` There are ${fields.map((name) => `\`${name}\``).join(', ')}.`;
  return `is not a field of this call.${known}`;
}

/** What the library says when a shape brings no words of its own. */
const STOCK_MESSAGE = /^(?:Invalid|Too small|Too big|Unrecognized)/;

function sentenceFor(issue: Issue, value: unknown): string {
  if (!STOCK_MESSAGE.test(issue.message)) return `is not valid: ${issue.message.replace(/\.$/, '')}.`;
  if (value === undefined) return `is missing${wanted(issue)}.`;
  switch (issue.code) {
    case 'invalid_type':
      return `is ${kindOf(value)}, where ${kindName(issue.expected)} belongs.`;
    case 'invalid_value':
      return `must be ${choices(issue.values)}.`;
    case 'too_small':
      return outside(issue.origin, issue.minimum, { small: true, equal: issue.inclusive !== false });
    case 'too_big':
      return outside(issue.origin, issue.maximum, { small: false, equal: issue.inclusive !== false });
    case 'invalid_format':
      return FORMATS[issue.format] ?? 'is not written as it should be.';
    default:
      return 'is not valid.';
  }
}

/** How values of a format are written, by the library's name of it. */
const FORMATS: Readonly<Record<string, string>> = {
  datetime: 'must be a time as in RFC 3339, for example 2030-01-31T00:00:00Z.',
  email: 'must be an e-mail address.',
  url: 'must be a URL.',
};

const choices = (values: readonly unknown[]): string =>
  `${values.length === 1 ? '' : 'one of '}${values.map(String).join(', ')}`;

/** What belongs where nothing was given. */
function wanted(issue: Issue): string {
  if (issue.code === 'invalid_type') return `: ${kindName(issue.expected)}`;
  return issue.code === 'invalid_value' ? `: ${choices(issue.values)}` : '';
}

function outside(
  origin: string,
  bound: number | bigint,
  { small, equal }: { readonly small: boolean; readonly equal: boolean },
): string {
  if (origin === 'string')
    return small && bound <= 1
      ? 'is empty.'
      : `must have ${small ? 'at least' : 'at most'} ${bound} characters.`;
  if (origin === 'array' || origin === 'set')
    return `must have ${small ? 'at least' : 'at most'} ${bound} ${bound === 1 ? 'entry' : 'entries'}.`;
  if (equal) return `must be ${bound} or ${small ? 'more' : 'less'}.`;
  return `must be ${small ? 'more' : 'less'} than ${bound}.`;
}
