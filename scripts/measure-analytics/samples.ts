import type { ExchangeRecord } from '../../src/core/cost/exchange.ts';
import { exchange } from '../../test/contract/ledger-samples.ts';

// A company of 20 teams with 40 projects and 200 keys. A key is an application: it has one feature and five users, each of
// whom works with one of its three models (of twelve); 30 exchanges of a key make a session. One exchange in 25 fails, one
// in 100 has no price.

export const START = Date.UTC(2026, 0, 5);
const KEYS = 200;
const TEAMS = 20;
const FAILURES = [429, 500, 503, 400];

const TAGS = Array.from({ length: KEYS }, (_, key) =>
  ['prod', 'test'].map((env) => ({ feature: `feature-${key % 25}`, env })),
);
const PLACES = Array.from({ length: KEYS }, (_, key) => ({
  organizationId: 'org_default',
  teamId: `team_${key % TEAMS}`,
  projectId: `prj_${key % (2 * TEAMS)}`,
  ownerId: undefined,
}));

/** The same for the same index, whatever ran before. */
function scatter(index: number): number {
  let mixed = Math.imul(index ^ 0x9e3779b9, 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** The exchange of an index; `perMs` start within a millisecond. */
export function sample(index: number, perMs: number): ExchangeRecord {
  const random = scatter(index);
  const key = random % KEYS;
  const user = (random >>> 12) % 5;
  const model = (key + (user % 3)) % 12;
  const failed = (random >>> 10) % 25 === 0;
  const startedAt = START + Math.floor(index / perMs);
  const id = `exc_${startedAt.toString(32)}${random.toString(32)}${index.toString(32)}`;
  const total = 1000 + (random % 1_000_000);
  const base = exchange(id, {
    startedAt,
    keyId: `key_${key}`,
    model: `model-${model}`,
    provider: `provider-${model % 4}`,
    user: `user-${key}-${user}`,
    session: `session-${Math.floor(index / 6000)}-${key}`,
    tags: TAGS[key]?.[user === 4 ? 1 : 0] ?? {},
    place: PLACES[key],
    latencyMs: 120 + (random % 4000),
    firstByteMs: 80 + (random % 900),
  });
  const { cost } = base;
  const status = failed ? (FAILURES[(random >>> 18) % FAILURES.length] ?? 500) : 200;
  return {
    ...base,
    status,
    outcome: failed ? 'failed' : 'answered',
    error: failed ? 'upstream_error' : undefined,
    clientRequestId: index % 10 === 0 ? `req-${index}` : undefined,
    cost:
      cost === undefined || (random >>> 5) % 100 === 0 ? undefined : { ...cost, input: total - 600, total },
  };
}
