export { PromptModel } from './prompt-model.ts';
export type { Example, PromptScore } from './types.ts';
