import { badRequest } from '../../core/errors/error.ts';
import {
  type Extensions,
  isObject,
  type Json,
  type JsonObject,
  type Message,
  type Part,
  type ToolResultPart,
} from '../../core/model/index.ts';
import { createIdSource, hashText, type IdSource } from '../../core/translation/tool-ids.ts';
import { at, objectAt, unknownFields } from '../fields.ts';
import { asString, camelKeys, listOf, messageAt } from './aliases.ts';
import { callPart, decodePart, type WirePart } from './part-decode.ts';
import { PartialArguments } from './partial-args.ts';

/**
 * What ids made by this gateway begin with. Google gave none for these calls, so none is sent back to it:
 * calls and results then link by order and name, as Google's own do.
 */
export const MADE_ID = 'call_gem_';

const CONTENT_FIELDS = new Set(['role', 'parts']);
const NO_CUSTOM: ReadonlySet<string> = new Set();

interface Call {
  readonly id: string;
  readonly order: number;
  answered: boolean;
}

/** Calls in order; those answered are passed over once. */
class Queue {
  readonly #calls: Call[] = [];
  #head = 0;

  add(call: Call): void {
    this.#calls.push(call);
  }

  next(): Call | undefined {
    while (this.#calls[this.#head]?.answered === true) this.#head++;
    return this.#calls[this.#head];
  }
}

function queueOf(queues: Map<string, Queue>, name: string): Queue {
  let found = queues.get(name);
  if (found === undefined) {
    found = new Queue();
    queues.set(name, found);
  }
  return found;
}

/** The calls of one model turn that wait for results. */
class OpenCalls {
  readonly byId = new Map<string, Call>();
  readonly byName = new Map<string, Queue>();
  readonly bareByName = new Map<string, Queue>();
  readonly all = new Queue();
}

/** Links results to calls: by id where both have one, else by name, else by order (WIRE §2.1 "call ids"). */
class CallBook {
  readonly #ids: IdSource = createIdSource(undefined, '', MADE_ID);
  #open = new OpenCalls();
  #calls = 0;
  #orphans = 0;

  call(wireId: string | undefined, name: string): string {
    const bare = wireId === undefined || wireId === '';
    const call: Call = { id: bare ? this.#ids.next(name) : wireId, order: this.#calls++, answered: false };
    const open = this.#open;
    if (bare) queueOf(open.bareByName, name).add(call);
    else open.byId.set(wireId, call);
    queueOf(open.byName, name).add(call);
    open.all.add(call);
    return call.id;
  }

  #find(wireId: string | undefined, name: string): Call | undefined {
    const { byId, byName, bareByName, all } = this.#open;
    if (wireId === undefined) return byName.get(name)?.next() ?? all.next();
    const named = byId.get(wireId);
    // Some clients make up an id for the result of a call that had none.
    return named?.answered === false ? named : bareByName.get(name)?.next();
  }

  /** The call a result answers; it is not offered again. */
  answer(wireId: string | undefined, name = ''): { readonly id: string; readonly order: number } {
    const call = this.#find(wireId, name);
    if (call === undefined) {
      const id = wireId ?? `${MADE_ID}${hashText(`orphan\u0000${this.#orphans++}\u0000${name}`, 20)}`;
      return { id, order: Number.MAX_SAFE_INTEGER };
    }
    call.answered = true;
    return call;
  }

  /** A new model turn with calls: what was not answered before stays unanswered. */
  turn(): void {
    this.#open = new OpenCalls();
  }
}

interface Answer {
  readonly order: number;
  readonly part: ToolResultPart;
}

function roleOf(content: JsonObject, path: string): 'user' | 'assistant' {
  const role = asString(content['role']);
  switch (role) {
    case undefined:
    case '':
    case 'user':
    case 'function':
    case 'tool':
      return 'user';
    case 'model':
    case 'assistant':
      return 'assistant';
    default:
      throw badRequest(at(path, 'role'), `\`${at(path, 'role')}\` must be "user" or "model".`);
  }
}

/** A client that keeps Vertex's streamed pieces in its history sends `partialArgs` in place of `args`. */
function joined(
  wire: Extract<WirePart, { kind: 'call' }>,
  path: string,
): Extract<WirePart, { kind: 'call' }> {
  const inner = messageAt(wire.body, 'functionCall');
  if (wire.call.args !== undefined || inner?.['partialArgs'] === undefined) return wire;
  const args = new PartialArguments(undefined);
  try {
    args.take(inner['partialArgs']);
  } catch {
    throw badRequest(path, `The partialArgs of a functionCall in \`${path}\` cannot be put together.`);
  }
  return { ...wire, call: { ...wire.call, args: args.value } };
}

/**
 * Adds a model turn's parts to the turn before it. Google's own SDK keeps every chunk of a stream as a turn,
 * so a text or thought may be in pieces with its signature on an empty last one; together they are the part
 * that was signed.
 */
function joinPieces(parts: Part[], after: readonly Part[]): void {
  const last = parts.at(-1);
  const [next, ...rest] = after;
  const isText = last?.type === 'text' && next?.type === 'text';
  const isThought =
    last?.type === 'reasoning' &&
    next?.type === 'reasoning' &&
    !('redacted' in last) &&
    !('redacted' in next);
  const plain = last?.extensions === undefined && next?.extensions === undefined;
  if ((isText || isThought) && plain && last.signature === undefined) {
    parts[parts.length - 1] = { ...last, ...next, text: last.text + next.text } as Part;
    parts.push(...rest);
  } else parts.push(...after);
}

function isPiece(part: Part | undefined, type: 'text' | 'reasoning'): boolean {
  return (
    part?.type === type &&
    part.signature === undefined &&
    part.extensions === undefined &&
    !('redacted' in part)
  );
}

/**
 * A client may hand back the parts of all chunks in one list: pieces of a thought or text, then its signature on an empty
 * piece. Another vendor's signature holds for the whole, so the pieces become one part again; Google's own parts stay as
 * they came.
 */
function seal(parts: Part[]): void {
  const last = parts.at(-1);
  if ((last?.type !== 'reasoning' && last?.type !== 'text') || last.text !== '' || 'redacted' in last) return;
  if (last.signature === undefined || last.signature.issuer === 'gemini') return;
  let from = parts.length - 1;
  while (isPiece(parts[from - 1], last.type)) from--;
  const text = parts.slice(from).map((part) => ('text' in part ? part.text : ''));
  parts.splice(from, parts.length - from, { ...last, text: text.join('') });
}

interface Draft {
  readonly role: 'user' | 'assistant';
  readonly parts: Part[];
  readonly answers: Answer[];
  readonly extensions?: Extensions;
}

/** All results of one turn stand in one message, in call order, before other content (see `Message`). */
function finished({ role, parts, answers, extensions }: Draft): Message {
  const results = answers.sort((a, b) => a.order - b.order).map((answer) => answer.part);
  return { role, parts: [...results, ...parts], ...(extensions === undefined ? {} : { extensions }) };
}

class MessageReader {
  readonly #book = new CallBook();
  readonly #drafts: Draft[] = [];
  /** Where results since the last model turn go. */
  #answering: Draft | undefined;

  read(value: Json, path: string): void {
    const content = camelKeys(objectAt(value, path));
    const role = roleOf(content, path);
    const wire = listOf(content['parts']).map((part, i) => {
      if (typeof part === 'string') return decodePart({ text: part });
      return decodePart(camelKeys(objectAt(part, at(at(path, 'parts'), i))));
    });
    const goesOn = role === 'assistant' && this.#drafts.at(-1)?.role === 'assistant';
    if (role === 'assistant' && !goesOn && wire.some((part) => part.kind === 'call')) this.#book.turn();
    const unknown = unknownFields(content, CONTENT_FIELDS);
    const rest = unknown === undefined ? {} : { extensions: { gemini: unknown } };
    this.#add({ role, ...this.#parts(wire, path), ...rest });
  }

  #parts(wire: readonly WirePart[], path: string): Pick<Draft, 'parts' | 'answers'> {
    const parts: Part[] = [];
    const answers: Answer[] = [];
    for (const part of wire) {
      if (part.kind === 'part') {
        parts.push(part.part);
        seal(parts);
      } else if (part.kind === 'call') {
        if (part.call.name === '') throw badRequest(path, `A functionCall of \`${path}\` has no name.`);
        const id = this.#book.call(part.call.id, part.call.name);
        parts.push(callPart(joined(part, path), id, NO_CUSTOM));
      } else if (part.kind === 'result') {
        const { id, order } = this.#book.answer(part.id, part.part.name);
        answers.push({ order, part: { ...part.part, callId: id } });
      }
    }
    return { parts, answers };
  }

  #add(draft: Draft): void {
    const last = this.#drafts.at(-1);
    const { role, parts, answers } = draft;
    if (role === 'assistant') this.#answering = undefined;
    if (answers.length > 0 && this.#answering !== undefined) {
      for (const answer of answers) this.#answering.answers.push(answer);
      for (const part of parts) this.#answering.parts.push(part);
      return;
    }
    if (
      role === 'assistant' &&
      last?.role === 'assistant' &&
      draft.extensions === undefined &&
      answers.length === 0
    ) {
      joinPieces(last.parts, parts);
    } else if (parts.length > 0 || answers.length > 0) {
      this.#drafts.push(draft);
      if (answers.length > 0) this.#answering = draft;
    }
  }

  get messages(): readonly Message[] {
    return this.#drafts.map(finished);
  }
}

/** The turns of `contents`. A text alone is taken as one user turn. Throws `bad_request` naming the field. */
export function decodeContents(value: Json | undefined): readonly Message[] {
  const reader = new MessageReader();
  for (const [index, entry] of listOf(value).entries()) {
    const content = typeof entry === 'string' ? { role: 'user', parts: [{ text: entry }] } : entry;
    reader.read(content, at('contents', index));
  }
  return reader.messages;
}

/** `systemInstruction` as the leading system message; its role says nothing. */
export function decodeSystem(value: Json | undefined): readonly Message[] {
  if (value === undefined || value === null) return [];
  const content = typeof value === 'string' ? { parts: [{ text: value }] } : value;
  if (!isObject(content))
    throw badRequest('systemInstruction', '`systemInstruction` must be a Content object.');
  const parts: Part[] = [];
  for (const [i, entry] of listOf(content['parts']).entries()) {
    const body =
      typeof entry === 'string' ? { text: entry } : objectAt(entry, at('systemInstruction.parts', i));
    const part = decodePart(camelKeys(body));
    if (part.kind === 'part') parts.push(part.part);
  }
  return parts.length === 0 ? [] : [{ role: 'system', parts }];
}
