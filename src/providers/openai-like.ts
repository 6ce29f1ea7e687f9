import type { Quirks } from '../formats/codec.ts';
import type { Endpoint, Operation, Provider } from './provider.ts';

/** Paths of OpenAI's API below its base URL, for operations besides chat. */
const OPENAI_PATHS = {
  completions: '/completions',
  embeddings: '/embeddings',
  files: '/files',
  batches: '/batches',
  images: '/images/generations',
  moderations: '/moderations',
  speech: '/audio/speech',
  transcriptions: '/audio/transcriptions',
} as const satisfies { readonly [Other in Operation]?: string };

/** What a vendor with an OpenAI-like API has to say about itself. */
export interface OpenaiLike extends Partial<Omit<Provider, 'quirks' | 'endpoints'>> {
  readonly id: string;
  readonly name: string;
  readonly baseUrl: string | undefined;
  /** Put before every path, for vendors whose base URL is also that of another API of theirs. */
  readonly prefix?: string;
  /** Operations besides chat that it serves on OpenAI's paths. */
  readonly serves?: readonly (keyof typeof OPENAI_PATHS)[];
  /** Further chat endpoints, after `/chat/completions`. */
  readonly chat?: readonly Endpoint[];
  /** Endpoints that are not OpenAI's. */
  readonly endpoints?: Partial<Provider['endpoints']>;
  readonly quirks?: Quirks;
}

/**
 * A provider that speaks openai-chat at `/chat/completions` with a bearer key. Output limit and system prompt go in the
 * words every such vendor knows (`max_tokens`, `system`) unless `quirks` says otherwise.
 */
export function openaiLike(vendor: OpenaiLike): Provider {
  const { prefix = '', serves = [], chat = [], endpoints = {}, quirks, ...rest } = vendor;
  const standard: { -readonly [Other in keyof typeof OPENAI_PATHS]?: Endpoint } = {};
  for (const operation of serves)
    standard[operation] = { format: 'openai', path: prefix + OPENAI_PATHS[operation] };
  return {
    env: [],
    auth: { type: 'bearer' },
    ...rest,
    endpoints: {
      chat: [{ format: 'openai-chat', path: `${prefix}/chat/completions` }, ...chat],
      ...standard,
      ...endpoints,
    },
    quirks: { maxTokensField: 'max_tokens', systemRole: 'system', ...quirks },
  };
}
