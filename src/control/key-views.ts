import type { z } from 'zod';
import { nanoToUsd } from '../core/cost/money.ts';
import type { BudgetBook, BudgetView } from '../core/policy/budget.ts';
import { abortRule } from '../core/policy/client-abort.ts';
import type { BudgetRule, KeyRotation, VirtualKey } from '../core/policy/virtual-key.ts';
import { toTime } from './caller.ts';
import { policyView } from './policies.ts';
import type { budgetState, keyView } from './shapes.ts';

/** A key as the API shows it. */
export type KeyView = z.output<typeof keyView>;

function budgetView(rule: BudgetRule, view: BudgetView): z.output<typeof budgetState> {
  return {
    limit_usd: nanoToUsd(view.limitNano),
    settled_usd: nanoToUsd(view.settledNano),
    held_usd: nanoToUsd(view.heldNano),
    remaining_usd: nanoToUsd(view.remainingNano),
    window: rule.window,
    action: rule.action,
    window_start: toTime(view.windowStart),
    window_end: view.windowEnd === undefined ? null : toTime(view.windowEnd),
  };
}

function statusOf(key: VirtualKey, now: number): KeyView['status'] {
  if (key.revokedAt !== undefined) return 'revoked';
  if (key.blocked) return 'blocked';
  return key.expiresAt !== undefined && key.expiresAt <= now ? 'expired' : 'active';
}

function rotationView(rotation: KeyRotation | undefined): KeyView['rotation'] {
  if (rotation === undefined) return null;
  return {
    every_s: rotation.everyS,
    overlap_s: rotation.overlapS,
    next_at: toTime(rotation.nextAt),
    unclaimed: rotation.unclaimed !== undefined,
  };
}

/** A key with the state of its budget, without anything secret. */
export function keyViewOf(key: VirtualKey, book: BudgetBook, now: number): KeyView {
  const view = key.budget === undefined ? undefined : book.view(key.id, now);
  const { models: _, operations, cidrs, limits: __, ...policy } = policyView(key.policy);
  return {
    id: key.id,
    organization_id: key.organizationId,
    name: key.name,
    hint: key.hint,
    status: statusOf(key, now),
    created_at: toTime(key.createdAt),
    expires_at: key.expiresAt === undefined ? null : toTime(key.expiresAt),
    previous_key_expires_at:
      key.previousHashExpiresAt === undefined ? null : toTime(key.previousHashExpiresAt),
    rotation: rotationView(key.rotation),
    team_id: key.teamId ?? null,
    project_id: key.projectId ?? null,
    user_id: key.userId ?? null,
    service_account_id: key.serviceAccountId ?? null,
    models: key.models === undefined ? null : [...key.models],
    operations: operations ?? null,
    cidrs: cidrs ?? null,
    policy,
    limits: key.limits,
    metadata: { ...key.metadata },
    on_client_abort: abortRule(key.metadata),
    budget: key.budget === undefined || view === undefined ? null : budgetView(key.budget, view),
  };
}
