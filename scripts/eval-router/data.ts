import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '../../src/core/routing/model/heads.ts';
import type { Example } from '../../src/core/routing/model/index.ts';

/** One line of the data beside the repository. */
export interface Row {
  readonly id: string;
  readonly prompt: string;
  readonly weak_correct: number;
  readonly strong_correct: number;
  readonly group: string;
  readonly cluster: number;
  readonly scores?: Readonly<Record<string, number>>;
  readonly weak_response?: string;
}

export const BENCHMARKS = ['mmlu', 'gsm8k', 'llmrouter'] as const;
export type Benchmark = (typeof BENCHMARKS)[number];

const FOLDER = fileURLToPath(new URL('../../../shared/router/', import.meta.url));

/** Whether the data lies beside this repository. */
export const hasData = (): boolean => existsSync(FOLDER);

export function loadRows(benchmark: Benchmark): readonly Row[] {
  const text = readFileSync(join(FOLDER, benchmark, 'train.jsonl'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Row);
}

export const asExample = (row: Row): Example => ({
  prompt: row.prompt,
  weak: row.weak_correct,
  strong: row.strong_correct,
});

/** Train and test rows; a cluster (prompts of one passage) is never on both sides. */
export interface Split {
  readonly train: readonly Row[];
  readonly test: readonly Row[];
}

/** A random split by clusters; deterministic in the seed. */
export function splitByCluster(rows: readonly Row[], seed: number, trainShare = 0.7): Split {
  const random = seededRandom(seed * 7919 + 13);
  const sides = new Map<number, boolean>();
  for (const { cluster } of rows) if (!sides.has(cluster)) sides.set(cluster, random() < trainShare);
  return {
    train: rows.filter(({ cluster }) => sides.get(cluster) === true),
    test: rows.filter(({ cluster }) => sides.get(cluster) === false),
  };
}

/** `count` rows at random; deterministic in the seed. */
export function sample(rows: readonly Row[], count: number, seed: number): readonly Row[] {
  const random = seededRandom(seed * 104_729 + 7);
  return rows
    .map((row) => ({ row, key: random() }))
    .sort((a, b) => a.key - b.key)
    .slice(0, count)
    .map(({ row }) => row);
}
