import type { BodyLimits } from '../http/body.ts';
import { DeadlineWatch } from '../pipeline/deadline-watch.ts';
import type { Clock } from '../ports/clock.ts';
import type { Config } from './config/index.ts';

/** The limits on request bodies of the configuration in force. */
export function createBodyLimits(config: () => Pick<Config, 'server'>, clock: Clock): () => BodyLimits {
  const watch = new DeadlineWatch(clock);
  let made: { readonly of: Config['server']; readonly limits: BodyLimits } | undefined;
  return () => {
    const { server } = config();
    if (made?.of !== server) {
      const limits: BodyLimits = {
        maxBytes: server.max_body_mb * 1_048_576,
        maxDepth: server.max_json_depth,
        maxExpansionRatio: server.max_expansion_ratio,
        idleTimeoutMs: server.body_idle_timeout_ms,
        watch,
      };
      made = { of: server, limits };
    }
    return made.limits;
  };
}
