/** What can be asked of the gateway, as the log, keys and policies name it. */
export const OPERATIONS = [
  'chat',
  'count_tokens',
  'embeddings',
  'moderations',
  'images',
  'speech',
  'transcriptions',
  'rerank',
  'files',
  'batches',
  'passthrough',
  'classify',
  'multimodel',
] as const;

export type AnyOperation = (typeof OPERATIONS)[number];

/** Whether a policy that names it could ever apply to a request. */
export function isOperation(name: string): boolean {
  return (OPERATIONS as readonly string[]).includes(name);
}
