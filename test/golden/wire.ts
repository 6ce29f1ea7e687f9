import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ChatResponse, completionTokens, promptTokens } from '../../src/core/model/index.ts';
import { parseJson } from '../../src/core/model/parse-json.ts';

/** One recorded exchange; fields as in `../shared/wire/index.json`. */
export interface WireCase {
  readonly id: string;
  readonly provider: string;
  readonly api: string;
  readonly endpoint: string;
  readonly path: string;
  readonly query: string;
  readonly model: string;
  readonly stream: boolean;
  readonly status: number;
  readonly features: readonly string[];
  readonly request: string;
  readonly response: string;
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** The reference decoding of one case, from `canon.json`. */
export interface Canon {
  readonly text: string;
  readonly reasoning: string;
  readonly signatures: number;
  readonly tools: readonly { readonly id: string | null; readonly name: string; readonly args: unknown }[];
  readonly stop: string | null;
  readonly refusal: string;
  readonly usage: Readonly<
    Record<'input' | 'output' | 'cacheRead' | 'cacheWrite' | 'reasoning', number>
  > | null;
  readonly citations: number;
  readonly choices: number;
  readonly error: unknown;
}

const ROOT = fileURLToPath(new URL('../../../shared/wire/', import.meta.url));

/** Whether the recorded traffic is there; it stands beside the repository, never in it. */
export const WIRE_PRESENT = existsSync(`${ROOT}index.json`);

/** The recorded cases of one api (`openai-chat`, `anthropic`, `gemini`, `bedrock`, …); empty when the data is absent. */
export function wireCases(api: string): readonly WireCase[] {
  if (!WIRE_PRESENT) return [];
  const all = JSON.parse(readFileSync(`${ROOT}index.json`, 'utf8')) as WireCase[];
  return all.filter((entry) => entry.api === api);
}

/** Bytes of a case's request or response file. */
export function wireBytes(file: string): Buffer {
  return readFileSync(ROOT + file);
}

let canons: Record<string, Canon> | undefined;

/** The reference decoding of a case. */
export function canonOf(id: string): Canon {
  canons ??= JSON.parse(readFileSync(`${ROOT}canon.json`, 'utf8')) as Record<string, Canon>;
  const found = canons[id];
  if (found === undefined) throw new Error(`no reference decoding for ${id}`);
  return found;
}

const STOPS: Readonly<Record<string, string | null>> = {
  stop: 'end',
  tool_calls: 'tool',
  length: 'length',
  stop_sequence: 'stop_seq',
  content_filter: 'filter',
  refusal: 'refusal',
  pause: 'pause',
  error: 'error',
  unknown: null,
};

function argumentsOf(text: string, kind: string): unknown {
  if (kind === 'custom') return { __custom: text };
  if (text === '') return {};
  try {
    return parseJson(text);
  } catch {
    return { __unparsed: text };
  }
}

/** A decoded answer in the shape of `canon.json`, first choice only. */
export function neutral(response: ChatResponse): Omit<Canon, 'error' | 'signatures' | 'citations'> {
  const first = response.choices[0];
  const parts = first?.parts ?? [];
  const join = (type: 'text' | 'reasoning' | 'refusal') =>
    parts.map((part) => (part.type === type ? part.text : '')).join('');
  const { usage } = response;
  return {
    text: join('text'),
    reasoning: join('reasoning'),
    refusal: join('refusal'),
    tools: parts.flatMap((part) =>
      part.type === 'tool_call'
        ? [{ id: part.id, name: part.name, args: argumentsOf(part.arguments, part.kind) }]
        : [],
    ),
    stop: STOPS[first?.finish.reason ?? 'unknown'] ?? null,
    usage:
      usage.source === 'unknown'
        ? null
        : {
            input: promptTokens(usage),
            output: completionTokens(usage),
            cacheRead: usage.cacheRead,
            cacheWrite: usage.cacheWrite5m + usage.cacheWrite1h,
            reasoning: usage.reasoning,
          },
    choices: response.choices.length,
  };
}

/** Ways to split bytes that must all decode alike. */
export function splits(bytes: Uint8Array): ReadonlyMap<string, readonly Uint8Array[]> {
  const cut = (sizes: readonly number[]) => {
    const out: Uint8Array[] = [];
    for (let at = 0, turn = 0; at < bytes.length; turn++) {
      const size = sizes[turn % sizes.length] ?? 1;
      out.push(bytes.subarray(at, at + size));
      at += size;
    }
    return out;
  };
  return new Map([
    ['whole', [bytes]],
    ['one byte', cut([1])],
    ['odd', cut([1, 3, 5, 7, 11, 13, 2, 17])],
    ['kilobyte', cut([1024])],
  ]);
}
