import { UNKNOWN_USAGE } from '../../core/model/index.ts';
import { geminiEmbeddings } from './embeddings-gemini.ts';
import {
  cohereEmbeddings,
  jinaEmbeddings,
  openaiEmbeddings,
  usageOf,
  voyageEmbeddings,
} from './embeddings-openai.ts';
import {
  countTokens,
  envelopeOf,
  images,
  modelOf,
  moderations,
  speech,
  transcriptions,
} from './forwarded.ts';
import type { Operation, OperationName } from './operation.ts';
import { cohereRerank, jinaRerank, voyageRerank } from './rerank.ts';
import { translator } from './translate.ts';
import { reportedUsage } from './usage.ts';

export { envelopeOf } from './forwarded.ts';
export type { Operation, OperationName, Translated } from './operation.ts';
export { reportedUsage, UsageWatcher } from './usage.ts';

const EMBEDDING_SHAPES = {
  openai: openaiEmbeddings,
  'gemini-embeddings': geminiEmbeddings,
  cohere: cohereEmbeddings,
  jina: jinaEmbeddings,
  voyage: voyageEmbeddings,
} as const;

function shapeOf(shape: string): (typeof EMBEDDING_SHAPES)['openai'] {
  return EMBEDDING_SHAPES[shape as keyof typeof EMBEDDING_SHAPES] ?? openaiEmbeddings;
}

/** `/v1/embeddings` and Gemini's two endpoints. Only OpenAI's bytes can go on unread: Gemini repeats the model inside. */
const embeddings: Operation = {
  name: 'embeddings',
  envelope(body, shape) {
    const model = modelOf(body);
    // Reading the whole request here finds every mistake before a limit or a budget is touched.
    shapeOf(shape).decodeRequest(body);
    return envelopeOf(model);
  },
  forwards: (client, upstream) => client === 'openai' && upstream === 'openai',
  translate: translator(EMBEDDING_SHAPES),
  usage({ body }, answer) {
    return usageOf(answer ?? {}, openaiEmbeddings.decodeRequest(body));
  },
};

/** `/v1/rerank`, in the shape that Cohere's and Jina's clients share. */
const rerank: Operation = {
  name: 'rerank',
  envelope(body) {
    const model = modelOf(body);
    cohereRerank.decodeRequest(body);
    const documents = Array.isArray(body['documents']) ? body['documents'].length : 1;
    // The question is read again with each document.
    const query = typeof body['query'] === 'string' ? body['query'].length : 0;
    const size = JSON.stringify(body['documents'] ?? '').length;
    return envelopeOf(model, { promptTokens: Math.ceil((size + query * documents) / 2) });
  },
  forwards: () => false,
  translate: translator({
    rerank: cohereRerank,
    cohere: cohereRerank,
    jina: jinaRerank,
    voyage: voyageRerank,
  }),
  usage: (_call, answer) => reportedUsage(answer ?? {}) ?? UNKNOWN_USAGE,
};

/** Every operation besides chat, by name. */
export const OPERATIONS: Readonly<Record<OperationName, Operation>> = {
  count_tokens: countTokens,
  embeddings,
  moderations,
  images,
  speech,
  transcriptions,
  rerank,
};
