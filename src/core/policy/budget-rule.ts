import type { BudgetDefinition } from './budget-account.ts';
import type { Scoped } from './scope-index.ts';
import type { BudgetAction } from './virtual-key.ts';

/** A spending limit on a scope, with what happens at it. Times are milliseconds since 1970. */
export interface Budget extends BudgetDefinition, Scoped {
  readonly name: string;
  readonly action: BudgetAction;
  /** The cheaper model of `downgrade`. */
  readonly downgradeTo: string | undefined;
  /** The limit is never passed: streams are cut at what was held, a cheaper model must fit too. */
  readonly hard: boolean;
  /** `key`: the `budget` field of a virtual key. */
  readonly source: 'api' | 'file' | 'key';
  /** Set by who runs the gateway: nobody inside the organization changes it. */
  readonly locked?: boolean | undefined;
  readonly createdAt: number;
}

/** Told of once per window unless a budget says otherwise. Percent. */
export const DEFAULT_THRESHOLDS: readonly number[] = Object.freeze([80, 100]);
