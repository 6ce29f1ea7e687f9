import { isMap } from '../config/paths.ts';

const COMPARISONS: Readonly<Record<string, string>> = {
  $eq: '==',
  $ne: '!=',
  $gt: '>',
  $gte: '>=',
  $lt: '<',
  $lte: '<=',
};

/** Why a condition could not be written anew. */
class Unwritable {
  readonly why: string;

  constructor(why: string) {
    this.why = why;
  }

  toString(): string {
    return this.why;
  }
}

/** The fact of ours that a field of a Portkey query names. */
function factOf(field: string): string | Unwritable {
  const [group, ...rest] = field.split('.');
  const name = rest.join('.');
  if (group === 'metadata' && name !== '') return `metadata[${JSON.stringify(name)}]`;
  if (field === 'params.model') return 'model';
  if (field === 'params.stream') return 'stream';
  return new Unwritable(
    'asks for a fact that router conditions do not have; they know metadata, model and stream.',
  );
}

function literal(value: unknown): string | Unwritable {
  if (['string', 'number', 'boolean'].includes(typeof value)) return JSON.stringify(value);
  return new Unwritable('compares with something other than text, a number or true and false.');
}

function compare(fact: string, operator: string, value: unknown): string | Unwritable {
  if (operator === '$in' || operator === '$nin') {
    if (!Array.isArray(value)) return new Unwritable(`needs a list after ${operator}.`);
    const items = value.map(literal);
    const bad = items.find((item) => item instanceof Unwritable);
    if (bad !== undefined) return bad;
    const inside = `${fact} in [${items.join(', ')}]`;
    return operator === '$in' ? inside : `!(${inside})`;
  }
  if (operator === '$regex') {
    return typeof value === 'string'
      ? `${fact}.matches(${JSON.stringify(value)})`
      : new Unwritable('needs text after $regex.');
  }
  const sign = Object.hasOwn(COMPARISONS, operator) ? COMPARISONS[operator] : undefined;
  if (sign === undefined) return new Unwritable('uses an operator that has no equal here.');
  const right = literal(value);
  return right instanceof Unwritable ? right : `${fact} ${sign} ${right}`;
}

function joined(parts: readonly (string | Unwritable)[], operator: '&&' | '||'): string | Unwritable {
  const bad = parts.find((part) => part instanceof Unwritable);
  if (bad !== undefined) return bad;
  if (parts.length === 0) return new Unwritable('is empty.');
  return parts.length === 1 ? String(parts[0]) : parts.map((part) => `(${part})`).join(` ${operator} `);
}

function clause(field: string, value: unknown, depth: number): string | Unwritable {
  if (field === '$and' || field === '$or') {
    if (!Array.isArray(value)) return new Unwritable(`needs a list after ${field}.`);
    return joined(
      value.map((inner) => write(inner, depth + 1)),
      field === '$and' ? '&&' : '||',
    );
  }
  const fact = factOf(field);
  if (fact instanceof Unwritable) return fact;
  // A fact that a request does not have makes no condition true.
  const present = field.startsWith('metadata.') ? [`${JSON.stringify(field.slice(9))} in metadata`] : [];
  if (!isMap(value)) return joined([...present, compare(fact, '$eq', value)], '&&');
  return joined(
    [...present, ...Object.entries(value).map(([operator, right]) => compare(fact, operator, right))],
    '&&',
  );
}

function write(query: unknown, depth: number): string | Unwritable {
  if (depth > 8) return new Unwritable('is nested too deeply.');
  if (!isMap(query)) return new Unwritable('has no `query`.');
  return joined(
    Object.entries(query).map(([field, value]) => clause(field, value, depth)),
    '&&',
  );
}

/** A Portkey `query` as a condition of a router rule (CEL); else an object that says why not. */
export function conditionOf(query: unknown): string | { toString(): string } {
  return write(query, 0);
}
