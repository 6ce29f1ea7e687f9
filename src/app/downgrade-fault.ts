import { downgradeModel, isTierName } from '../pipeline/downgrade-target.ts';
import type { Runtime } from '../pipeline/runtime.ts';
import { checkModelName } from './config/cross-check-models.ts';
import type { KnownNames } from './config/known.ts';
import type { Finding } from './config/paths.ts';
import type { Config } from './config/schema.ts';

/** What is served now. */
export interface Live {
  readonly runtime: Runtime;
  readonly config: Config;
  readonly known: KnownNames;
}

/**
 * Why a budget could not downgrade to this name, as the end of a sentence; `undefined` when it could: it is a model that is
 * configured or known, or a tier of a router.
 */
export function downgradeFault({ runtime, config, known }: Live, name: string): string | undefined {
  if (downgradeModel(runtime, name) !== undefined) return undefined;
  if (isTierName(name)) return 'is a tier that no router serves. Give a router `tiers`, or name a model.';
  const findings: Finding[] = [];
  const report = { problem: (one: Finding) => findings.push(one), warn: () => undefined };
  if (!runtime.demo) checkModelName(config, ['downgrade_to'], name, { known, report });
  const [finding] = findings;
  if (finding !== undefined) return `${finding.problem} ${finding.remedy}`;
  return 'is no model that is served here. Name one of `sluice models`, or a tier of a router.';
}
