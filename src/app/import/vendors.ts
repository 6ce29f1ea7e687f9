import { PROVIDERS } from '../../providers/index.ts';

/** Names other products give vendors, as ours. Names that are the same are not listed. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  ai21_chat: 'ai21',
  'azure-openai': 'azure',
  azure_ai: 'azure-foundry',
  azure_text: 'azure',
  'azure-ai': 'azure-foundry',
  bedrock_converse: 'bedrock',
  claude: 'anthropic',
  cohere_chat: 'cohere',
  custom_openai: 'openai-compatible',
  dashscope: 'alibaba',
  featherless_ai: 'featherless',
  fireworks_ai: 'fireworks',
  'fireworks-ai': 'fireworks',
  friendliai: 'friendli',
  github: 'github-models',
  google: 'gemini',
  grok: 'xai',
  hosted_vllm: 'vllm',
  inference_net: 'inference-net',
  jina_ai: 'jina',
  litellm_proxy: 'openai-compatible',
  llamafile: 'llamacpp',
  lm_studio: 'lmstudio',
  'mistral-ai': 'mistral',
  nvidia_nim: 'nvidia',
  ollama_chat: 'ollama',
  'open-ai': 'openai',
  openai_like: 'openai-compatible',
  'perplexity-ai': 'perplexity',
  'text-completion-openai': 'openai',
  together_ai: 'together',
  'together-ai': 'together',
  togetherai: 'together',
  vercel_ai_gateway: 'vercel',
  vertex_ai: 'vertex',
  vertex_ai_beta: 'vertex',
  'vertex-ai': 'vertex',
  'x-ai': 'xai',
};

/** Families of model names whose maker is known from the name. */
const FAMILIES: readonly (readonly [pattern: RegExp, vendor: string])[] = [
  [
    /^(gpt-|chatgpt|o[134](-|$)|text-embedding-|dall-e|whisper|tts-|omni-moderation|davinci|babbage)/,
    'openai',
  ],
  [/^claude/, 'anthropic'],
  [/^gemini/, 'gemini'],
  [/^grok/, 'xai'],
  [/^deepseek-(chat|reasoner)/, 'deepseek'],
  [/^(mistral|codestral|ministral|magistral|pixtral)/, 'mistral'],
  [/^(command|embed-|rerank-)/, 'cohere'],
  [/^sonar/, 'perplexity'],
];

/** Our vendor for another product's name of it; `undefined` when we have none. */
export function vendorOf(name: string): string | undefined {
  const plain = name.toLowerCase();
  if (PROVIDERS.has(plain)) return plain;
  const other = Object.hasOwn(OTHER_NAMES, plain) ? OTHER_NAMES[plain] : undefined;
  return other !== undefined && PROVIDERS.has(other) ? other : undefined;
}

/** The maker of a model with a plain name, from how such names begin. */
export function vendorOfModel(model: string): string | undefined {
  return FAMILIES.find(([pattern]) => pattern.test(model.toLowerCase()))?.[1];
}

/** A vendor hidden in a name somebody chose, such as `openai-prod` or `team-anthropic`. The longest name wins. */
export function vendorWithin(name: string): string | undefined {
  const words = `-${name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')}-`;
  const names = [...PROVIDERS.keys(), ...Object.keys(OTHER_NAMES)].sort((a, b) => b.length - a.length);
  const found = names.find((candidate) => words.includes(`-${candidate.replaceAll('_', '-')}-`));
  return found === undefined ? undefined : vendorOf(found);
}

/** The variable a vendor's key is usually in; `undefined` for vendors that need none. */
export function keyVariable(type: string): string | undefined {
  const vendor = PROVIDERS.get(type);
  if (vendor === undefined || vendor.local === true || vendor.auth.type === 'none') return undefined;
  return vendor.auth.type === 'bearer' || vendor.auth.type === 'header' ? vendor.env[0] : undefined;
}

/** Whether the vendor has no address of its own. */
export function needsAddress(type: string): boolean {
  return PROVIDERS.get(type)?.baseUrl === undefined;
}
