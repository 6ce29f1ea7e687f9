/** A prompt's picture or file. */
export interface Attachment {
  readonly kind: 'image' | 'document';
  readonly mediaType: string;
  /** Base64. */
  readonly data: string;
  readonly name: string;
}

/** What a client wants, in no dialect's words. */
export interface Ask {
  readonly system?: string;
  readonly prompt: string;
  readonly attachment?: Attachment;
  readonly tools?: boolean;
  /** A finished round of two parallel calls and their results stands between the prompt and the answer. */
  readonly results?: readonly string[];
  readonly reasoning?: boolean;
  readonly schema?: boolean;
  readonly stop?: string;
  readonly maxTokens: number;
  /** Mark the system prompt for the prompt cache, where the dialect has marks. */
  readonly cache?: boolean;
}

/** One row of the compatibility matrix. */
export interface Scenario {
  readonly feature: string;
  readonly ask: Ask;
  /** Options for the simulated model, behind `~` in its name. */
  readonly sim?: string;
  /** Ask again with the first answer in the conversation. */
  readonly secondTurn?: boolean;
  /** Ask twice, so that the second prompt is in the cache. */
  readonly twice?: boolean;
  /** The status a client has to see. */
  readonly fails?: number;
}

export const TOOL = {
  name: 'get_weather',
  description: 'Current weather of a city',
  schema: {
    type: 'object' as const,
    properties: { city: { type: 'string' }, unit: { type: 'string', enum: ['celsius', 'fahrenheit'] } },
    required: ['city'],
  },
};

export const OUTPUT_SCHEMA = {
  type: 'object' as const,
  properties: { city: { type: 'string' }, population: { type: 'integer' } },
  required: ['city', 'population'],
  additionalProperties: false,
};

/** Calls of an earlier round, for conversations with results. */
export const CALLS = [
  { id: 'call_1', city: 'Paris' },
  { id: 'call_2', city: 'Berlin' },
] as const;

const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
const PDF = Buffer.from(
  '%PDF-1.4\n1 0 obj <</Type /Catalog>> endobj\ntrailer <</Root 1 0 R>>\n%%EOF\n',
).toString('base64');

const BRIDGES = 'Explain how bridges carry load – größer, 橋, 🌉';
const CITIES = 'What is the weather in Paris and Berlin, in celsius?';
const LONG = 'The quick brown fox jumps over the lazy dog near the river bank. '.repeat(160);

/** The features, in the order of the published table. */
export const SCENARIOS: readonly Scenario[] = [
  { feature: 'text', ask: { prompt: BRIDGES, maxTokens: 4000 } },
  { feature: 'system prompt', ask: { system: 'You are terse.', prompt: BRIDGES, maxTokens: 4000 } },
  {
    feature: 'image',
    ask: {
      prompt: 'What is in the picture?',
      attachment: { kind: 'image', mediaType: 'image/png', data: PIXEL, name: 'pixel.png' },
      maxTokens: 4000,
    },
  },
  {
    feature: 'document',
    ask: {
      prompt: 'What is in the document?',
      attachment: { kind: 'document', mediaType: 'application/pdf', data: PDF, name: 'report' },
      maxTokens: 4000,
    },
  },
  { feature: 'tool call', ask: { prompt: 'What is the weather in Paris?', tools: true, maxTokens: 4000 } },
  { feature: 'parallel tool calls', ask: { prompt: CITIES, tools: true, maxTokens: 4000 } },
  {
    feature: 'tool results',
    ask: { prompt: CITIES, tools: true, results: ['17 degrees', '{"degrees": 18}'], maxTokens: 4000 },
  },
  { feature: 'reasoning', ask: { prompt: BRIDGES, reasoning: true, maxTokens: 8000 } },
  {
    feature: 'reasoning, second turn',
    ask: { prompt: BRIDGES, reasoning: true, maxTokens: 8000 },
    secondTurn: true,
  },
  {
    feature: 'reasoning with tools, second turn',
    ask: { prompt: CITIES, tools: true, reasoning: true, maxTokens: 8000 },
    secondTurn: true,
  },
  { feature: 'JSON schema', ask: { prompt: 'Name a city: Paris', schema: true, maxTokens: 4000 } },
  { feature: 'stop: length', ask: { prompt: BRIDGES, maxTokens: 20 } },
  { feature: 'stop: sequence', ask: { prompt: BRIDGES, stop: 'bridges', maxTokens: 4000 } },
  { feature: 'stop: content filter', ask: { prompt: BRIDGES, maxTokens: 4000 }, sim: 'stop=content_filter' },
  { feature: 'stop: refusal', ask: { prompt: BRIDGES, maxTokens: 4000 }, sim: 'stop=refusal' },
  {
    feature: 'usage with prompt cache',
    ask: { system: LONG, prompt: BRIDGES, cache: true, maxTokens: 4000 },
    twice: true,
  },
  { feature: 'error: bad request', ask: { prompt: BRIDGES, maxTokens: 4000 }, sim: 'fault=e400', fails: 400 },
  { feature: 'error: rate limit', ask: { prompt: BRIDGES, maxTokens: 4000 }, sim: 'fault=e429', fails: 429 },
  {
    feature: 'error: upstream down',
    ask: { prompt: BRIDGES, maxTokens: 4000 },
    sim: 'fault=e500',
    fails: 502,
  },
];
