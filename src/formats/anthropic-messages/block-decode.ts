import {
  isObject,
  type Json,
  type JsonObject,
  type PartHead,
  type StreamEvent,
} from '../../core/model/index.ts';
import { parseJson } from '../../core/model/parse-json.ts';
import { decodeCitation, decodeCitations } from './citations.ts';
import { type AnswerShape, OUTPUT_TOOL } from './names.ts';
import { opaque } from './parts-decode.ts';
import { blockExtensions, customText, nativeSignature, outputText } from './response.ts';

/** A content block of a stream between its start and its stop. */
export interface OpenBlock {
  /** Deltas go out as they come; otherwise the block goes out whole when it stops. */
  readonly live: boolean;
  readonly isCall: boolean;
  readonly isOutput: boolean;
  begin(part: number, out: StreamEvent[]): void;
  delta(delta: JsonObject, out: StreamEvent[]): void;
  end(out: StreamEvent[]): void;
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** Text and thinking. */
class TextBlock implements OpenBlock {
  readonly live = true;
  readonly isCall = false;
  readonly isOutput = false;
  #part = 0;
  readonly #block: JsonObject;
  readonly #head: PartHead;

  constructor(block: JsonObject, head: PartHead) {
    this.#block = block;
    this.#head = head;
  }

  begin(part: number, out: StreamEvent[]): void {
    this.#part = part;
    out.push({ type: 'part_start', choice: 0, part, head: this.#head });
    const text = textOf(this.#block[this.#head.type === 'text' ? 'text' : 'thinking']);
    if (text !== '') out.push({ type: 'delta', choice: 0, part, text });
    for (const citation of decodeCitations(this.#block['citations'])) {
      out.push({ type: 'citation', choice: 0, part, citation });
    }
    this.#sign(this.#block['signature'], out);
  }

  #sign(value: Json | undefined, out: StreamEvent[]): void {
    const signature = nativeSignature(value);
    if (signature !== undefined) out.push({ type: 'signature', choice: 0, part: this.#part, signature });
  }

  delta(delta: JsonObject, out: StreamEvent[]): void {
    switch (delta['type']) {
      case 'text_delta':
        this.#text(delta['text'], out);
        break;
      case 'thinking_delta':
        this.#text(delta['thinking'], out);
        break;
      case 'signature_delta':
        this.#sign(delta['signature'], out);
        break;
      case 'citations_delta': {
        const citation = decodeCitation(delta['citation'] ?? null);
        if (citation !== undefined) out.push({ type: 'citation', choice: 0, part: this.#part, citation });
        break;
      }
    }
  }

  #text(value: Json | undefined, out: StreamEvent[]): void {
    if (typeof value !== 'string' || value === '') return;
    out.push({ type: 'delta', choice: 0, part: this.#part, text: value });
  }

  end(out: StreamEvent[]): void {
    out.push({ type: 'part_end', choice: 0, part: this.#part, ...blockExtensions(this.#block) });
  }
}

/** How the arguments of a call become the text of a part. */
interface CallForm {
  readonly head: PartHead;
  readonly isOutput: boolean;
  /** Set where the text is only known when the arguments are complete. */
  readonly whole?: (argumentsJson: string) => string;
}

/** A call of a tool, or of the tool that stands in for structured output. */
class CallBlock implements OpenBlock {
  readonly live = true;
  readonly isCall: boolean;
  readonly isOutput: boolean;
  #part = 0;
  #json = '';
  #seen = false;
  readonly #form: CallForm;
  readonly #block: JsonObject;

  constructor(block: JsonObject, form: CallForm) {
    this.#block = block;
    this.#form = form;
    this.isOutput = form.isOutput;
    this.isCall = !form.isOutput;
  }

  begin(part: number, out: StreamEvent[]): void {
    this.#part = part;
    out.push({ type: 'part_start', choice: 0, part, head: this.#form.head });
  }

  delta(delta: JsonObject, out: StreamEvent[]): void {
    const text = delta['partial_json'];
    if (typeof text !== 'string' || text === '') return;
    this.#seen = true;
    if (this.#form.whole !== undefined) this.#json += text;
    else out.push({ type: 'delta', choice: 0, part: this.#part, text });
  }

  end(out: StreamEvent[]): void {
    const part = this.#part;
    const { input } = this.#block;
    // Nothing was streamed: the start holds the whole input, `{}` when there are no arguments.
    if (!this.#seen && isObject(input)) this.#json = JSON.stringify(input);
    const text = this.#json === '' ? '' : (this.#form.whole?.(this.#json) ?? this.#json);
    if (text !== '') out.push({ type: 'delta', choice: 0, part, text });
    const extra = this.isOutput ? {} : blockExtensions(this.#block);
    out.push({ type: 'part_end', choice: 0, part, ...extra });
  }
}

/** Redacted thinking, and every block only this format understands: gathered and given out whole. */
class WholeBlock implements OpenBlock {
  readonly live = false;
  readonly isCall = false;
  readonly isOutput = false;
  #part = 0;
  #json = '';
  readonly #block: JsonObject;

  constructor(block: JsonObject) {
    this.#block = { ...block };
  }

  delta(delta: JsonObject): void {
    if (delta['type'] === 'input_json_delta') {
      this.#json += textOf(delta['partial_json']);
      return;
    }
    if (delta['type'] === 'citations_delta') {
      const before = this.#block['citations'];
      const list = Array.isArray(before) ? before : [];
      this.#block['citations'] = [...list, delta['citation'] ?? null];
      return;
    }
    for (const [key, value] of Object.entries(delta)) {
      if (key === 'type') continue;
      const before = this.#block[key];
      this.#block[key] = typeof before === 'string' && typeof value === 'string' ? before + value : value;
    }
  }

  #head(): PartHead {
    if (this.#block['type'] === 'redacted_thinking') {
      return { type: 'reasoning', redacted: textOf(this.#block['data']) };
    }
    if (this.#json !== '') {
      try {
        this.#block['input'] = parseJson(this.#json);
      } catch {
        this.#block['input'] = { invalid_json: this.#json };
      }
    }
    return opaque(this.#block);
  }

  begin(part: number, out: StreamEvent[]): void {
    this.#part = part;
    out.push({ type: 'part_start', choice: 0, part, head: this.#head() });
  }

  end(out: StreamEvent[]): void {
    const extra = this.#block['type'] === 'redacted_thinking' ? blockExtensions(this.#block) : {};
    out.push({ type: 'part_end', choice: 0, part: this.#part, ...extra });
  }
}

function callForm(block: JsonObject, shape: AnswerShape): CallForm {
  const wireName = textOf(block['name']);
  if (wireName === OUTPUT_TOOL && shape.output !== 'text') {
    const head: PartHead = { type: 'text' };
    if (shape.output === 'object') return { head, isOutput: true };
    return { head, isOutput: true, whole: (json) => outputText(json, shape) };
  }
  const name = shape.nameOf(wireName);
  const id = textOf(block['id']);
  const extra = blockExtensions(block);
  if (!shape.isCustom(name)) {
    return { head: { type: 'tool_call', id, name, kind: 'function', ...extra }, isOutput: false };
  }
  return {
    head: { type: 'tool_call', id, name, kind: 'custom', ...extra },
    isOutput: false,
    whole: customText,
  };
}

/** The reader of a block, by its type. */
export function openBlock(block: JsonObject, shape: AnswerShape): OpenBlock {
  switch (block['type']) {
    case 'text':
      return new TextBlock(block, { type: 'text' });
    case 'thinking':
      return new TextBlock(block, { type: 'reasoning' });
    case 'tool_use':
      return new CallBlock(block, callForm(block, shape));
    default:
      return new WholeBlock(block);
  }
}
