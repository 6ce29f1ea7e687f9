import { feedbackInput } from '../../control/contracts/learning.ts';
import { type FeedbackPorts, takeFeedback } from '../../control/feedback.ts';
import { badRequest } from '../../core/errors/error.ts';
import type { JsonObject } from '../../core/model/index.ts';
import type { Principal } from '../../pipeline/exchange.ts';

/** Feedback with a virtual key, about exchanges of that key alone; in open mode about those without any key. */
export function createOwnFeedback(ports: FeedbackPorts) {
  return (principal: Principal, body: JsonObject) => {
    const parsed = feedbackInput.safeParse(body);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const param = issue?.path.join('.') || 'request_id';
      throw badRequest(param, `\`${param}\`: ${issue?.message ?? 'is not valid'}.`);
    }
    return takeFeedback(ports, parsed.data, ({ keyId }) => keyId === principal.key?.id);
  };
}
