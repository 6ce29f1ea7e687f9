import type { ChatRequest, Message, Part } from '../model/index.ts';

/** What a target accepts as the id of a tool call. Limits as measured in WIRE §1.3. */
export interface IdRule {
  readonly maxLength: number;
  /** Characters allowed, tested one id at a time; absent: any. */
  readonly pattern?: RegExp;
  /** Ids must have exactly this many characters. */
  readonly exactLength?: number;
  /** What a re-written id begins with. */
  readonly prefix: string;
}

/** The known limits, by target. */
export const ID_RULES = {
  /** OpenAI Chat and most compatible vendors. */
  chat40: { maxLength: 40, prefix: 'call_' },
  /** OpenAI Responses. */
  responses64: { maxLength: 64, prefix: 'call_' },
  /** Anthropic Messages. */
  anthropic: { maxLength: 64, pattern: /^[a-zA-Z0-9_-]+$/, prefix: 'toolu_' },
  /** Bedrock Converse. */
  converse64: { maxLength: 64, pattern: /^[a-zA-Z0-9_.:-]+$/, prefix: 'tooluse_' },
  /** Mistral. */
  alnum9: { maxLength: 9, pattern: /^[a-zA-Z0-9]+$/, exactLength: 9, prefix: '' },
} as const satisfies Record<string, IdRule>;

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** 64 bits of mixing over UTF-16 units, in the manner of MurmurHash3's finaliser. Not for secrets. */
function mix64(text: string, seed: number): bigint {
  let high = 0x9e3779b9 ^ seed;
  let low = 0x85ebca6b ^ Math.imul(seed, 0x27d4eb2f);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    high = Math.imul(high ^ unit, 0x9e3779b1);
    low = Math.imul(low ^ unit, 0x5f356495);
    high ^= low >>> 15;
  }
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35);
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

/** `length` letters and digits that depend on `text` alone; 20 of them hold 119 bits. */
export function hashText(text: string, length: number): string {
  let value = (mix64(text, 1) << 64n) | mix64(text, 2);
  let out = '';
  while (out.length < length) {
    out += BASE62[Number(value % 62n)];
    value /= 62n;
  }
  return out;
}

/** Whether a target takes `id` as it is. */
export function fitsRule(id: string, rule: IdRule): boolean {
  if (id === '' || id.length > rule.maxLength) return false;
  if (rule.exactLength !== undefined && id.length !== rule.exactLength) return false;
  return rule.pattern === undefined || rule.pattern.test(id);
}

function rewritten(key: string, rule: IdRule): string {
  const room = (rule.exactLength ?? rule.maxLength) - rule.prefix.length;
  return rule.prefix + hashText(key, rule.exactLength === undefined ? Math.min(20, room) : room);
}

/** A one-way re-writing of ids; see {@link createIdMap}. */
export interface IdMap {
  /** The id as the target may see it. The same input gives the same output, also for ids not named beforehand. */
  to(id: string): string;
}

/**
 * Re-writes ids into a target's limits without state: an id that fits passes unchanged, any other becomes a hash of itself,
 * so the next request of the conversation gives the same id. `ids` are all ids of the conversation; no two of them
 * come out alike. For whole conversations use {@link fitToolIds}, which also separates ids that a vendor repeats.
 */
export function createIdMap(rule: IdRule, ids: Iterable<string>): IdMap {
  const known = new Map<string, string>();
  const taken = new Set<string>();
  const rest: string[] = [];
  for (const id of ids) {
    if (fitsRule(id, rule)) {
      known.set(id, id);
      taken.add(id);
    } else rest.push(id);
  }
  function to(id: string): string {
    const found = known.get(id);
    if (found !== undefined) return found;
    let made = fitsRule(id, rule) ? id : rewritten(id, rule);
    for (let turn = 1; taken.has(made); turn++) made = rewritten(`${id}\u0000${turn}`, rule);
    known.set(id, made);
    taken.add(made);
    return made;
  }
  for (const id of rest) to(id);
  return { to };
}

/** Ids of all tool calls of a conversation, in order; empty ids left out. */
export function callIds(messages: readonly Message[]): string[] {
  const ids: string[] = [];
  for (const { parts } of messages) {
    for (const part of parts) if (part.type === 'tool_call' && part.id !== '') ids.push(part.id);
  }
  return ids;
}

interface Call {
  readonly turn: number;
  readonly name: string;
  readonly id: string;
}

/** Finds the call that a result answers, also where a vendor repeats ids (`call_0` in each turn, WIRE §1.3). */
class CallLinks {
  readonly #open = new Map<string, Call[]>();
  readonly #last = new Map<string, Call>();

  add(wireId: string, call: Call): void {
    const open = this.#open.get(wireId);
    if (open?.[0]?.turn === call.turn) open.push(call);
    else this.#open.set(wireId, [call]);
    this.#last.set(wireId, call);
  }

  answer(wireId: string): Call | undefined {
    return this.#open.get(wireId)?.shift() ?? this.#last.get(wireId);
  }
}

/**
 * A conversation whose call ids fit `rule` and are unique, results re-linked to their calls and named after them. Messages
 * that need no change are returned as they are. An id that repeats in a later call becomes a hash of the id and its
 * occurrence; a missing id becomes a hash of its position and the tool's name. Deterministic, no state.
 */
export function fitToolIds(messages: readonly Message[], rule: IdRule): readonly Message[] {
  const map = createIdMap(rule, callIds(messages));
  const seen = new Map<string, number>();
  const links = new CallLinks();
  let position = 0;

  function nextId(id: string, name: string): string {
    position++;
    if (id === '') return map.to(`\u0000${position}\u0000${name}`);
    const count = seen.get(id) ?? 0;
    seen.set(id, count + 1);
    return count === 0 ? map.to(id) : map.to(`${id}\u0000again${count}`.padEnd(rule.maxLength + 1, '\u0000'));
  }

  function rewrite(part: Part, turn: number): Part {
    if (part.type === 'tool_call') {
      const id = nextId(part.id, part.name);
      links.add(part.id, { turn, name: part.name, id });
      return id === part.id ? part : { ...part, id };
    }
    if (part.type !== 'tool_result') return part;
    const call = links.answer(part.callId);
    const callId = call?.id ?? map.to(part.callId);
    const name = part.name ?? call?.name;
    if (callId === part.callId && name === part.name) return part;
    return { ...part, callId, ...(name === undefined ? {} : { name }) };
  }

  return messages.map((message, turn) => {
    const parts = message.parts.map((part) => rewrite(part, turn));
    return parts.every((part, i) => part === message.parts[i]) ? message : { ...message, parts };
  });
}

/** Makes ids for answers of formats that have none (Gemini, Ollama). */
export interface IdSource {
  /** A new id, different from every id of the conversation and from all made before. */
  next(name: string): string;
}

/**
 * Ids from the number of the call in the conversation, its name and `seed` (the answer's own id, where it has one), so
 * that decoding the same bytes twice gives the same ids. Begin with `prefix`, 25 characters with the default.
 */
export function createIdSource(
  request: Pick<ChatRequest, 'messages'> | undefined,
  seed = '',
  prefix = 'call_',
): IdSource {
  const used = new Set(request === undefined ? [] : callIds(request.messages));
  let position = used.size;
  return {
    next(name) {
      for (;;) {
        const id = prefix + hashText(`${seed}\u0000${position++}\u0000${name}`, 20);
        if (used.has(id)) continue;
        used.add(id);
        return id;
      }
    },
  };
}
