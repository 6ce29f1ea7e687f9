import { badRequest } from '../../core/errors/error.ts';
import { isObject, type Json, type JsonObject, promptTokens } from '../../core/model/index.ts';
import { at, compact, objectAt, optionalNumber, optionalString, unknownFields } from '../fields.ts';
import {
  complete,
  type EmbeddingItem,
  type EmbeddingRequest,
  type EmbeddingResponse,
  type EmbeddingTask,
  indexed,
  uncarriedFields,
} from './embeddings.ts';
import { textsOf, usageOf } from './embeddings-openai.ts';
import type { Shape } from './operation.ts';

type EmbeddingShape = Shape<EmbeddingRequest, EmbeddingResponse>;

const KNOWN = new Set([
  'model',
  'content',
  'taskType',
  'task_type',
  'title',
  'outputDimensionality',
  'output_dimensionality',
]);

/** `TaskType` of the Gemini API; those for code, questions and facts are kinds of query. */
const TASKS: Readonly<Record<string, EmbeddingTask>> = {
  RETRIEVAL_QUERY: 'query',
  QUESTION_ANSWERING: 'query',
  FACT_VERIFICATION: 'query',
  CODE_RETRIEVAL_QUERY: 'query',
  RETRIEVAL_DOCUMENT: 'document',
  SEMANTIC_SIMILARITY: 'similarity',
  CLASSIFICATION: 'classification',
  CLUSTERING: 'clustering',
};

const WORDS: Readonly<Record<EmbeddingTask, string>> = {
  query: 'RETRIEVAL_QUERY',
  document: 'RETRIEVAL_DOCUMENT',
  similarity: 'SEMANTIC_SIMILARITY',
  classification: 'CLASSIFICATION',
  clustering: 'CLUSTERING',
};

function textOf(content: Json | undefined, path: string): string {
  const parts = isObject(content) ? content['parts'] : undefined;
  const list = Array.isArray(parts) ? parts : isObject(parts) ? [parts] : [];
  let text = '';
  for (const [index, part] of list.entries()) {
    const word = isObject(part) ? part['text'] : undefined;
    if (typeof word !== 'string') {
      const where = `${at(path, 'content')}.parts[${index}]`;
      throw badRequest(where, `\`${where}\` must hold \`text\`; other content cannot be embedded here.`);
    }
    text += word;
  }
  if (text === '') throw badRequest(at(path, 'content'), `\`${at(path, 'content')}\` must hold text.`);
  return text;
}

function either(body: JsonObject, camel: string, snake: string): string {
  return body[camel] === undefined && body[snake] !== undefined ? snake : camel;
}

interface Read {
  readonly item: EmbeddingItem;
  readonly dimensions: number | undefined;
  readonly others: readonly string[];
}

function readOne(body: JsonObject, path: string): Read {
  const word = optionalString(body, either(body, 'taskType', 'task_type'), path);
  const task = word === undefined || word === 'TASK_TYPE_UNSPECIFIED' ? undefined : TASKS[word];
  if (word !== undefined && task === undefined && word !== 'TASK_TYPE_UNSPECIFIED') {
    throw badRequest(at(path, 'taskType'), `\`${at(path, 'taskType')}\` is not a task of the Gemini API.`);
  }
  const title = optionalString(body, 'title', path);
  const key = either(body, 'outputDimensionality', 'output_dimensionality');
  return {
    item: {
      text: textOf(body['content'], path),
      ...(task === undefined ? {} : { task }),
      ...(title === undefined ? {} : { title }),
    },
    dimensions: optionalNumber(body, key, { min: 1, integer: true, path }),
    others: Object.keys(unknownFields(body, KNOWN) ?? {}),
  };
}

function toRequest(reads: readonly Read[], single: boolean): EmbeddingRequest {
  const sizes = new Set(reads.map(({ dimensions }) => dimensions));
  if (sizes.size > 1) {
    throw badRequest('outputDimensionality', '`outputDimensionality` must be the same in all requests.');
  }
  const [dimensions] = sizes;
  return {
    items: reads.map(({ item }) => item),
    ...(dimensions === undefined ? {} : { dimensions }),
    encoding: 'float',
    others: [...new Set(reads.flatMap(({ others }) => others))],
    single,
  };
}

function readBatch(body: JsonObject): EmbeddingRequest {
  const { requests } = body;
  if (!Array.isArray(requests) || requests.length === 0) {
    throw badRequest('requests', '`requests` is required and must hold at least one request.');
  }
  const reads = requests.map((entry, index) => {
    const path = `requests[${index}]`;
    return readOne(objectAt(entry, path), path);
  });
  return toRequest(reads, false);
}

function encodeRequest(
  request: EmbeddingRequest,
  model: string,
): ReturnType<EmbeddingShape['encodeRequest']> {
  const texts = textsOf(request);
  return {
    body: {
      requests: request.items.map((item, index) =>
        compact({
          model: `models/${model}`,
          content: { parts: [{ text: texts[index] }] },
          taskType: item.task === undefined ? undefined : WORDS[item.task],
          title: item.title,
          outputDimensionality: request.dimensions,
        }),
      ),
    },
    dropped: uncarriedFields(request, { task: true, title: true }),
  };
}

/** Gemini's `:batchEmbedContents` and, for clients, `:embedContent` (API reference v1beta, "Embeddings"). */
export const geminiEmbeddings: EmbeddingShape = {
  decodeRequest: (body) =>
    body['requests'] === undefined ? toRequest([readOne(body, '')], true) : readBatch(body),
  encodeRequest,
  decodeResponse: (body, request) => ({
    vectors: complete(indexed(body['embeddings'], 'values'), request),
    usage: usageOf(body, request),
  }),
  encodeResponse: ({ vectors, usage }, { request }) => {
    const rows = vectors.map((values) => ({ values: [...values] }));
    const prompt = promptTokens(usage);
    const meta = { usageMetadata: { promptTokenCount: prompt, totalTokenCount: prompt } };
    return request.single ? { embedding: rows[0] ?? null, ...meta } : { embeddings: rows, ...meta };
  },
};
