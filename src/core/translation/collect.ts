import type {
  ChatResponse,
  Choice,
  Citation,
  Extensions,
  Finish,
  Json,
  OutputPart,
  PartHead,
  Signature,
  StreamEvent,
  Usage,
} from '../model/index.ts';
import { UNKNOWN_USAGE } from '../model/index.ts';

interface OpenPart {
  readonly head: PartHead;
  text: string;
  signature: Signature | undefined;
  citations: Citation[] | undefined;
  extensions: Extensions | undefined;
}

function openPart(head: PartHead): OpenPart {
  return { head, text: '', signature: undefined, citations: undefined, extensions: undefined };
}

interface OpenChoice {
  readonly parts: OpenPart[];
  finish: Finish | undefined;
  logprobs: Json[] | undefined;
  extensions: Extensions | undefined;
}

function closePart(part: OpenPart): OutputPart {
  const { head, text } = part;
  const extensions = part.extensions === undefined ? {} : { extensions: part.extensions };
  const signature = part.signature === undefined ? {} : { signature: part.signature };
  switch (head.type) {
    case 'text':
      return {
        type: 'text',
        text,
        ...(part.citations === undefined ? {} : { citations: part.citations }),
        ...signature,
        ...extensions,
      };
    case 'refusal':
      return { type: 'refusal', text, ...extensions };
    case 'reasoning':
      return { ...head, text, ...signature, ...extensions };
    case 'tool_call':
      return { ...head, arguments: text, ...signature, ...extensions };
    default:
      return { ...head, ...signature, ...extensions } as OutputPart;
  }
}

/** OpenAI's logprobs objects of consecutive chunks, joined list by list. */
function joinLogprobs(pieces: readonly Json[]): Json {
  const joined: { [key: string]: Json } = {};
  for (const piece of pieces) {
    if (typeof piece !== 'object' || piece === null || Array.isArray(piece)) continue;
    for (const [key, value] of Object.entries(piece)) {
      const before = joined[key];
      if (value === undefined) continue;
      joined[key] = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value;
    }
  }
  return joined;
}

function closeChoice(index: number, open: OpenChoice): Choice {
  return {
    index,
    parts: open.parts.map(closePart),
    finish: open.finish ?? { reason: 'unknown' },
    ...(open.logprobs === undefined ? {} : { logprobs: joinLogprobs(open.logprobs) }),
    ...(open.extensions === undefined ? {} : { extensions: open.extensions }),
  };
}

/** Builds the whole answer from a stream's events, so that a stream and a whole answer can be compared. */
export interface Collector {
  push(events: readonly StreamEvent[]): void;
  /** What has arrived so far. A choice without a finish has reason `unknown`. Throws the stream's error if one came. */
  response(): ChatResponse;
}

/** See {@link Collector}. */
export function createCollector(): Collector {
  const choices = new Map<number, OpenChoice>();
  let start: Extract<StreamEvent, { type: 'start' }> | undefined;
  let usage: Usage = UNKNOWN_USAGE;
  let failure: Error | undefined;

  function choice(index: number): OpenChoice {
    let found = choices.get(index);
    if (found === undefined) {
      found = { parts: [], finish: undefined, logprobs: undefined, extensions: undefined };
      choices.set(index, found);
    }
    return found;
  }

  function part(event: { choice: number; part: number }): OpenPart {
    const found = choice(event.choice).parts[event.part];
    if (found === undefined) throw new Error(`stream event for part ${event.part}, which was never opened`);
    return found;
  }

  function take(event: StreamEvent): void {
    switch (event.type) {
      case 'start':
        start ??= event;
        break;
      case 'part_start':
        choice(event.choice).parts[event.part] = openPart(event.head);
        break;
      case 'delta':
        part(event).text += event.text;
        break;
      case 'signature':
        part(event).signature = event.signature;
        break;
      case 'citation': {
        const open = part(event);
        open.citations ??= [];
        open.citations.push(event.citation);
        break;
      }
      case 'part_end':
        if (event.extensions !== undefined) part(event).extensions = event.extensions;
        break;
      case 'logprobs': {
        const open = choice(event.choice);
        open.logprobs ??= [];
        open.logprobs.push(event.logprobs);
        break;
      }
      case 'finish': {
        const open = choice(event.choice);
        open.finish = event.finish;
        open.extensions = event.extensions;
        break;
      }
      case 'usage':
        usage = event.usage;
        break;
      case 'error':
        failure = event.error;
        break;
    }
  }

  return {
    push(events) {
      for (const event of events) take(event);
    },
    response() {
      if (failure !== undefined) throw failure;
      if (choices.size === 0) choice(0);
      const list = [...choices.entries()]
        .sort(([a], [b]) => a - b)
        .map(([index, open]) => closeChoice(index, open));
      const { type: _, ...facts } = start ?? { type: 'start' };
      return { ...facts, choices: list, usage };
    },
  };
}
