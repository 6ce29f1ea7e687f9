import { DAY_MS } from '../core/durations.ts';
import { SluiceError } from '../core/errors/error.ts';
import { type Approval, type ApprovalKind, statusAt } from '../core/policy/approval.ts';
import type { ApprovalDesk, ApprovalWish } from '../ports/approval-desk.ts';
import type { Clock } from '../ports/clock.ts';
import type { Log } from '../ports/log-sink.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Random } from '../ports/random.ts';
import type { SecretBox } from '../ports/secret-box.ts';
import type { Store } from '../ports/store.ts';
import type { AuditLog } from './audit.ts';
import { type Caller, notFound, operator } from './caller.ts';

export interface ApprovalBookPorts {
  readonly store: Store;
  readonly secrets: SecretBox;
  readonly clock: Clock;
  readonly random: Random;
  readonly audit: AuditLog;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** How long something may wait for a decision, and be used after a yes. */
const OPEN_MS = DAY_MS;
/** Calls of one key that may wait for a decision at once: a loop must not bury who decides. */
const MAX_PENDING = 50;
/** Clients that may wait with their connection open, and how long. */
const MAX_WAITING = 1000;
const MAX_WAIT_MS = 600_000;
/** Another process may have taken the decision. */
const LOOK_AGAIN_MS = 1000;
const KEPT_MS = 90 * DAY_MS;

/** What is asked besides a call. */
export interface Question {
  readonly kind: Exclude<ApprovalKind, 'call'>;
  readonly organizationId: string | undefined;
  readonly keyId?: string | undefined;
  readonly subject: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/**
 * What waits for somebody's yes. A yes to a call is bound to a keyed hash of that very request, can be used once, and
 * expires; all of that is decided by the store in one statement, so it holds for any number of clients and processes.
 */
export class ApprovalBook implements ApprovalDesk {
  readonly #ports: ApprovalBookPorts;
  /** Equal calls at the same time share a question. */
  readonly #asking = new Map<string, Promise<Approval>>();
  readonly #waiting = new Map<string, Set<() => void>>();
  #waiters = 0;
  #closed = false;

  constructor(ports: ApprovalBookPorts) {
    this.#ports = ports;
  }

  async pass(wish: ApprovalWish): Promise<string> {
    const { store, secrets, clock } = this.#ports;
    const hash = secrets.sign(wish.request(), 'approval-request');
    const { presented } = wish;
    if (presented !== undefined) {
      if (await store.approvals.use(presented, hash, clock.now())) return this.#used(presented);
      const known = await store.approvals.get(presented);
      if (known?.requestHash !== hash || statusAt(known, clock.now()) !== 'pending')
        throw this.#unusable(known, hash);
    }
    const approval = await this.#questionFor(hash, wish);
    if (wish.waitMs > 0 && (await this.#decided(approval, wish))) {
      if (await store.approvals.use(approval.id, hash, clock.now())) return this.#used(approval.id);
      const now = await store.approvals.get(approval.id);
      if (now?.status === 'rejected' || now?.status === 'used') throw this.#unusable(now, hash);
    }
    throw required(wish, (await store.approvals.get(approval.id)) ?? approval);
  }

  /** Asks for a change. */
  async ask(caller: Caller, question: Question): Promise<Approval> {
    const id = this.#ports.random.id('apr_');
    const approval = this.#newApproval(id, {
      ...question,
      keyId: question.keyId,
      requestedBy: caller.actor,
      details: JSON.stringify(question.details),
      // Bound to itself: what is to change stands in its details.
      requestHash: id,
    });
    await this.#ports.store.approvals.insert(approval);
    this.#ports.log.info('approval.requested', { approval: id, kind: question.kind });
    return approval;
  }

  /**
   * Decides, once. `effect` makes the change an approved question asked for; when it fails, the answer says so and the
   * approval counts as used up.
   * @throws SluiceError `conflict` when it was decided already or has expired
   */
  async decide(
    approval: Approval,
    decision: { readonly approve: boolean; readonly by: string; readonly reason: string | undefined },
    effect: (() => Promise<void>) | undefined,
  ): Promise<Approval> {
    const { store, clock, metrics } = this.#ports;
    const status = decision.approve ? 'approved' : 'rejected';
    const told = { status, at: clock.now(), by: decision.by, reason: decision.reason } as const;
    const decided = await store.approvals.decide(approval.id, told);
    if (decided === undefined) {
      throw new SluiceError('conflict', 'This was decided already, or has expired.');
    }
    metrics.count('sluice_approvals_total', { kind: approval.kind, status });
    this.#wake(approval.id);
    if (!decision.approve || effect === undefined) return decided;
    await store.approvals.use(approval.id, approval.id, clock.now());
    await effect();
    return (await store.approvals.get(approval.id)) ?? decided;
  }

  /** A token with which this one can be decided without signing in; `by` made it and answers for it. */
  token(approval: Approval, by: string): string {
    const body = [approval.id, approval.expiresAt, Buffer.from(by).toString('base64url')].join('.');
    return `${body}.${this.#ports.secrets.sign(body, 'approval-link')}`;
  }

  /** What a token is for. Throws `not_found` for one that is not ours or has expired. */
  async byToken(token: string): Promise<{ readonly approval: Approval; readonly by: string }> {
    const { secrets, store, clock } = this.#ports;
    const at = token.lastIndexOf('.');
    const body = token.slice(0, at);
    const [id = '', expires = '', by = ''] = body.split('.');
    const genuine = at > 0 && sameText(token.slice(at + 1), secrets.sign(body, 'approval-link'));
    if (!genuine || Number(expires) <= clock.now()) throw notFound('approval');
    const approval = await store.approvals.get(id);
    if (approval === undefined) throw notFound('approval');
    return { approval, by: Buffer.from(by, 'base64url').toString() };
  }

  /** Deletes what is long over. Call it now and then. */
  async sweep(): Promise<void> {
    await this.#ports.store.approvals.prune(this.#ports.clock.now() - KEPT_MS);
  }

  /** Whoever waits is told what waits, at once. */
  close(): void {
    this.#closed = true;
    for (const id of [...this.#waiting.keys()]) this.#wake(id);
  }

  #used(id: string): string {
    this.#ports.metrics.count('sluice_approvals_total', { kind: 'call', status: 'used' });
    return id;
  }

  #questionFor(hash: string, wish: ApprovalWish): Promise<Approval> {
    let asking = this.#asking.get(hash);
    if (asking === undefined) {
      asking = this.#openQuestion(hash, wish).finally(() => this.#asking.delete(hash));
      this.#asking.set(hash, asking);
    }
    return asking;
  }

  async #openQuestion(hash: string, wish: ApprovalWish): Promise<Approval> {
    const { store, clock, random, audit, log } = this.#ports;
    const now = clock.now();
    const open = await store.approvals.findOpen(hash, now);
    if (open !== undefined) return open;
    const asker = wish.keyId ?? 'open-mode';
    if ((await store.approvals.countPending(asker, now)) >= MAX_PENDING) {
      throw new SluiceError('rate_limited', 'Too many calls of this key wait for an approval already.', {
        retryAfterS: 60,
      });
    }
    const approval = this.#newApproval(random.id('apr_'), {
      kind: 'call',
      organizationId: wish.organizationId,
      requestedBy: asker,
      keyId: asker,
      subject: wish.subject,
      details: JSON.stringify(wish.details),
      requestHash: hash,
    });
    const details = { kind: 'call', subject: approval.subject };
    await audit.append(operator(asker, ''), { action: 'approvals.request', target: approval.id, details });
    await store.approvals.insert(approval);
    log.info('approval.requested', { approval: approval.id, kind: 'call', key: asker });
    return approval;
  }

  #newApproval(
    id: string,
    given: Pick<
      Approval,
      'kind' | 'organizationId' | 'requestedBy' | 'keyId' | 'subject' | 'details' | 'requestHash'
    >,
  ): Approval {
    const createdAt = this.#ports.clock.now();
    return {
      ...given,
      id,
      status: 'pending',
      createdAt,
      expiresAt: createdAt + OPEN_MS,
      decidedAt: undefined,
      decidedBy: undefined,
      reason: undefined,
      usedAt: undefined,
    };
  }

  /** True once somebody has decided; false when the time is over, the client left, or too many wait. */
  async #decided(approval: Approval, wish: ApprovalWish): Promise<boolean> {
    const { store, clock } = this.#ports;
    if (approval.status !== 'pending') return true;
    if (this.#waiters >= MAX_WAITING) return false;
    this.#waiters++;
    const until = clock.monotonic() + Math.min(wish.waitMs, MAX_WAIT_MS);
    try {
      for (;;) {
        const left = until - clock.monotonic();
        if (left <= 0 || wish.signal.aborted || this.#closed) return false;
        await this.#nap(approval.id, Math.min(left, LOOK_AGAIN_MS), wish.signal);
        const now = await store.approvals.get(approval.id);
        if (now === undefined || statusAt(now, clock.now()) !== 'pending') return true;
      }
    } finally {
      this.#waiters--;
    }
  }

  #nap(id: string, ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(id) ?? new Set();
      const done = (): void => {
        cancel();
        signal.removeEventListener('abort', done);
        waiting.delete(done);
        if (waiting.size === 0) this.#waiting.delete(id);
        resolve();
      };
      const cancel = this.#ports.clock.after(ms, done);
      signal.addEventListener('abort', done, { once: true });
      waiting.add(done);
      this.#waiting.set(id, waiting);
    });
  }

  #wake(id: string): void {
    for (const done of [...(this.#waiting.get(id) ?? [])]) done();
  }

  #unusable(approval: Approval | undefined, hash: string): SluiceError {
    const status = approval === undefined ? undefined : statusAt(approval, this.#ports.clock.now());
    const why =
      approval === undefined || approval.requestHash !== hash
        ? 'is not for this call: it is bound to one key, model and body'
        : status === 'rejected'
          ? 'was rejected'
          : status === 'used'
            ? 'was used already'
            : 'has expired';
    return new SluiceError(
      'forbidden',
      `This approval ${why}. Leave out \`x-sluice-approval\` to ask anew.`,
      {
        param: 'x-sluice-approval',
      },
    );
  }
}

/** Compares without telling by its time how much is right; both are keyed hashes of ours. */
function sameText(left: string, right: string): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let at = 0; at < left.length; at++) difference |= left.charCodeAt(at) ^ right.charCodeAt(at);
  return difference === 0;
}

function required(wish: ApprovalWish, approval: Approval): SluiceError {
  const ready = approval.status === 'approved';
  const next = ready
    ? 'It is approved: send the same request again with'
    : 'Once somebody has approved it, send the same request again with';
  return new SluiceError(
    'approval_required',
    `${wish.subject} ${next} \`x-sluice-approval: ${approval.id}\`, before ${new Date(approval.expiresAt).toISOString()}.`,
    {
      details: {
        approval_id: approval.id,
        status: approval.status,
        expires_at: new Date(approval.expiresAt).toISOString(),
      },
      headers: { 'x-sluice-approval': approval.id, 'x-should-retry': 'false' },
    },
  );
}
