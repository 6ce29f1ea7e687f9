import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { UpstreamFormat } from '../../../src/core/model/index.ts';
import { type Canon, canonOf, type WireCase } from '../../golden/wire.ts';

const ROOT = fileURLToPath(new URL('../../../../shared/wire/', import.meta.url));

/** What a client's bytes decode to: the fields of `Canon` that are compared. */
export type Decoded = Omit<Canon, 'choices'> & { readonly model: string | null };

interface Replay {
  readonly url: string;
  readonly port: number;
  readonly log: { length: number; readonly [index: number]: unknown };
  close(): Promise<void>;
}

interface Upstream {
  readonly replay: Replay;
  /** The reference decoder. */
  decode(entry: DecodeAs, bytes: Buffer): Decoded;
}

/** How bytes are to be read: the reference decoder's own words. */
export interface DecodeAs {
  readonly api: string;
  readonly provider: string;
  readonly stream: boolean;
  readonly status: number;
  /** Only its ending matters: `.sse`, `.json`. */
  readonly response: string;
}

/** Names of recorded APIs by the format that speaks them. */
export const API_FORMATS: Readonly<Record<string, UpstreamFormat>> = {
  'openai-chat': 'openai-chat',
  'openai-responses': 'openai-responses',
  anthropic: 'anthropic-messages',
  'anthropic-bedrock-stream': 'anthropic-messages',
  gemini: 'gemini',
  bedrock: 'bedrock-converse',
  cohere: 'cohere',
  ollama: 'ollama',
};

/** Whether the recorded traffic stands beside the repository. */
export const CORPUS_PRESENT = existsSync(`${ROOT}index.json`);

/** Every recorded chat exchange, refusals included; empty without the data. */
export function chatCases(): readonly WireCase[] {
  if (!CORPUS_PRESENT) return [];
  const all = JSON.parse(readFileSync(`${ROOT}index.json`, 'utf8')) as WireCase[];
  return all.filter(({ api }) => API_FORMATS[api] !== undefined);
}

/** The reference decoding and the recorded bytes of a case's request. */
export function recordedRequest(entry: WireCase): Record<string, unknown> {
  return JSON.parse(readFileSync(ROOT + entry.request, 'utf8')) as Record<string, unknown>;
}

export { canonOf };

/** Starts the replay upstream and loads the reference decoder. */
export async function openUpstream(): Promise<Upstream> {
  // The folder may be absent, so neither can be a static import.
  const replayPath = `${ROOT}replay.mjs`;
  const canonPath = `${ROOT}canon.mjs`;
  const { startReplay, loadCorpus } = (await import(replayPath)) as {
    startReplay(options: { corpus: unknown }): Promise<Replay>;
    loadCorpus(folders: readonly string[]): unknown;
  };
  const { decode } = (await import(canonPath)) as { decode: Upstream['decode'] };
  return { replay: await startReplay({ corpus: loadCorpus([ROOT]) }), decode };
}
