import type { BudgetDirectory } from '../control/budget-directory.ts';
import { problemOf } from '../control/budgets.ts';
import type { ReferenceState } from '../control/credentials.ts';
import type { KeyDirectory } from '../control/key-directory.ts';
import type { Budget } from '../core/policy/budget-rule.ts';
import { downgradeFault } from './downgrade-fault.ts';
import type { LiveRuntime } from './live-runtime.ts';
import { referencesOfProvider } from './secret-references.ts';

/** Something that works otherwise than it was meant, while everything else goes on. */
export interface Warning {
  /** For example `provider openai` or `budget support (budget_…)`. */
  readonly about: string;
  readonly problem: string;
  readonly remedy: string;
}

interface WarningPorts {
  readonly live: Pick<LiveRuntime, 'runtime' | 'config' | 'known' | 'environment' | 'unheeded'>;
  readonly directory: Pick<KeyDirectory, 'keys'>;
  readonly spending: { readonly directory: Pick<BudgetDirectory, 'allBudgets'> };
  readonly resolver: { states(): readonly ReferenceState[] };
}

/** What one unreadable secret means for a provider. */
export function secretWarning(provider: string, { reference, problem, state }: ReferenceState): Warning {
  const why = problem ?? 'It could not be read.';
  const meanwhile =
    state === 'stale'
      ? 'The value read last is used meanwhile.'
      : 'No call is made with another in its place.';
  return {
    about: `provider ${provider}`,
    problem: `Its secret \`${reference}\` cannot be read: ${why}`,
    remedy: `${meanwhile} Mend the reference or its store; it is asked again by itself.`,
  };
}

function* ofStart({ live }: WarningPorts): Generator<Warning> {
  if (live.unheeded.length === 0) return;
  yield {
    about: 'configuration',
    problem: `Changed since the start, and not in force: ${live.unheeded.map((path) => `\`${path}\``).join(', ')}.`,
    remedy: 'Start the gateway again to take it.',
  };
}

function* ofSecrets({ live, resolver }: WarningPorts): Generator<Warning> {
  const broken = new Map(
    resolver.states().flatMap((one) => (one.problem === undefined ? [] : [[one.reference, one] as const])),
  );
  if (broken.size === 0) return;
  for (const name of live.runtime.providers.keys()) {
    for (const reference of new Set(referencesOfProvider(live.config, live.environment, name))) {
      const state = broken.get(reference);
      if (state !== undefined) yield secretWarning(name, state);
    }
  }
}

function* ofBudgets({ live, directory, spending }: WarningPorts): Generator<Warning> {
  const faults = new Map<string, string | undefined>();
  const ports = {
    downgradeFault(name: string): string | undefined {
      if (!faults.has(name)) faults.set(name, downgradeFault(live, name));
      return faults.get(name);
    },
  };
  const tell = (about: string, budget: Pick<Budget, 'action' | 'downgradeTo'>): Warning[] => {
    const problem = problemOf(budget, ports);
    const remedy = 'Give it another `downgrade_to`, or bring the model back.';
    return problem === undefined ? [] : [{ about, problem, remedy }];
  };
  for (const budget of spending.directory.allBudgets()) {
    yield* tell(`budget ${budget.name} (${budget.id})`, budget);
  }
  for (const { id, name, budget } of directory.keys()) {
    if (budget === undefined) continue;
    yield* tell(`budget of the key ${name} (${id})`, { downgradeTo: undefined, ...budget });
  }
}

/** At most this many of a kind are told. */
const MOST = 50;

/** What keeps settings, providers and budgets from working as the operator meant; empty when all is well. */
export function* standingWarnings(ports: WarningPorts): Generator<Warning> {
  yield* ofStart(ports);
  yield* ofSecrets(ports).take(MOST);
  yield* ofBudgets(ports).take(MOST);
}
