import { badRequest, SluiceError, unsupported } from '../../core/errors/error.ts';
import { isObject, type Json, type JsonObject, promptTokens, type Usage } from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
import { compact, optionalBoolean, optionalNumber, requiredString, unknownFields } from '../fields.ts';
import type { Shape } from './operation.ts';
import { estimatedInput, reportedUsage } from './usage.ts';

/** A question and the documents to order by it. */
export interface RerankRequest {
  readonly query: string;
  /** As sent: texts, or objects with `text` and whatever else (Jina). */
  readonly documents: readonly Json[];
  readonly topN?: number;
  readonly returnDocuments: boolean;
  readonly maxTokensPerDocument?: number;
  readonly others: readonly string[];
}

/** Scores, best first. */
export interface RerankResponse {
  readonly results: readonly { readonly index: number; readonly score: number }[];
  readonly usage: Usage;
  /** Cohere's count of what it bills. */
  readonly searchUnits?: number;
}

type RerankShape = Shape<RerankRequest, RerankResponse>;

const KNOWN = new Set([
  'model',
  'query',
  'documents',
  'top_n',
  'top_k',
  'return_documents',
  'max_tokens_per_doc',
]);

function documentsOf(body: JsonObject): readonly Json[] {
  const { documents } = body;
  if (!Array.isArray(documents) || documents.length === 0) {
    throw badRequest('documents', '`documents` is required and must hold at least one document.');
  }
  for (const [index, document] of documents.entries()) {
    if (typeof document !== 'string' && !isObject(document)) {
      throw badRequest(`documents[${index}]`, `\`documents[${index}]\` must be a text or an object.`);
    }
  }
  return documents;
}

function decodeRequest(body: JsonObject): RerankRequest {
  const topN =
    optionalNumber(body, 'top_n', { min: 1, integer: true }) ??
    optionalNumber(body, 'top_k', { min: 1, integer: true });
  const most = optionalNumber(body, 'max_tokens_per_doc', { min: 1, integer: true });
  return {
    query: requiredString(body, 'query'),
    documents: documentsOf(body),
    ...(topN === undefined ? {} : { topN }),
    returnDocuments: optionalBoolean(body, 'return_documents') ?? false,
    ...(most === undefined ? {} : { maxTokensPerDocument: most }),
    others: Object.keys(unknownFields(body, KNOWN) ?? {}),
  };
}

/** Documents as texts, for targets that take nothing else. */
function textsOf(request: RerankRequest): string[] {
  return request.documents.map((document, index) => {
    const text = isObject(document) ? document['text'] : document;
    if (typeof text === 'string') return text;
    throw unsupported(`documents[${index}]`, `This model takes \`documents[${index}]\` as text only.`);
  });
}

function usageOf(body: JsonObject, request: RerankRequest): Usage {
  const reported = reportedUsage(body);
  // Billed searches are no tokens: a report of nothing else leaves them to be estimated.
  if (reported !== undefined && promptTokens(reported) > 0) return { ...reported, output: 0 };
  const texts = request.documents.map((document) => {
    const text = isObject(document) ? document['text'] : document;
    return typeof text === 'string' ? text : '';
  });
  return {
    ...estimatedInput([request.query, ...texts]),
    ...(body['meta'] === undefined ? {} : { raw: body['meta'] }),
  };
}

function searchUnits(body: JsonObject): { searchUnits?: number } {
  const meta = body['meta'];
  const billed = isObject(meta) ? meta['billed_units'] : undefined;
  const units = isObject(billed) ? toNumber(billed['search_units']) : undefined;
  return typeof units === 'number' ? { searchUnits: units } : {};
}

function decodeResponse(body: JsonObject, request: RerankRequest): RerankResponse {
  const list = body['results'] ?? body['data'];
  if (!Array.isArray(list)) throw malformed();
  const results = list.map((entry) => {
    const index = isObject(entry) ? toNumber(entry['index']) : undefined;
    const score = isObject(entry) ? toNumber(entry['relevance_score'] ?? entry['score']) : undefined;
    if (typeof index !== 'number' || typeof score !== 'number') throw malformed();
    if (!Number.isSafeInteger(index) || index < 0 || index >= request.documents.length) throw malformed();
    return { index, score };
  });
  return { results, usage: usageOf(body, request), ...searchUnits(body) };
}

function malformed(): SluiceError {
  return new SluiceError('upstream_malformed', 'The provider sent an answer without valid scores.');
}

/** One answer that Cohere's and Jina's clients both read: `results` is the same in both, the rest stands side by side. */
function encodeResponse(
  response: RerankResponse,
  reply: { readonly id: string; readonly model: string; readonly request: RerankRequest },
): JsonObject {
  const { request } = reply;
  const total = promptTokens(response.usage);
  return {
    id: reply.id,
    object: 'list',
    model: reply.model,
    results: response.results.map(({ index, score }) => {
      const document = request.documents[index];
      const shown = typeof document === 'string' ? { text: document } : document;
      return compact({
        index,
        relevance_score: score,
        document: request.returnDocuments ? shown : undefined,
      });
    }),
    usage: { total_tokens: total },
    meta: {
      api_version: { version: '2' },
      billed_units: compact({ search_units: response.searchUnits ?? 1, input_tokens: total }),
    },
  };
}

function uncarried(request: RerankRequest, carriesLimit: boolean): string[] {
  const limit = request.maxTokensPerDocument !== undefined && !carriesLimit ? ['max_tokens_per_doc'] : [];
  return [...request.others, ...limit];
}

/** Cohere's `/v2/rerank` (API reference, "Rerank v2"): texts only; documents are not repeated in the answer. */
export const cohereRerank: RerankShape = {
  decodeRequest,
  encodeRequest: (request, model) => ({
    body: compact({
      model,
      query: request.query,
      documents: textsOf(request),
      top_n: request.topN,
      max_tokens_per_doc: request.maxTokensPerDocument,
    }),
    dropped: uncarried(request, true),
  }),
  decodeResponse,
  encodeResponse,
};

/** Jina's `/v1/rerank` (API page "Reranker"), also of vLLM, llama.cpp and Together. */
export const jinaRerank: RerankShape = {
  ...cohereRerank,
  encodeRequest: (request, model) => ({
    body: compact({
      model,
      query: request.query,
      documents: [...request.documents],
      top_n: request.topN,
      return_documents: false,
    }),
    dropped: uncarried(request, false),
  }),
};

/** Voyage's `/v1/rerank` (API reference, "Rerankers"): `top_k`, and `data` instead of `results`. */
export const voyageRerank: RerankShape = {
  ...cohereRerank,
  encodeRequest: (request, model) => ({
    body: compact({
      model,
      query: request.query,
      documents: textsOf(request),
      top_k: request.topN,
      return_documents: false,
    }),
    dropped: uncarried(request, false),
  }),
};
