/** A call that may only be made once somebody has said yes to it. */
export interface ApprovalWish {
  readonly keyId: string | undefined;
  readonly organizationId: string | undefined;
  /** Everything the yes is bound to: the same call is the same text. */
  readonly request: () => string;
  /** Why it needs one, as a sentence for whoever decides. */
  readonly subject: string;
  readonly details: Readonly<Record<string, string | number | null>>;
  /** The id of an approval that the client brought along. */
  readonly presented: string | undefined;
  /** How long the client is ready to wait, milliseconds; 0 not at all. */
  readonly waitMs: number;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
}

/** Asks people. */
export interface ApprovalDesk {
  /**
   * Resolves to the approval's id when this very call may be made now; that uses the approval up.
   * @throws SluiceError `approval_required` with the id of what waits for a decision, `forbidden` when it was rejected
   */
  pass(wish: ApprovalWish): Promise<string>;
}
