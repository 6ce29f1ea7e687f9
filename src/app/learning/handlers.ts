import type { Handlers } from '../../control/caller.ts';
import { createFeedbackHandlers } from '../../control/feedback.ts';
import { createLearningHandlers } from '../../control/learning.ts';
import type { RouterDesk } from '../../control/routers.ts';
import type { Ledger } from '../../ports/ledger.ts';
import { createLearningDesk } from './desk.ts';
import type { RouteLearning, RouteLearningPorts } from './route-learning.ts';

/** The endpoints of what routers learn. */
export function createRouteLearningHandlers(
  ports: Omit<RouteLearningPorts, 'audit'> & { readonly ledger: Ledger; readonly routers: RouterDesk },
  { learner }: RouteLearning,
): Pick<Handlers, 'giveFeedback' | 'reportRouter' | 'rollBackRouter'> {
  const learning = createLearningDesk(learner, () => ports.live.config);
  return {
    ...createLearningHandlers({ ...ports, learning }),
    ...createFeedbackHandlers({ ...ports, take: (label) => learner.take(label) }),
  };
}
