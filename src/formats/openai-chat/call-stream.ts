import type { Json, JsonObject, Signature, StreamEvent } from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
import type { IdSource } from '../../core/translation/tool-ids.ts';
import { argumentsText, customInput } from './calls.ts';
import { signatureIn } from './reasoning-details.ts';

/** One call being streamed. */
interface Call {
  /** `index` on the wire, or a place of our own where the vendor sends none. */
  readonly key: number;
  /** Id on the wire; may come late. */
  id: string;
  name: string;
  text: string;
  part: number;
  kind: 'function' | 'custom';
  /** A custom tool that was sent as a function: its free text is known when its JSON has ended. */
  bridged: boolean;
  signature: Signature | undefined;
}

/** What a choice's calls need of the choice they belong to. */
export interface CallHost {
  readonly choice: number;
  readonly ids: IdSource;
  /** Names of custom tools of the request. */
  readonly customTools: ReadonlySet<string>;
  /** Closes what a call ends (text, reasoning) and gives the next part number. */
  nextPart(out: StreamEvent[]): number;
}

function isComplete(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Puts streamed tool calls together, whatever the vendor leaves out (WIRE §1.2): `index` missing or always 0, whole
 * calls per delta, ids repeated, absent or changing per chunk, names repeated in full. Calls stay open side by side.
 */
export class CallStream {
  readonly calls: Call[] = [];
  readonly #host: CallHost;

  constructor(host: CallHost) {
    this.#host = host;
  }

  /** One entry of `delta.tool_calls`; `position` is its place in the array. */
  take(delta: JsonObject, position: number, out: StreamEvent[]): void {
    const isCustom = isObject(delta['custom']);
    const inner = delta[isCustom ? 'custom' : 'function'];
    const body: JsonObject = isObject(inner) ? inner : {};
    const id = typeof delta['id'] === 'string' ? delta['id'] : '';
    const name = typeof body['name'] === 'string' ? body['name'] : '';
    const text = argumentsText(body[isCustom ? 'input' : 'arguments']);
    const call = this.#find(delta['index'], { id, name, position }) ?? this.#add(delta['index']);
    if (isCustom) call.kind = 'custom';
    if (call.id === '') call.id = id;
    if (call.name === '') call.name = name;
    if (call.part < 0 && call.name !== '') this.#open(call, out);
    this.#append(call, text, out);
    const signature = signatureIn(delta['extra_content']);
    if (signature !== undefined) this.sign(call, signature, out);
  }

  /** The call with this id on the wire. */
  byId(id: string): Call | undefined {
    return this.calls.find((call) => call.id === id);
  }

  sign(call: Call, signature: Signature, out: StreamEvent[]): void {
    call.signature = signature;
    if (call.part >= 0)
      out.push({ type: 'signature', choice: this.#host.choice, part: call.part, signature });
  }

  /** Ends every call; a call that never got a name is passed on without one. */
  close(out: StreamEvent[]): void {
    const { choice } = this.#host;
    for (const call of this.calls) {
      if (call.part < 0) this.#open(call, out);
      const { part } = call;
      if (call.bridged) out.push({ type: 'delta', choice, part, text: customInput(call.text) });
      out.push({ type: 'part_end', choice, part });
    }
  }

  #find(index: Json | undefined, given: { id: string; name: string; position: number }): Call | undefined {
    const key = toNumber(index);
    if (typeof key === 'number') {
      const call = this.calls.findLast((open) => open.key === key);
      return call !== undefined && this.#continues(call, given) ? call : undefined;
    }
    const { id, name } = given;
    if (id !== '') {
      const same = this.byId(id);
      if (same !== undefined) return same;
    }
    const last = this.calls.at(-1);
    // Without index, several entries of one delta that bring names are calls of their own (Mistral).
    if (last === undefined || (name !== '' && given.position > 0)) return undefined;
    return this.#continues(last, given) ? last : undefined;
  }

  /** Whether a delta goes on with `call`; another id or name begins a new call unless it repeats an unfinished one. */
  #continues(call: Call, { id, name }: { id: string; name: string }): boolean {
    if (name === '' || call.name === '') return true;
    if (id !== '' && id === call.id) return true;
    if (name !== call.name) return false;
    if (id === '') return call.text === '' || !isComplete(call.text);
    return call.kind === 'function' && !isComplete(call.text);
  }

  #add(index: Json | undefined): Call {
    const wire = toNumber(index);
    const key = typeof wire === 'number' ? wire : this.calls.length;
    const call: Call = {
      key,
      id: '',
      name: '',
      text: '',
      part: -1,
      kind: 'function',
      bridged: false,
      signature: undefined,
    };
    this.calls.push(call);
    return call;
  }

  #open(call: Call, out: StreamEvent[]): void {
    const { choice, ids, customTools } = this.#host;
    call.part = this.#host.nextPart(out);
    call.bridged = call.kind === 'function' && customTools.has(call.name);
    // Some servers number the calls of each answer from 0, or all of them 0: whoever answers must be able to tell them apart.
    const isTaken = this.calls.some((other) => other !== call && other.part >= 0 && other.id === call.id);
    const id = call.id === '' || isTaken ? ids.next(call.name) : call.id;
    const kind = call.bridged ? 'custom' : call.kind;
    out.push({
      type: 'part_start',
      choice,
      part: call.part,
      head: { type: 'tool_call', id, name: call.name, kind },
    });
    if (call.text !== '' && !call.bridged)
      out.push({ type: 'delta', choice, part: call.part, text: call.text });
    if (call.signature !== undefined) this.sign(call, call.signature, out);
  }

  #append(call: Call, text: string, out: StreamEvent[]): void {
    if (text === '') return;
    call.text += text;
    if (call.part >= 0 && !call.bridged) {
      out.push({ type: 'delta', choice: this.#host.choice, part: call.part, text });
    }
  }
}
