import { changesOf, normal } from './compare.ts';
import type { State } from './document.ts';
import type { Gathered } from './gather.ts';
import type { Step } from './steps.ts';

interface Planned {
  readonly steps: Step[];
  readonly removals: Step[];
  readonly unmanaged: string[];
}

function planPrices(
  planned: Planned,
  gathered: Gathered,
  { state, prune }: { state: State; prune: boolean },
): void {
  if (state.prices === undefined) return;
  const present = new Map((gathered.prices ?? []).map(({ updated_at: _, ...price }) => [price.model, price]));
  for (const price of state.prices) {
    const before = present.get(price.model);
    present.delete(price.model);
    // Rates the file leaves out are completed by the gateway.
    const told = Object.fromEntries(
      Object.entries(before ?? {}).filter(([field]) => Object.hasOwn(price, field)),
    );
    const changes = changesOf(normal(price), normal(told));
    if (before !== undefined && changes.length === 0) continue;
    planned.steps.push({
      action: before === undefined ? 'create' : 'update',
      kind: 'price',
      name: price.model,
      changes: before === undefined ? [] : changes,
      run: async (call) => void (await call('setPrice', price)),
    });
  }
  for (const model of present.keys()) {
    if (!prune) planned.unmanaged.push(`price ${model}`);
    else {
      planned.removals.push({
        action: 'delete',
        kind: 'price',
        name: model,
        changes: [],
        run: async (call) => void (await call('deletePrice', { model })),
      });
    }
  }
}

/** What belongs to no organization: price overrides and admin overrides of the configuration. */
export function planGateway(gathered: Gathered, state: State, prune: boolean): Planned {
  const planned: Planned = { steps: [], removals: [], unmanaged: [] };
  planPrices(planned, gathered, { state, prune });
  const { config } = state;
  const changes = config === undefined ? [] : changesOf(config, gathered.overrides ?? {});
  if (config !== undefined && changes.length > 0) {
    planned.steps.push({
      action: 'update',
      kind: 'config',
      name: 'admin overrides',
      changes,
      run: async (call) => void (await call('putConfig', { config, comment: 'sluice apply' })),
    });
  }
  return planned;
}
