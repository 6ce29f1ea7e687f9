import { isObject, type JsonObject, type PartHead, type StreamEvent } from '../../core/model/index.ts';
import type { IdSource } from '../../core/translation/tool-ids.ts';
import { asObject, asString, camelKeys, listOf } from './aliases.ts';
import { malformed } from './errors.ts';
import { decodeFinish } from './finish.ts';
import { decodeGrounding, decodeLogprobs } from './grounding.ts';
import { callPart, decodePart, type WirePart } from './part-decode.ts';
import { PartialArguments } from './partial-args.ts';
import { candidateExtras } from './response.ts';

type WireCall = Extract<WirePart, { kind: 'call' }>;
type PlainPart = Extract<WirePart, { kind: 'part' }>['part'];

interface OpenText {
  readonly part: number;
  readonly type: 'text' | 'reasoning';
  /** A signature ended it: text that follows is another part, but citations may still come. */
  sealed: boolean;
  extensions: JsonObject | undefined;
}

interface OpenCall {
  readonly part: number;
  readonly first: WireCall;
  readonly id: string;
  readonly args: PartialArguments;
}

/** The events of one candidate, from its pieces in the chunks of a stream. */
export class CandidateStream {
  readonly #choice: number;
  readonly #ids: IdSource;
  readonly #custom: ReadonlySet<string>;
  #parts = 0;
  #text: OpenText | undefined;
  #call: OpenCall | undefined;
  #hasCalls = false;
  #extras: JsonObject | undefined;
  /** Visible texts by part, for the byte offsets of citations. */
  readonly #visible = new Map<number, string>();
  finished = false;

  constructor(choice: number, ids: IdSource, custom: ReadonlySet<string>) {
    this.#choice = choice;
    this.#ids = ids;
    this.#custom = custom;
  }

  /** Takes the parts of one chunk; returns how many pictures they held. Throws `upstream_malformed`. */
  push(candidate: JsonObject, out: StreamEvent[]): number {
    const extras = candidateExtras(candidate);
    if (extras !== undefined) this.#extras = { ...this.#extras, ...extras };
    const logprobs = decodeLogprobs(candidate['logprobsResult']);
    let images = 0;
    for (const entry of listOf(asObject(candidate['content'])?.['parts'])) {
      if (!isObject(entry)) throw malformed('a part is not an object');
      if (this.finished) continue;
      const wire = decodePart(camelKeys(entry));
      if (wire.kind === 'call') this.#callPiece(wire, out);
      else if (wire.kind === 'part') {
        if (wire.part.type === 'image') images++;
        this.#plain(wire.part, out);
      } else if (wire.kind === 'result') {
        this.#whole(
          { type: 'opaque', format: 'gemini', label: 'functionResponse', value: entry },
          undefined,
          out,
        );
      }
    }
    if (logprobs !== undefined) out.push({ type: 'logprobs', choice: this.#choice, logprobs });
    return images;
  }

  /** The chunk had a finish reason. */
  finish(candidate: JsonObject, late: JsonObject, out: StreamEvent[]): void {
    if (this.finished) return;
    this.finished = true;
    const raw = asString(candidate['finishReason']);
    if (this.#call !== undefined) this.#cutCall(raw, out);
    this.#cite(out);
    this.#closeText(out);
    const extras = { ...this.#extras, ...late };
    out.push({
      type: 'finish',
      choice: this.#choice,
      finish: decodeFinish(raw, this.#hasCalls, candidate['finishMessage']),
      ...(Object.keys(extras).length === 0 ? {} : { extensions: { gemini: extras } }),
    });
  }

  #open(head: PartHead, out: StreamEvent[]): number {
    const part = this.#parts++;
    out.push({ type: 'part_start', choice: this.#choice, part, head });
    return part;
  }

  #plain(wire: PlainPart, out: StreamEvent[]): void {
    if (this.#call !== undefined) throw malformed('a function call was left unfinished');
    if (wire.type === 'text' || wire.type === 'reasoning') {
      if (wire.type === 'reasoning' && wire.redacted !== undefined) {
        this.#whole({ type: 'reasoning', redacted: wire.redacted }, undefined, out);
      } else this.#textPiece(wire, out);
      return;
    }
    const { signature, extensions, ...head } = wire as PlainPart & { signature?: never };
    const piece = { signature, extensions: extensions?.gemini };
    this.#whole(head as PartHead, piece, out);
  }

  #whole(
    head: PartHead,
    rest: { readonly signature?: unknown; readonly extensions?: JsonObject | undefined } | undefined,
    out: StreamEvent[],
  ): void {
    this.#closeText(out);
    const part = this.#open(head, out);
    if (rest?.signature !== undefined) {
      const signature = rest.signature as Extract<StreamEvent, { type: 'signature' }>['signature'];
      out.push({ type: 'signature', choice: this.#choice, part, signature });
    }
    this.#end(part, rest?.extensions, out);
  }

  #end(part: number, extensions: JsonObject | undefined, out: StreamEvent[]): void {
    out.push({
      type: 'part_end',
      choice: this.#choice,
      part,
      ...(extensions === undefined ? {} : { extensions: { gemini: extensions } }),
    });
  }

  /** Consecutive pieces of text are one part until a signature closes it or another kind of part comes. */
  #textPiece(wire: Extract<PlainPart, { type: 'text' | 'reasoning' }>, out: StreamEvent[]): void {
    let open = this.#text;
    const continues = open?.type === wire.type && !open.sealed;
    if (open === undefined || !continues) {
      this.#closeText(out);
      const id = wire.type === 'reasoning' && wire.id !== undefined ? { id: wire.id } : {};
      const head: PartHead = wire.type === 'text' ? { type: 'text' } : { type: 'reasoning', ...id };
      open = { part: this.#open(head, out), type: wire.type, sealed: false, extensions: undefined };
      this.#text = open;
    }
    const { part } = open;
    if (wire.text !== '') {
      out.push({ type: 'delta', choice: this.#choice, part, text: wire.text });
      if (wire.type === 'text') this.#visible.set(part, (this.#visible.get(part) ?? '') + wire.text);
    }
    const extra = wire.extensions?.gemini;
    if (extra !== undefined) open.extensions = { ...open.extensions, ...extra };
    if (wire.signature !== undefined) {
      out.push({ type: 'signature', choice: this.#choice, part, signature: wire.signature });
      open.sealed = true;
    }
  }

  #closeText(out: StreamEvent[]): void {
    if (this.#text === undefined) return;
    this.#end(this.#text.part, this.#text.extensions, out);
    this.#text = undefined;
  }

  /** Citations come with the end; those of a part already closed stand on the open one, without offsets. */
  #cite(out: StreamEvent[]): void {
    const open = this.#text;
    if (open?.type !== 'text') return;
    const texts = [...this.#visible].map(([part, text]) => ({ part, text }));
    for (const placed of decodeGrounding(this.#extras?.['groundingMetadata'], texts)) {
      const { start: _, end: __, ...source } = placed.citation;
      const citation = placed.part === open.part ? placed.citation : source;
      out.push({ type: 'citation', choice: this.#choice, part: open.part, citation });
    }
  }

  #callPiece(wire: WireCall, out: StreamEvent[]): void {
    this.#closeText(out);
    const inner = camelKeys(asObject(wire.body['functionCall']) ?? {});
    const goesOn = inner['willContinue'] === true;
    const open = this.#call;
    if (open === undefined) {
      if (wire.call.name === '') throw malformed('a function call has no name');
      this.#startCall(wire, { goesOn, pieces: inner }, out);
      return;
    }
    if (wire.call.name !== '' && wire.call.name !== open.first.call.name) {
      throw malformed('a function call was left unfinished');
    }
    open.args.take(inner['partialArgs']);
    if (!goesOn) this.#endCall(open, out);
  }

  #startCall(
    wire: WireCall,
    piece: { readonly goesOn: boolean; readonly pieces: JsonObject },
    out: StreamEvent[],
  ): void {
    this.#hasCalls = true;
    const id = wire.call.id || this.#ids.next(wire.call.name);
    const { name, kind, signature } = callPart(wire, id, this.#custom);
    const part = this.#open({ type: 'tool_call', id, name, kind }, out);
    if (signature !== undefined) out.push({ type: 'signature', choice: this.#choice, part, signature });
    const streamed = piece.goesOn || piece.pieces['partialArgs'] !== undefined;
    if (!streamed) {
      this.#arguments(wire, { part, id }, out);
      return;
    }
    const args = new PartialArguments(wire.call.args);
    args.take(piece.pieces['partialArgs']);
    this.#call = { part, first: wire, id, args };
    if (!piece.goesOn) this.#endCall(this.#call, out);
  }

  #arguments(wire: WireCall, at: { readonly part: number; readonly id: string }, out: StreamEvent[]): void {
    const whole = callPart(wire, at.id, this.#custom);
    const text = whole.arguments;
    if (text !== '') out.push({ type: 'delta', choice: this.#choice, part: at.part, text });
    this.#end(at.part, whole.extensions?.gemini, out);
  }

  #endCall(open: OpenCall, out: StreamEvent[]): void {
    const { first, part, id } = open;
    const wire: WireCall = { ...first, call: { ...first.call, args: open.args.value } };
    this.#arguments(wire, { part, id }, out);
    this.#call = undefined;
  }

  /**
   * Only a length limit may break a call off: its text then lacks the last brace, so that nobody takes it for
   * whole.
   */
  #cutCall(raw: string | undefined, out: StreamEvent[]): void {
    const open = this.#call;
    if (open === undefined) return;
    if (raw === 'STOP') throw malformed('a function call was left unfinished');
    const text = JSON.stringify(open.args.value).slice(0, -1);
    out.push({ type: 'delta', choice: this.#choice, part: open.part, text });
    this.#end(open.part, undefined, out);
    this.#call = undefined;
  }
}
