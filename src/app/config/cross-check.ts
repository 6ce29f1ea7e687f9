import { checkModels } from './cross-check-models.ts';
import { checkAccess, checkClients, checkGuardrails } from './cross-check-policies.ts';
import { checkProviders, checkTimers } from './cross-check-providers.ts';
import { checkRouters } from './cross-check-routers.ts';
import { checkSecrets } from './cross-check-secrets.ts';
import { checkSignIn } from './cross-check-sign-in.ts';
import { checkSpending } from './cross-check-spending.ts';
import type { KnownNames } from './known.ts';
import type { Finding, Report } from './paths.ts';
import type { Config } from './schema.ts';
import { warnUnbuilt } from './unbuilt.ts';

/** What does not fit together, and what only deserves a look. */
export interface Findings {
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
}

/**
 * Checks what one value says about another, which a schema cannot. With `known` the names of vendors and catalog
 * models are checked too. `now` (milliseconds since 1970) is used to warn about keys that have expired.
 */
export function crossCheck(config: Config, known?: KnownNames, now?: number): Findings {
  const problems: Finding[] = [];
  const warnings: Finding[] = [];
  const report: Report = {
    problem: (finding) => problems.push(finding),
    warn: (finding) => warnings.push(finding),
  };
  checkAccess(config, report);
  checkProviders(config, known, report);
  checkTimers(config, report);
  checkModels(config, known, report);
  checkRouters(config, known, report);
  checkGuardrails(config, known, report);
  checkClients(config, { known, report }, now);
  checkSpending(config, report);
  checkSecrets(config, report);
  checkSignIn(config, report);
  warnUnbuilt(config, report);
  return { problems, warnings };
}
