import type { ChatRequest } from '../../core/model/index.ts';
import { parseModelName } from './models.ts';

/** What a caller may tell the simulator about one answer. All optional; absent means natural behaviour. */
export interface Options {
  /** A mode of `FAULTS`, with an optional number after a colon: `ttfb:500`. */
  readonly fault?: string;
  /** Where a mid-stream fault strikes, percent of the answer. */
  readonly at?: number;
  /** A duration that the fault needs, milliseconds. */
  readonly ms?: number;
  /** Only the first N requests with the same key fail. */
  readonly times?: number;
  /** Probability of the fault, 0 to 1. */
  readonly p?: number;
  /** Groups the requests that `times` counts; default: model and fault. */
  readonly key?: string;
  readonly seed?: string;
  /** Tool calls to make, whatever the prompt says. */
  readonly tools?: number;
  /** Reasoning tokens to produce. */
  readonly reasoning?: number;
  /** Visible tokens to produce. */
  readonly tokens?: number;
  /** Finish reason to end with: `length`, `content_filter`, `refusal`, `pause`. */
  readonly stop?: string;
  /** The exact text to answer with. */
  readonly say?: string;
  /** Answer with the prompt's own text. */
  readonly echo?: boolean;
  readonly lang?: string;
  /** Where a redirect leads. */
  readonly to?: string;
  /** Milliseconds before the first token. */
  readonly ttftMs?: number;
  /** Tokens per second afterwards; 0 is as fast as possible. */
  readonly tps?: number;
  /** Text per streamed chunk, UTF-16 units. */
  readonly chunk?: number;
}

type Mutable = { -readonly [Key in keyof Options]: Options[Key] };

const NUMBERS: Readonly<Record<string, keyof Options>> = {
  at: 'at',
  ms: 'ms',
  times: 'times',
  p: 'p',
  tools: 'tools',
  reasoning: 'reasoning',
  tokens: 'tokens',
  ttft_ms: 'ttftMs',
  tps: 'tps',
  chunk: 'chunk',
};

const TEXTS: Readonly<Record<string, keyof Options>> = {
  fault: 'fault',
  key: 'key',
  seed: 'seed',
  stop: 'stop',
  say: 'say',
  lang: 'lang',
  to: 'to',
};

/** Fault modes that read as options of their own: `ttfb=500`. */
const TIMED = new Set(['ttfb', 'ttft']);

/** Takes one option; unknown names and unreadable numbers are ignored, so that any model name stays a model name. */
function take(into: Mutable, name: string, value: string): void {
  const key = name.trim().toLowerCase().replaceAll('-', '_');
  const number = NUMBERS[key];
  const text = TEXTS[key];
  if (TIMED.has(key) && value !== '') into.fault = `${key}:${value}`;
  else if (key === 'echo') into.echo = value !== 'false';
  else if (text !== undefined && value !== '') Object.assign(into, { [text]: value });
  else if (number !== undefined && value !== '' && Number.isFinite(Number(value)))
    Object.assign(into, { [number]: Math.max(0, Number(value)) });
}

/** Reads `fault=cut,at=50` or `fault=cut at=50`; a value with blanks stands in double quotes. */
export function parseOptions(text: string): Options {
  const options: Mutable = {};
  for (const match of text.matchAll(/([A-Za-z_-]+)(?:=(?:"([^"]*)"|([^\s,]*)))?/g)) {
    take(options, match[1] ?? '', match[2] ?? match[3] ?? '');
  }
  return options;
}

/** The options in headers `x-sim-*`. */
export function headerOptions(headers: Readonly<Record<string, string | string[] | undefined>>): Options {
  const options: Mutable = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('x-sim-') && typeof value === 'string') take(options, name.slice(6), value);
  }
  return options;
}

const DIRECTIVE = /\[\[sim\b([^\]]*)\]\]/g;

/** A prompt without its directives. */
export function withoutDirectives(text: string): string {
  return text.includes('[[sim') ? text.replaceAll(DIRECTIVE, '').trim() : text;
}

/** The options in `[[sim …]]` of the last user message. */
export function directiveOptions(request: ChatRequest): Options {
  const last = request.messages.findLast(({ role }) => role === 'user');
  let options: Options = {};
  for (const part of last?.parts ?? []) {
    if (part.type !== 'text' || !part.text.includes('[[sim')) continue;
    for (const match of part.text.matchAll(DIRECTIVE)) {
      options = { ...options, ...parseOptions(match[1] ?? '') };
    }
  }
  return options;
}

/** Everything said about one call, the nearest to the prompt winning. */
export function collectOptions(
  model: string,
  request: ChatRequest | undefined,
  outer: readonly Options[],
): Options {
  const [defaults, ...rest] = outer;
  return Object.assign(
    {},
    defaults,
    parseOptions(parseModelName(model).options),
    ...rest,
    request === undefined ? {} : directiveOptions(request),
  ) as Options;
}
