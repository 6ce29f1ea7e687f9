import type {
  Citation,
  Finish,
  Json,
  JsonObject,
  PartHead,
  Signature,
  StreamEvent,
} from '../../core/model/index.ts';
import { isObject } from '../../core/model/index.ts';
import type { IdSource } from '../../core/translation/tool-ids.ts';
import { CallStream } from './call-stream.ts';
import { decodeCitations } from './citations.ts';
import { issuerOfFormat } from './detail-formats.ts';
import { type Content, decodeFinish } from './finish.ts';
import { outputMedia } from './messages-decode.ts';
import { extensionsOf, thinkingText } from './parts-decode.ts';
import { signatureIn } from './reasoning-details.ts';

const NONE = -1;

/** The parts of one choice of a stream; writes events in the order of the `StreamEvent` contract. */
export class ChoiceStream {
  /** Number of the choice. */
  readonly index: number;
  readonly #calls: CallStream;
  /** Finish word of the upstream, held until the stream has properly ended: some vendors send content after it. */
  word: string | undefined;
  /** Choice fields without a canonical word, from the chunk that finished it. */
  rest: JsonObject | undefined;
  /** Sources listed for the whole answer (Perplexity); the last list counts. */
  flat: readonly Citation[] = [];
  #next = 0;
  #text = NONE;
  #textParts = 0;
  #cited = false;
  #refusal = NONE;
  #hasRefusal = false;
  #reasoning = NONE;
  #reasoningText = '';
  #reasoningKey: Json | undefined;
  #reasoningSigned = false;
  /** Signatures that name a call which has not come yet. */
  readonly #callSignatures = new Map<string, Signature>();
  #audio: JsonObject | undefined;

  constructor(choice: number, ids: IdSource, customTools: ReadonlySet<string>) {
    this.index = choice;
    this.#calls = new CallStream({
      choice,
      ids,
      customTools,
      nextPart: (out) => {
        this.#closeReasoning(out);
        this.#closeText(out);
        return this.#next++;
      },
    });
  }

  /** One `delta` (or `message`, for vendors that call it so). */
  take(delta: JsonObject, out: StreamEvent[]): void {
    const thought = delta['reasoning_content'] ?? delta['reasoning'];
    const text = typeof thought === 'string' ? thought : '';
    const details = delta['reasoning_details'];
    if (Array.isArray(details) && details.length > 0) this.#details(details, text, out);
    else if (text !== '') this.#think(text, out);
    const { content } = delta;
    if (typeof content === 'string') {
      if (content !== '') this.#write(content, out);
    } else if (Array.isArray(content)) this.#pieces(content, out);
    if (typeof delta['refusal'] === 'string' && delta['refusal'] !== '') this.#refuse(delta['refusal'], out);
    if (Array.isArray(delta['annotations'])) this.#cite(decodeCitations(delta['annotations']), out);
    if (Array.isArray(delta['tool_calls'])) this.#callDeltas(delta['tool_calls'], out);
    else if (isObject(delta['function_call'])) {
      this.#calls.take({ index: 0, function: delta['function_call'] }, 0, out);
    }
    if (Array.isArray(delta['images'])) {
      for (const part of outputMedia({ images: delta['images'] })) this.#whole(part, out);
    }
    if (isObject(delta['audio'])) this.#hear(delta['audio']);
    if (delta['extra_content'] !== undefined) this.#sign(signatureIn(delta['extra_content']), out);
  }

  /** Ends every part and the choice. */
  finish(out: StreamEvent[]): void {
    for (const signature of this.#callSignatures.values()) this.#signThought(signature, undefined, out);
    this.#closeReasoning(out);
    if (this.flat.length > 0 && !this.#cited && this.#text !== NONE) this.#cite(this.flat, out);
    this.#closeText(out);
    if (this.#refusal !== NONE) this.#end(this.#refusal, out);
    this.#calls.close(out);
    if (this.#audio !== undefined) {
      for (const part of outputMedia({ audio: this.#audio })) this.#whole(part, out);
    }
    const finish: Finish = decodeFinish(this.word, this.content());
    out.push({ type: 'finish', choice: this.index, finish, ...extensionsOf(this.rest) });
  }

  content(): Content {
    return { hasCalls: this.#calls.calls.length > 0, hasRefusal: this.#hasRefusal };
  }

  #start(head: PartHead, out: StreamEvent[]): number {
    const part = this.#next++;
    out.push({ type: 'part_start', choice: this.index, part, head });
    return part;
  }

  #end(part: number, out: StreamEvent[]): void {
    out.push({ type: 'part_end', choice: this.index, part });
  }

  #whole(part: PartHead, out: StreamEvent[]): void {
    this.#end(this.#start(part, out), out);
  }

  #closeReasoning(out: StreamEvent[]): void {
    if (this.#reasoning === NONE) return;
    this.#end(this.#reasoning, out);
    this.#reasoning = NONE;
    this.#reasoningText = '';
    this.#reasoningKey = undefined;
    this.#reasoningSigned = false;
  }

  #closeText(out: StreamEvent[]): void {
    if (this.#text === NONE) return;
    this.#end(this.#text, out);
    this.#text = NONE;
  }

  #openText(out: StreamEvent[]): number {
    if (this.#text === NONE) {
      this.#closeReasoning(out);
      this.#text = this.#start({ type: 'text' }, out);
      this.#textParts++;
    }
    return this.#text;
  }

  #write(text: string, out: StreamEvent[]): void {
    out.push({ type: 'delta', choice: this.index, part: this.#openText(out), text });
  }

  #refuse(text: string, out: StreamEvent[]): void {
    if (this.#refusal === NONE) {
      this.#closeReasoning(out);
      this.#closeText(out);
      this.#hasRefusal = true;
      this.#refusal = this.#start({ type: 'refusal' }, out);
    }
    out.push({ type: 'delta', choice: this.index, part: this.#refusal, text });
  }

  #openReasoning(out: StreamEvent[], id?: Json): void {
    if (this.#reasoning !== NONE) return;
    this.#closeText(out);
    this.#reasoning = this.#start({ type: 'reasoning', ...(typeof id === 'string' ? { id } : {}) }, out);
  }

  #think(text: string, out: StreamEvent[], id?: Json): void {
    // A signature ends what it signs: text after it is another thought.
    if (this.#reasoningSigned) this.#closeReasoning(out);
    this.#openReasoning(out, id);
    this.#reasoningText += text;
    out.push({ type: 'delta', choice: this.index, part: this.#reasoning, text });
  }

  #signThought(signature: Signature, id: Json | undefined, out: StreamEvent[]): void {
    if (this.#reasoningSigned) this.#closeReasoning(out);
    this.#openReasoning(out, id);
    this.#reasoningSigned = true;
    out.push({ type: 'signature', choice: this.index, part: this.#reasoning, signature });
  }

  /** `reasoning_details` with the text of the same chunk, which they repeat when they hold text themselves. */
  #details(details: readonly Json[], text: string, out: StreamEvent[]): void {
    const entries = details.filter(isObject);
    const hasText = entries.some((entry) => typeof (entry['text'] ?? entry['summary']) === 'string');
    if (!hasText && text !== '') this.#think(text, out);
    // Our own encoder repeats a later thought's text beside its signature, and not in `reasoning_content`.
    const repeats =
      text === '' && entries.some((entry) => (entry['signature'] ?? entry['data']) !== undefined);
    for (const entry of entries) this.#detail(entry, repeats, out);
  }

  #detail(entry: JsonObject, repeats: boolean, out: StreamEvent[]): void {
    const { format, id, index } = entry as { format?: Json; id?: Json; index?: Json };
    const issuer = issuerOfFormat(format);
    const isKeyed = this.#reasoning !== NONE && this.#reasoningKey !== undefined && index !== undefined;
    if (isKeyed && this.#reasoningKey !== index) this.#closeReasoning(out);
    const text = entry['text'] ?? entry['summary'];
    const isRepeat = repeats && text === this.#reasoningText;
    if (typeof text === 'string' && text !== '' && !isRepeat) this.#think(text, out, id);
    const data = entry['signature'] ?? entry['data'];
    if (typeof data === 'string' && data !== '') {
      this.#opaque({ signature: { issuer, value: data }, isEncrypted: entry['data'] === data, id }, out);
    }
    if (this.#reasoning !== NONE) this.#reasoningKey = index;
  }

  #opaque(
    state: { signature: Signature; isEncrypted: boolean; id: Json | undefined },
    out: StreamEvent[],
  ): void {
    const { signature, isEncrypted, id } = state;
    if (isEncrypted && signature.issuer === 'claude') {
      this.#closeReasoning(out);
      this.#closeText(out);
      this.#whole({ type: 'reasoning', redacted: signature.value }, out);
      return;
    }
    const call = isEncrypted && typeof id === 'string' ? this.#calls.byId(id) : undefined;
    if (call !== undefined) this.#calls.sign(call, signature, out);
    else if (isEncrypted && typeof id === 'string' && signature.issuer === 'gemini') {
      this.#callSignatures.set(id, signature);
    } else this.#signThought(signature, id, out);
  }

  #callDeltas(deltas: readonly Json[], out: StreamEvent[]): void {
    for (const [position, delta] of deltas.entries()) {
      if (isObject(delta)) this.#calls.take(delta, position, out);
    }
    for (const [id, signature] of this.#callSignatures) {
      const call = this.#calls.byId(id);
      if (call === undefined) continue;
      this.#calls.sign(call, signature, out);
      this.#callSignatures.delete(id);
    }
  }

  /** `content` as an array: Mistral's thinking, text and references. */
  #pieces(pieces: readonly Json[], out: StreamEvent[]): void {
    for (const piece of pieces) {
      if (!isObject(piece)) continue;
      if (piece['type'] === 'thinking') {
        const text = thinkingText(piece['thinking']);
        if (text !== '') this.#think(text, out);
      } else if (piece['type'] === 'reference' && Array.isArray(piece['reference_ids'])) {
        const cited = piece['reference_ids'].map(
          (id): Citation => ({ kind: 'document', documentId: String(id) }),
        );
        this.#cite(cited, out);
      } else if (typeof piece['text'] === 'string' && piece['text'] !== '') this.#write(piece['text'], out);
    }
  }

  #cite(citations: readonly Citation[], out: StreamEvent[]): void {
    if (citations.length === 0) return;
    this.#cited = true;
    const part = this.#openText(out);
    for (const citation of citations) out.push({ type: 'citation', choice: this.index, part, citation });
  }

  /** A signature on the message: on its text, else its first call, else its reasoning. */
  #sign(signature: Signature | undefined, out: StreamEvent[]): void {
    if (signature === undefined) return;
    const [call] = this.#calls.calls;
    if (this.#text !== NONE) out.push({ type: 'signature', choice: this.index, part: this.#text, signature });
    else if (call !== undefined && call.signature === undefined && this.#textParts === 0) {
      this.#calls.sign(call, signature, out);
    } else this.#signThought(signature, undefined, out);
  }

  /** Sound comes in pieces of base64; it is one part at the end. */
  #hear(audio: JsonObject): void {
    this.#audio ??= {};
    for (const [key, value] of Object.entries(audio)) {
      const before = this.#audio[key];
      const grows = key === 'data' || key === 'transcript';
      this.#audio[key] =
        grows && typeof before === 'string' && typeof value === 'string' ? before + value : value;
    }
  }
}
