import { estimateTokens } from '../../core/cost/estimate.ts';
import { isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import { gemini } from '../../formats/gemini/index.ts';
import { CODECS } from '../../formats/registry.ts';
import { SIMULATED_MODELS } from './models.ts';
import type { SideOperation } from './routes.ts';
import { hashText } from './seed.ts';
import { countPrompt } from './usage.ts';

/** What an operation besides chat answers with. `tokens` is what it bills. */
export interface SideAnswer {
  readonly body: JsonObject | Uint8Array;
  readonly contentType: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** Times a request in the answer, Unix seconds. */
export interface SideRequest {
  readonly body: JsonObject;
  readonly model: string;
  readonly created: number;
}

const DIMENSIONS = 1536;

/** The words of a text as points of a vector, so that related texts are near each other. Unit length. */
export function embed(text: string, dimensions: number): number[] {
  const vector = new Float64Array(dimensions);
  const words = text.toLowerCase().match(/\p{L}+|\p{N}+/gu) ?? ['∅'];
  for (const word of words) {
    const stem = word.slice(0, 6);
    for (let turn = 0; turn < 4; turn++) {
      const hash = hashText(`${stem}:${turn}`);
      const at = hash % dimensions;
      vector[at] = (vector[at] ?? 0) + (hash & 0x10000 ? 1 : -1);
    }
  }
  const length = Math.hypot(...vector) || 1;
  return [...vector].map((value) => Number((value / length).toFixed(7)));
}

function textsOf(input: Json | undefined): string[] {
  if (typeof input === 'string') return [input];
  if (!Array.isArray(input)) return [];
  if (input.every((entry) => typeof entry === 'number')) return [input.join(' ')];
  return input.map((entry) => (typeof entry === 'string' ? entry : JSON.stringify(entry)));
}

function json(body: JsonObject, inputTokens = 0, outputTokens = 0): SideAnswer {
  return { body, contentType: 'application/json', inputTokens, outputTokens };
}

function dimensionsOf(value: Json | undefined): number {
  return typeof value === 'number' && value >= 1 && value <= 4096 ? Math.floor(value) : DIMENSIONS;
}

function base64Floats(vector: readonly number[]): string {
  const bytes = new Uint8Array(new Float32Array(vector).buffer);
  return btoa(String.fromCharCode(...bytes));
}

function embeddings({ body, model }: SideRequest): SideAnswer {
  const texts = textsOf(body['input']);
  const dimensions = dimensionsOf(body['dimensions']);
  const isBase64 = body['encoding_format'] === 'base64';
  const tokens = texts.reduce((sum, text) => sum + estimateTokens(text), 0);
  const data = texts.map((text, index) => {
    const vector = embed(text, dimensions);
    return { object: 'embedding', index, embedding: isBase64 ? base64Floats(vector) : vector };
  });
  return json(
    { object: 'list', data, model, usage: { prompt_tokens: tokens, total_tokens: tokens } },
    tokens,
  );
}

function geminiEmbeddings({ body }: SideRequest): SideAnswer {
  const requests = Array.isArray(body['requests']) ? body['requests'] : [body];
  const texts = requests.map((entry) => {
    const content = isObject(entry) && isObject(entry['content']) ? entry['content'] : {};
    const parts = Array.isArray(content['parts']) ? content['parts'] : [];
    return parts.map((part) => (isObject(part) ? String(part['text'] ?? '') : '')).join(' ');
  });
  const tokens = texts.reduce((sum, text) => sum + estimateTokens(text), 0);
  const vectors = texts.map((text) => ({ values: embed(text, 768) }));
  return json(
    Array.isArray(body['requests']) ? { embeddings: vectors } : { embedding: vectors[0] ?? {} },
    tokens,
  );
}

function cohereEmbed({ body }: SideRequest): SideAnswer {
  const texts = textsOf(body['texts'] ?? body['input']);
  const tokens = texts.reduce((sum, text) => sum + estimateTokens(text), 0);
  const embeddings_ = { float: texts.map((text) => embed(text, 1024)) };
  return json(
    { id: 'emb', embeddings: embeddings_, texts, meta: { billed_units: { input_tokens: tokens } } },
    tokens,
  );
}

function ollamaEmbed({ body, model }: SideRequest): SideAnswer {
  const texts = textsOf(body['input']);
  const tokens = texts.reduce((sum, text) => sum + estimateTokens(text), 0);
  return json(
    { model, embeddings: texts.map((text) => embed(text, 768)), prompt_eval_count: tokens },
    tokens,
  );
}

const FLAGS: readonly (readonly [category: string, pattern: RegExp])[] = [
  ['violence', /\b(?:kill|murder|attack|bomb|shoot)\w*/i],
  ['hate', /\b(?:hate|inferior race)\b/i],
  ['self-harm', /\b(?:suicide|self-harm|hurt myself)\b/i],
  ['sexual', /\b(?:porn|explicit sex)\w*/i],
  ['harassment', /\b(?:idiot|worthless)\b/i],
];

function moderations({ body, model }: SideRequest): SideAnswer {
  const results = textsOf(body['input']).map((text) => {
    const found = FLAGS.map(([category, pattern]) => [category, pattern.test(text)] as const);
    return {
      flagged: found.some(([, hit]) => hit),
      categories: Object.fromEntries(found),
      category_scores: Object.fromEntries(found.map(([category, hit]) => [category, hit ? 0.93 : 0.0004])),
    };
  });
  return json({ id: 'modr-sim', model, results });
}

/** A PNG of one pixel. */
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

function images({ body, created }: SideRequest): SideAnswer {
  const count = typeof body['n'] === 'number' ? Math.min(10, Math.max(1, body['n'])) : 1;
  const data = Array.from({ length: count }, () => ({
    b64_json: PIXEL,
    revised_prompt: String(body['prompt'] ?? ''),
  }));
  const tokens = estimateTokens(String(body['prompt'] ?? ''));
  const output = count * 1056;
  const usage = {
    input_tokens: tokens,
    output_tokens: output,
    total_tokens: tokens + output,
    input_tokens_details: { text_tokens: tokens, image_tokens: 0 },
  };
  return json({ created, data, usage }, tokens, output);
}

function speech({ body }: SideRequest): SideAnswer {
  const input = String(body['input'] ?? '');
  // An ID3 tag and silent MPEG frames (ISO 11172-3 layer III, 128 kbit/s, 44.1 kHz: 417 bytes each).
  const frames = Math.max(1, Math.ceil(input.length / 4));
  const bytes = new Uint8Array(10 + frames * 417);
  bytes.set([0x49, 0x44, 0x33, 3]);
  for (let frame = 0; frame < frames; frame++) bytes.set([0xff, 0xfb, 0x90, 0x64], 10 + frame * 417);
  return { body: bytes, contentType: 'audio/mpeg', inputTokens: estimateTokens(input), outputTokens: 0 };
}

function transcriptions(): SideAnswer {
  const text = 'This is the simulated transcript of the recording that was sent.';
  const usage = { type: 'tokens', input_tokens: 40, output_tokens: estimateTokens(text), total_tokens: 0 };
  return json({ text, usage: { ...usage, total_tokens: 40 + usage.output_tokens } }, 40, usage.output_tokens);
}

function rerank({ body, model }: SideRequest): SideAnswer {
  const query = embed(String(body['query'] ?? ''), 256);
  const documents = (Array.isArray(body['documents']) ? body['documents'] : []).map((entry) =>
    isObject(entry) ? String(entry['text'] ?? '') : String(entry),
  );
  const scored = documents.map((text, index) => {
    const vector = embed(text, 256);
    const dot = vector.reduce((sum, value, at) => sum + value * (query[at] ?? 0), 0);
    return { index, relevance_score: Number(Math.max(0, Math.min(1, dot)).toFixed(6)) };
  });
  const limit = body['top_n'];
  const results = scored
    .sort((a, b) => b.relevance_score - a.relevance_score)
    .slice(0, typeof limit === 'number' ? limit : scored.length);
  return json({ id: 'rrk-sim', model, results, meta: { billed_units: { search_units: 1 } } });
}

/** The list of models, in a shape that OpenAI's, Anthropic's, Google's and Ollama's clients all read. */
function models({ created }: SideRequest): SideAnswer {
  const data = SIMULATED_MODELS.map((id) => ({
    id,
    object: 'model',
    type: 'model',
    display_name: `Simulated ${id}`,
    created,
    created_at: '2026-01-01T00:00:00Z',
    owned_by: 'simulator',
  }));
  const google = SIMULATED_MODELS.map((id) => ({
    name: `models/${id}`,
    displayName: `Simulated ${id}`,
    supportedGenerationMethods: ['generateContent', 'countTokens'],
  }));
  return json({
    object: 'list',
    data,
    has_more: false,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    models: google,
  });
}

/** The prompt of a body in a chat format, counted. */
function countIn(format: 'anthropic-messages' | 'openai-responses', body: JsonObject): number {
  return countPrompt(CODECS[format].decodeRequest({ max_tokens: 1, ...body }));
}

function countGemini({ body, model }: SideRequest): SideAnswer {
  const inner = isObject(body['generateContentRequest']) ? body['generateContentRequest'] : body;
  const totalTokens = countPrompt(gemini.decodeRequest({ ...inner, model, stream: false }));
  return json({ totalTokens, promptTokensDetails: [{ modality: 'TEXT', tokenCount: totalTokens }] });
}

const ANSWERS: Readonly<Record<SideOperation, (request: SideRequest) => SideAnswer>> = {
  models,
  embeddings,
  gemini_embeddings: geminiEmbeddings,
  moderations,
  images,
  speech,
  transcriptions,
  rerank,
  cohere_embed: cohereEmbed,
  ollama_embed: ollamaEmbed,
  count_anthropic: ({ body }) => json({ input_tokens: countIn('anthropic-messages', body) }),
  count_responses: ({ body }) =>
    json({ object: 'response.input_tokens', input_tokens: countIn('openai-responses', body) }),
  count_gemini: countGemini,
};

/**
 * Answers an operation besides chat.
 * @throws SluiceError `bad_request` when a token count is asked for an unreadable prompt
 */
export function answerSide(operation: SideOperation, request: SideRequest): SideAnswer {
  return ANSWERS[operation](request);
}
