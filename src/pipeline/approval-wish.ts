import { latin1 } from '../formats/bytes.ts';
import type { ApprovalWish } from '../ports/approval-desk.ts';
import type { Granted } from './policy-facts.ts';

/**
 * Asks for a yes to this very call: by this key, in this dialect, for this model, with these bytes. A yes to one call is
 * none to another.
 */
export function approvalWish(
  exchange: Granted,
  why: Pick<ApprovalWish, 'subject' | 'details'>,
): ApprovalWish {
  const { principal, client, codec, operation, envelope, raw, signal } = exchange;
  return {
    keyId: principal.key?.id,
    organizationId: principal.scopes.find(({ kind }) => kind === 'organization')?.id,
    request: () => {
      const bytes = latin1(raw);
      const path = 'target' in exchange ? JSON.stringify(exchange.target, ['method', 'path', 'search']) : '';
      return [principal.key?.id ?? '', codec.id, operation, envelope.model, path, bytes].join('\n');
    },
    subject: why.subject,
    details: {
      model: envelope.model.slice(0, 300),
      operation,
      dialect: codec.id,
      user: client.user ?? null,
      ...why.details,
    },
    presented: client.approval,
    waitMs: client.approvalWaitMs ?? 0,
    signal,
  };
}
