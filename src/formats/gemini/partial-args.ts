import { isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
import { asObject, camelKeys, listOf } from './aliases.ts';
import { malformed } from './errors.ts';

const MAX_DEPTH = 64;

type Step = string | number;
type Node = Json[] | JsonObject;

/** `.name`, `[0]`, `['name']`, `["name"]` (RFC 9535 child segments). */
const SEGMENT = /\.([^.[\]'"]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/gy;

function parsePath(path: string): readonly Step[] {
  const steps: Step[] = [];
  SEGMENT.lastIndex = path.startsWith('$') ? 1 : 0;
  while (SEGMENT.lastIndex < path.length) {
    const [found, name, index, single, double] = SEGMENT.exec(path) ?? [];
    if (found === undefined || steps.length >= MAX_DEPTH)
      throw malformed('a path of a streamed argument is invalid');
    if (index !== undefined) steps.push(Number(index));
    else steps.push(name ?? (single ?? double ?? '').replace(/\\(.)/g, '$1'));
  }
  return steps;
}

function read(node: Node, step: Step): Json | undefined {
  if (Array.isArray(node)) return typeof step === 'number' ? node[step] : undefined;
  return Object.hasOwn(node, step) ? node[step] : undefined;
}

function write(node: Node, step: Step, value: Json): void {
  if (!Array.isArray(node)) {
    // A plain assignment would run the setter of `__proto__`.
    Object.defineProperty(node, step, { value, writable: true, enumerable: true, configurable: true });
  } else if (typeof step === 'number' && step <= node.length) node[step] = value;
  else throw malformed('a streamed argument skips elements of a list');
}

/** Walks to the container of the last step and makes what is missing on the way. */
function containerOf(root: JsonObject, steps: readonly Step[]): Node {
  let node: Node = root;
  for (const [i, step] of steps.slice(0, -1).entries()) {
    let next = read(node, step);
    if (next === undefined) {
      next = typeof steps[i + 1] === 'number' ? [] : {};
      write(node, step, next);
    }
    // A number kept as raw text is an object, too.
    if (!Array.isArray(next) && (!isObject(next) || typeof toNumber(next) === 'number'))
      throw malformed('a streamed argument is both a value and a container');
    node = next;
  }
  return node;
}

/**
 * Builds a call's arguments from Vertex's `partialArgs`: values at JSON paths, strings in pieces (Vertex AI
 * "Streaming function call arguments"; WIRE §1.2). All throw `upstream_malformed`.
 */
export class PartialArguments {
  readonly #root: JsonObject;

  constructor(args: Json | undefined) {
    this.#root = { ...asObject(args) };
  }

  take(pieces: Json | undefined): void {
    for (const entry of listOf(pieces)) {
      const piece = isObject(entry) ? camelKeys(entry) : {};
      const { jsonPath, stringValue, numberValue, boolValue, nullValue } = piece;
      const steps = typeof jsonPath === 'string' ? parsePath(jsonPath) : [];
      const last = steps.at(-1);
      const value = stringValue ?? numberValue ?? boolValue ?? (nullValue === undefined ? undefined : null);
      // A piece with only `willContinue` announces or closes a value and holds none.
      if (value === undefined) continue;
      if (last === undefined) throw malformed('a streamed argument has no path');
      const container = containerOf(this.#root, steps);
      const before = read(container, last);
      const joined = typeof before === 'string' && typeof value === 'string' ? before + value : value;
      write(container, last, joined);
    }
  }

  /** The arguments so far. */
  get value(): JsonObject {
    return this.#root;
  }
}
