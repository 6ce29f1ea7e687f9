import type { Objective } from './types.ts';

/** A model name taken apart as far as routing is concerned. */
export interface AskedName {
  /** Without prefix and suffix; `undefined` for a RouteLLM name, which says no router. */
  readonly router: string | undefined;
  readonly objective?: Exclude<Objective, 'balanced'>;
  /** RouteLLM's threshold. */
  readonly threshold?: number;
}

const SUFFIX = /^(.+):(cost|fast|quality)$/;
/** RouteLLM's routers by their names there; all of them are served by our own decision. */
const ROUTE_LLM = /^router-(?:mf|sw_ranking|bert|causal_llm|random)-(0(?:\.\d{1,12})?|1(?:\.0{1,12})?)$/;
const DYNAMIC = 'dynamic/';

/** Reads `auto:cost`, `dynamic/auto` and `router-mf-0.11593`. */
export function parseAskedName(asked: string): AskedName {
  const [, name = asked, suffix] = SUFFIX.exec(asked) ?? [];
  const objective = suffix === undefined ? {} : { objective: suffix as 'cost' | 'fast' | 'quality' };
  const threshold = ROUTE_LLM.exec(name)?.[1];
  if (threshold !== undefined) return { router: undefined, threshold: Number(threshold), ...objective };
  return { router: name.startsWith(DYNAMIC) ? name.slice(DYNAMIC.length) : name, ...objective };
}
