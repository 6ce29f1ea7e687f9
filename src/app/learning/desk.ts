import type { LearningDesk } from '../../control/learning.ts';
import type { RouteStanding } from '../../control/router-report.ts';
import type { Config } from '../config/index.ts';
import type { RouteEntry } from './route-entry.ts';
import { isGuarded, promiseOf, type RouteLearner, saysOf } from './route-learner.ts';

function standingOf(entry: RouteEntry): RouteStanding {
  const { state, alarm } = entry.promise;
  return { routeKey: entry.routeKey, state, alarm, share: entry.share, says: saysOf(state) };
}

/** What routes have learned, for the control plane. */
export function createLearningDesk(learner: RouteLearner, config: () => Config): LearningDesk {
  const configured = (name: string) => config().routers[name];
  return {
    routes: (name) => learner.routes(name).map(standingOf),
    promise(name) {
      const router = configured(name);
      return router === undefined ? { epsilon: 0.02, delta: 0.1 } : promiseOf(router);
    },
    isGuarded: (name) => isGuarded(configured(name)),
    dailyCap: (name) => String(configured(name)?.shadow.max_usd_per_day ?? '0'),
    test: (wish) => learner.test(wish),
    flush: () => learner.flush(),
    rollBack: async (name, routeKey) => (await learner.rollBack(name, routeKey)).map(standingOf),
  };
}
