import type { ChatRequest, Message, OutputPart, Part, ReasoningPart, ToolCallPart } from '../model/index.ts';

/** A thought and what stood before it since the tool call before: characters of text, and parts of other kinds. */
interface Placed {
  readonly part: ReasoningPart;
  readonly text: number;
  readonly others: number;
}

/** What belongs to one tool call and a client may have dropped: the thoughts before it and the state on it. */
interface Remembered {
  readonly reasoning: readonly Placed[];
  readonly call: Pick<ToolCallPart, 'signature' | 'itemId'>;
  readonly bytes: number;
  readonly expiresAt: number;
}

/** Bounds of a {@link ReasoningMemory}. */
export interface ReasoningMemoryLimits {
  readonly maxBytes: number;
  /** How long an entry is kept; an agent's turn is rarely longer. */
  readonly ttlMs: number;
}

/** Bytes an entry costs besides its text. */
const ENTRY_BYTES = 200;

/** Arguments without what a client that hands them back as an object cannot keep: blanks, the notation of numbers. */
function plainArguments({ arguments: text }: ToolCallPart): string {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return text === '' ? '{}' : text;
  }
}

function keyOf(scope: string, call: ToolCallPart): string {
  // The arguments are part of the key because ids of vendors without ids repeat over conversations.
  return JSON.stringify([scope, call.id, call.name, plainArguments(call)]);
}

function sizeOf(reasoning: readonly Placed[], call: ToolCallPart): number {
  let size = ENTRY_BYTES + call.arguments.length + (call.signature?.value.length ?? 0);
  for (const { part } of reasoning) {
    size += part.text.length + (part.signature?.value.length ?? 0) + (part.redacted?.length ?? 0);
  }
  return size;
}

function isCall(part: Part): part is ToolCallPart {
  return part.type === 'tool_call';
}

/**
 * What stands before a call, with the thoughts where they stood: Claude refuses a turn of a tool loop that begins with text
 * when thinking came first. Clients may have joined the texts around a thought into one, or left parts out.
 */
function woven(parts: readonly Part[], thoughts: readonly Placed[]): Part[] {
  const out: Part[] = [];
  const present = parts.filter((part) => part.type !== 'text').length;
  let [next, text, others] = [0, 0, 0];
  const place = () => {
    for (let due = thoughts[next]; due !== undefined; due = thoughts[next]) {
      if (due.text > text || Math.min(due.others, present) > others) return;
      out.push(due.part);
      next++;
    }
  };
  for (const part of parts) {
    place();
    if (part.type !== 'text') {
      out.push(part);
      others++;
      continue;
    }
    let rest = part;
    for (let due = thoughts[next]; due !== undefined; due = thoughts[next]) {
      const cut = due.text - text;
      if (cut <= 0 || cut >= rest.text.length) break;
      const { cache: _, ...head } = rest;
      out.push({ ...head, text: rest.text.slice(0, cut) });
      rest = { ...rest, text: rest.text.slice(cut) };
      text = due.text;
      place();
      if (thoughts[next] === due) break;
    }
    out.push(rest);
    text += rest.text.length;
  }
  return [...out, ...thoughts.slice(next).map(({ part }) => part)];
}

/**
 * Short-lived memory of reasoning, keyed by tool call, for clients that drop fields they do not know: Claude, Gemini 3 and
 * DeepSeek refuse the next turn of a tool loop without it (WIRE §2.1, "reasoning replay"). Bounded in bytes and time; the
 * oldest entries go first. `scope` keeps callers apart.
 */
export class ReasoningMemory {
  readonly #limits: ReasoningMemoryLimits;
  readonly #entries = new Map<string, Remembered>();
  #bytes = 0;

  constructor(limits: ReasoningMemoryLimits) {
    this.#limits = limits;
  }

  /** Bytes held, for metrics. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps what stands before and on each tool call of an answer. */
  remember(scope: string, parts: readonly OutputPart[], now: number): void {
    let reasoning: Placed[] = [];
    let [text, others] = [0, 0];
    for (const part of parts) {
      if (part.type === 'reasoning') reasoning.push({ part, text, others });
      else if (part.type === 'text') text += part.text.length;
      else if (part.type !== 'tool_call') others++;
      else {
        if (reasoning.length > 0 || part.signature !== undefined)
          this.#put(keyOf(scope, part), reasoning, { part, now });
        reasoning = [];
        [text, others] = [0, 0];
      }
    }
  }

  /** The request with remembered reasoning put back where the client dropped it; the same object when there is none. */
  restore(scope: string, request: ChatRequest, now: number): ChatRequest {
    if (this.#entries.size === 0) return request;
    let changed = false;
    const messages = request.messages.map((message) => {
      const restored = this.#restoreMessage(scope, message, now);
      changed ||= restored !== message;
      return restored;
    });
    return changed ? { ...request, messages } : request;
  }

  /**
   * What was delivered wins over what came back: some SDK helpers keep only the last piece of a streamed thought, beside a
   * signature that no longer fits.
   */
  #restoreMessage(scope: string, message: Message, now: number): Message {
    if (message.role !== 'assistant') return message;
    const found = new Map<Part, Remembered>();
    for (const part of message.parts) {
      const remembered = isCall(part) ? this.#get(keyOf(scope, part), now) : undefined;
      if (remembered !== undefined) found.set(part, remembered);
    }
    if (found.size === 0) return message;
    const replaced = [...found.values()].some(({ reasoning }) => reasoning.length > 0);
    const parts: Part[] = [];
    let before: Part[] = [];
    for (const part of message.parts) {
      const remembered = found.get(part);
      if (part.type === 'reasoning' && replaced) continue;
      if (!isCall(part)) before.push(part);
      else {
        parts.push(...woven(before, remembered?.reasoning ?? []), { ...remembered?.call, ...part });
        before = [];
      }
    }
    return { ...message, parts: [...parts, ...before] };
  }

  #put(key: string, reasoning: readonly Placed[], { part, now }: { part: ToolCallPart; now: number }): void {
    this.#drop(key);
    const call = {
      ...(part.signature === undefined ? {} : { signature: part.signature }),
      ...(part.itemId === undefined ? {} : { itemId: part.itemId }),
    };
    const bytes = key.length + sizeOf(reasoning, part);
    if (bytes > this.#limits.maxBytes) return;
    this.#entries.set(key, { reasoning, call, bytes, expiresAt: now + this.#limits.ttlMs });
    this.#bytes += bytes;
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#limits.maxBytes && entry.expiresAt > now) break;
      this.#drop(oldest);
    }
  }

  #get(key: string, now: number): Remembered | undefined {
    const found = this.#entries.get(key);
    if (found === undefined || found.expiresAt > now) return found;
    this.#drop(key);
    return undefined;
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
