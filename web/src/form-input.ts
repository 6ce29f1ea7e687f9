/** One field of a form, as data. */
export interface Field {
  /** Where the value stands in the input, with dots: `policy.limits.rpm`. */
  readonly path: string;
  readonly label: string;
  readonly note?: string;
  /** How it is typed; default one line of text. */
  readonly kind?:
    | 'text'
    | 'long'
    | 'count'
    | 'list'
    | 'numbers'
    | 'pairs'
    | 'json'
    | 'secret'
    | 'date'
    | 'span'
    | 'check'
    | 'select';
  /** What a select offers, and what a list suggests. */
  readonly options?: readonly Option[];
  readonly placeholder?: string;
  readonly required?: boolean;
  /** What a new thing starts with. */
  readonly initial?: string;
  /** What is sent when the field is emptied; default: it is left out. */
  readonly blank?: 'null' | 'empty';
  /** Without it, the whole it belongs to (`budget`) is not there. */
  readonly anchor?: boolean;
  /** Only for new things: what cannot be changed afterwards. */
  readonly once?: boolean;
  /** Fields that depend on this one and are emptied when it changes. */
  readonly clears?: string;
  /** Shown only while this holds. */
  readonly when?: (values: Values) => boolean;
  /** Fields of one group stand together, folded away. */
  readonly group?: string;
  /** How many of a line's six columns it takes; default 6. */
  readonly span?: 2 | 3;
}

export interface Option {
  readonly value: string;
  readonly label: string;
}

/** What stands in a form: text, the entries of a list, or `true` for a box that is ticked. */
export type Value = string | string[] | boolean;
export type Values = Readonly<Record<string, Value>>;
type Json = Readonly<Record<string, unknown>>;

/** What a field cannot be read as, and how to write it. */
export class FieldProblem extends Error {
  readonly path: string;

  constructor(path: string, sentence: string) {
    super(sentence);
    this.path = path;
  }
}

/** The entry of a list that allows nothing at all: an absent list says nothing. */
export const NOTHING = 'none at all';

const UNITS = { d: 86_400, h: 3600, min: 60, s: 1 } as const;

function spanText(seconds: number): string {
  const [unit, size] = Object.entries(UNITS).find(([, each]) => seconds % each === 0) ?? ['s', 1];
  return `${seconds / size}${unit}`;
}

function day(at: Date): string {
  const two = (part: number) => String(part).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

function at(value: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((from, part) => (from as Json | undefined | null)?.[part], value);
}

/** A stored value as it stands in its field. */
function shown({ kind }: Field, value: unknown): Value {
  if (kind === 'check') return value === true;
  if (kind === 'list') {
    if (!Array.isArray(value)) return [];
    return value.length === 0 ? [NOTHING] : value.map(String);
  }
  if (value === undefined || value === null) return '';
  switch (kind) {
    case 'numbers':
      return (value as number[]).join(', ');
    case 'pairs':
      return Object.entries(value as Record<string, string>)
        .map(([name, text]) => `${name}=${text}`)
        .join('\n');
    case 'json':
      return JSON.stringify(value);
    case 'date':
      return day(new Date(String(value)));
    case 'span':
      return spanText(Number(value));
    default:
      return String(value);
  }
}

/** What the fields show before anybody types: of a stored thing, or of none. */
export function valuesOf(fields: readonly Field[], stored: Json | undefined): Values {
  return Object.fromEntries(
    fields.map((field) => {
      const value = at(stored, field.path);
      return [field.path, value == null && field.initial !== undefined ? field.initial : shown(field, value)];
    }),
  );
}

/** The value of a field as the API takes it; `undefined` for an empty one. Throws {@link FieldProblem}. */
function read(field: Field, value: Value): unknown {
  if (typeof value === 'boolean') return value;
  if (Array.isArray(value)) {
    if (value.length === 0) return undefined;
    return value.filter((entry) => entry !== NOTHING);
  }
  const text = field.kind === 'long' ? value : value.trim();
  if (text === '') return undefined;
  switch (field.kind) {
    case 'count':
      return readCount(field, text);
    case 'numbers':
      return text.split(/[\s,;%]+/).flatMap((part) => (part === '' ? [] : [readNumber(field, part)]));
    case 'pairs':
      return readPairs(field, text);
    case 'json':
      return readJson(field, text);
    case 'date':
      return new Date(`${text}T23:59:59`).toISOString();
    case 'span':
      return readSpan(field, text);
    default:
      return text;
  }
}

function readCount({ path }: Field, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new FieldProblem(path, 'Write a whole number from 1.');
  return Number(text);
}

function readNumber({ path }: Field, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new FieldProblem(path, 'Write numbers with commas between them.');
  return value;
}

function readPairs({ path }: Field, text: string): Json {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const pairs = lines.map((line): [string, string] => {
    const cut = line.indexOf('=');
    if (cut < 1) throw new FieldProblem(path, 'Write one `name=value` a line.');
    return [line.slice(0, cut).trim(), line.slice(cut + 1).trim()];
  });
  return Object.fromEntries(pairs);
}

function readJson({ path, placeholder }: Field, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new FieldProblem(path, `This is not JSON. Write for example ${placeholder ?? '{}'}`);
  }
}

function readSpan({ path }: Field, text: string): number {
  const [, count, unit = 's'] = /^(\d+)\s*(d|h|min|s)?$/.exec(text) ?? [];
  if (count === undefined) throw new FieldProblem(path, 'Write a time such as 30d, 12h, 15min or 90s.');
  return Number(count) * UNITS[unit as keyof typeof UNITS];
}

/** `input` with a value put at a path; what is already stored beside it is sent along. `undefined` takes it out. */
function put(
  input: Record<string, unknown>,
  wish: { path: string[]; value: unknown; stored: unknown },
): void {
  const { path, value, stored } = wish;
  const [name = '', ...rest] = path;
  if (rest.length === 0) {
    if (value === undefined) delete input[name];
    else input[name] = value;
    return;
  }
  const before = (stored as Json | undefined | null)?.[name];
  const inner = (input[name] ?? structuredClone(before ?? {})) as Record<string, unknown>;
  put(inner, { path: rest, value, stored: before });
  input[name] = inner;
}

const same = (a: Value | undefined, b: Value | undefined) => JSON.stringify(a) === JSON.stringify(b);

/**
 * What to send: of a new thing what was said, of a stored one what was changed, so that fields the caller may not touch
 * stay out of it. Throws {@link FieldProblem} for what cannot be read.
 */
export function inputOf(fields: readonly Field[], values: Values, stored?: Json): Record<string, unknown> {
  const input: Record<string, unknown> = {};
  for (const field of fields) {
    const value = values[field.path] ?? '';
    if (field.when?.(values) === false || same(value, shown(field, at(stored, field.path)))) continue;
    const said = read(field, value);
    const empty = field.blank === 'null' ? null : field.blank === 'empty' ? [] : undefined;
    put(input, { path: field.path.split('.'), value: said ?? empty, stored });
  }
  for (const { path } of fields.filter(({ anchor }) => anchor === true)) {
    const [whole = ''] = path.split('.');
    if (!(whole in input) || !same(values[path], '')) continue;
    if (stored?.[whole] == null) delete input[whole];
    else input[whole] = null;
  }
  return input;
}

/** The field that an answer of the API finds fault with: `policy.models.0` is about `policy.models`. */
export function fieldAt(fields: readonly Field[], param: string | undefined): Field | undefined {
  return fields.find(({ path }) => param === path || param?.startsWith(`${path}.`) === true);
}
