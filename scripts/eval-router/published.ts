/** RouteLLM's published figures (arXiv 2406.18665, tables 1–3) with what the routers were trained on. */
export const PUBLISHED: readonly {
  readonly router: string;
  readonly training: string;
  readonly mmlu?: string;
  readonly gsm8k?: string;
}[] = [
  { router: 'random', training: 'none', mmlu: '0.500 / 50 / 80', gsm8k: '0.497 / 50 / 80' },
  { router: 'BERT', training: '65k Arena votes', mmlu: '0.502 / 49 / 78', gsm8k: '0.438 / 59 / 84' },
  { router: 'causal LLM 8B', training: '65k Arena votes', mmlu: '0.499 / 49 / 78', gsm8k: '0.461 / 56 / 84' },
  {
    router: 'matrix factorisation',
    training: '65k Arena votes',
    mmlu: '0.524 / 45 / 77',
    gsm8k: '0.475 / 54 / 85',
  },
  { router: 'SW ranking', training: '65k Arena votes', mmlu: '0.473 / 56 / 80', gsm8k: '0.475 / 54 / 82' },
  { router: 'SW ranking', training: 'Arena + 1,500 MMLU labels', mmlu: '0.603 / 35 / 72' },
  { router: 'causal LLM 8B', training: 'Arena + 1,500 MMLU labels', mmlu: '0.600 / 35 / 70' },
  { router: 'causal LLM 8B', training: 'Arena + 120k GPT-4-judged pairs', gsm8k: '0.622 / 34 / 63' },
];
