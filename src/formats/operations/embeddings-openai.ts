import { badRequest, unsupported } from '../../core/errors/error.ts';
import {
  isObject,
  type Json,
  type JsonObject,
  promptTokens,
  UNKNOWN_USAGE,
  type Usage,
} from '../../core/model/index.ts';
import { compact, optionalNumber, optionalString, unknownFields } from '../fields.ts';
import {
  commonTask,
  complete,
  type EmbeddingItem,
  type EmbeddingRequest,
  type EmbeddingResponse,
  type EmbeddingTask,
  indexed,
  toBase64,
  uncarriedFields,
} from './embeddings.ts';
import type { Shape } from './operation.ts';
import { estimatedInput, reportedUsage } from './usage.ts';

type EmbeddingShape = Shape<EmbeddingRequest, EmbeddingResponse>;

const KNOWN = new Set(['model', 'input', 'dimensions', 'encoding_format', 'user', 'input_type']);

/** Words for `input_type` that clients use with OpenAI's shape: Voyage's, Cohere's and NVIDIA's. */
const TASKS: Readonly<Record<string, EmbeddingTask>> = {
  query: 'query',
  search_query: 'query',
  document: 'document',
  passage: 'document',
  search_document: 'document',
  classification: 'classification',
  clustering: 'clustering',
};

function isTokens(value: Json): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((entry) => Number.isSafeInteger(entry));
}

function itemsOf(input: Json | undefined): EmbeddingItem[] {
  if (typeof input === 'string' && input !== '') return [{ text: input }];
  if (!Array.isArray(input) || input.length === 0) {
    throw badRequest('input', '`input` is required and must be a text, or an array of texts or of tokens.');
  }
  if (isTokens(input)) return [{ tokens: input }];
  return input.map((entry, index) => {
    if (typeof entry === 'string' && entry !== '') return { text: entry };
    if (isTokens(entry)) return { tokens: entry };
    throw badRequest(`input[${index}]`, `\`input[${index}]\` must be a text or an array of tokens.`);
  });
}

/** The texts of a request, for targets that cannot read tokens. */
export function textsOf(request: EmbeddingRequest): string[] {
  return request.items.map(({ text }) => {
    if (text === undefined) {
      throw unsupported('input', 'This model takes `input` as text; token numbers belong to another model.');
    }
    return text;
  });
}

function taskOf(body: JsonObject): { task?: EmbeddingTask } {
  const word = optionalString(body, 'input_type');
  if (word === undefined) return {};
  const task = TASKS[word];
  if (task === undefined) {
    throw badRequest('input_type', `\`input_type\` must be one of ${Object.keys(TASKS).join(', ')}.`);
  }
  return { task };
}

function decodeRequest(body: JsonObject): EmbeddingRequest {
  const encoding = optionalString(body, 'encoding_format') ?? 'float';
  if (encoding !== 'float' && encoding !== 'base64') {
    throw badRequest('encoding_format', '`encoding_format` must be `float` or `base64`.');
  }
  const dimensions = optionalNumber(body, 'dimensions', { min: 1, integer: true });
  const user = optionalString(body, 'user');
  const task = taskOf(body);
  return {
    items: itemsOf(body['input']).map((item) => ({ ...item, ...task })),
    ...(dimensions === undefined ? {} : { dimensions }),
    encoding,
    ...(user === undefined ? {} : { user }),
    others: Object.keys(unknownFields(body, KNOWN) ?? {}),
    single: false,
  };
}

/** What an answer reports, else an estimate from the texts. */
export function usageOf(body: JsonObject, request: EmbeddingRequest): Usage {
  const reported = reportedUsage(body);
  // Texts without a token are none.
  if (reported !== undefined && promptTokens(reported) > 0) return { ...reported, output: 0 };
  const usage = estimatedInput(request.items.map(({ text }) => text ?? ''));
  const tokens = request.items.reduce((sum, item) => sum + (item.tokens?.length ?? 0), 0);
  return { ...UNKNOWN_USAGE, input: usage.input + tokens, source: 'estimated' };
}

function decodeResponse(body: JsonObject, request: EmbeddingRequest): EmbeddingResponse {
  return { vectors: complete(indexed(body['data'], 'embedding'), request), usage: usageOf(body, request) };
}

function encodeResponse(
  response: EmbeddingResponse,
  reply: { readonly model: string; readonly request: EmbeddingRequest },
): JsonObject {
  const prompt = promptTokens(response.usage);
  return {
    object: 'list',
    data: response.vectors.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: reply.request.encoding === 'base64' ? toBase64(vector) : [...vector],
    })),
    model: reply.model,
    usage: { prompt_tokens: prompt, total_tokens: prompt },
  };
}

/** One item without its wrapping where the client sent one. */
function inputOf(request: EmbeddingRequest): Json {
  return request.items.map(({ text, tokens }) => text ?? [...(tokens ?? [])]);
}

/** OpenAI's `/v1/embeddings` (API reference, "Embeddings"). */
export const openaiEmbeddings: EmbeddingShape = {
  decodeRequest,
  encodeRequest: (request, model) => ({
    body: compact({
      model,
      input: inputOf(request),
      dimensions: request.dimensions,
      encoding_format: 'float',
      user: request.user,
    }),
    dropped: uncarriedFields(request, { user: true }),
  }),
  decodeResponse,
  encodeResponse,
};

function refuseMixed(request: EmbeddingRequest): EmbeddingTask | undefined {
  const task = commonTask(request);
  if (task === 'mixed')
    throw unsupported('taskType', 'This model takes one task for all texts of a request.');
  return task;
}

const JINA_TASKS: Readonly<Record<EmbeddingTask, string>> = {
  query: 'retrieval.query',
  document: 'retrieval.passage',
  similarity: 'text-matching',
  classification: 'classification',
  clustering: 'separation',
};

/** Jina's `/v1/embeddings` (API page "Embeddings"): `task` and `embedding_type` instead of OpenAI's words. */
export const jinaEmbeddings: EmbeddingShape = {
  ...openaiEmbeddings,
  encodeRequest: (request, model) => {
    const task = refuseMixed(request);
    return {
      body: compact({
        model,
        input: textsOf(request),
        task: task === undefined ? undefined : JINA_TASKS[task],
        dimensions: request.dimensions,
        embedding_type: 'float',
      }),
      dropped: uncarriedFields(request, { task: true }),
    };
  },
};

/** Voyage's `/v1/embeddings` (API reference, "Text embeddings"): `output_dimension`, and tasks for retrieval only. */
export const voyageEmbeddings: EmbeddingShape = {
  ...openaiEmbeddings,
  encodeRequest: (request, model) => {
    const task = refuseMixed(request);
    const known = task === undefined || task === 'query' || task === 'document';
    return {
      body: compact({
        model,
        input: textsOf(request),
        input_type: known ? task : undefined,
        output_dimension: request.dimensions,
      }),
      dropped: uncarriedFields(request, { task: known }),
    };
  },
};

/** Cohere has no word for similarity. */
const COHERE_TASKS: { readonly [Task in EmbeddingTask]?: string } = {
  query: 'search_query',
  document: 'search_document',
  classification: 'classification',
  clustering: 'clustering',
};

/** Cohere's `/v2/embed` (API reference, "Embed v2"). Its required `input_type` is `search_document` if nothing is said. */
export const cohereEmbeddings: EmbeddingShape = {
  ...openaiEmbeddings,
  encodeRequest: (request, model) => {
    const word = COHERE_TASKS[refuseMixed(request) ?? 'document'];
    return {
      body: compact({
        model,
        texts: textsOf(request),
        input_type: word ?? 'search_document',
        embedding_types: ['float'],
        output_dimension: request.dimensions,
      }),
      dropped: uncarriedFields(request, { task: word !== undefined }),
    };
  },
  decodeResponse: (body, request) => {
    const typed = body['embeddings'];
    const floats = isObject(typed) ? typed['float'] : typed;
    const rows = Array.isArray(floats) ? floats.map((embedding) => ({ embedding })) : undefined;
    return { vectors: complete(indexed(rows, 'embedding'), request), usage: usageOf(body, request) };
  },
};
