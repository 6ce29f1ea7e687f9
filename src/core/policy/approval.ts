/** What waits for somebody's yes. */
export const APPROVAL_KINDS = ['call', 'budget_raise', 'model_access', 'key_scope'] as const;
export type ApprovalKind = (typeof APPROVAL_KINDS)[number];

/** `used`: it did what it was asked for, once. */
export const APPROVAL_STATUSES = ['pending', 'approved', 'rejected', 'used', 'expired'] as const;
export type ApprovalStatus = (typeof APPROVAL_STATUSES)[number];

/** A question to whoever may decide. Times are milliseconds since 1970. */
export interface Approval {
  readonly id: string;
  readonly kind: ApprovalKind;
  readonly organizationId: string | undefined;
  /** Who asks: a key's id or the caller of the admin API. */
  readonly requestedBy: string;
  readonly keyId: string | undefined;
  /** One sentence for whoever decides. */
  readonly subject: string;
  /** Facts to decide by, and for changes what will be changed. JSON text; nothing secret, no prompts. */
  readonly details: string;
  /** Keyed hash of the very request that may pass. */
  readonly requestHash: string | undefined;
  /** As stored: expiry is told by {@link statusAt}. */
  readonly status: Exclude<ApprovalStatus, 'expired'>;
  readonly createdAt: number;
  /** Until when it can be decided, and once approved, used. */
  readonly expiresAt: number;
  readonly decidedAt: number | undefined;
  readonly decidedBy: string | undefined;
  readonly reason: string | undefined;
  readonly usedAt: number | undefined;
}

/** What an approval is worth at a moment. */
export function statusAt(approval: Approval, now: number): ApprovalStatus {
  const open = approval.status === 'pending' || approval.status === 'approved';
  return open && approval.expiresAt <= now ? 'expired' : approval.status;
}
