import { toTime } from '../control/caller.ts';
import type { OutputOf } from '../control/contract.ts';
import type { MemberView } from '../core/resilience/fleet.ts';
import type { Deployment } from '../pipeline/runtime.ts';
import type { Clock } from '../ports/clock.ts';
import type { Resilience } from './resilience.ts';

type Row = OutputOf<'getStatus'>['deployments'][number];

/** Deployments shown; clients can name more models than anybody wants to read. */
const MAX_ROWS = 200;

interface RowPorts extends Pick<Resilience, 'fleet' | 'admission'> {
  readonly clock: Clock;
}

/** Nothing has happened there since the start. */
function unused(id: string): MemberView {
  return {
    id,
    state: 'closed',
    failures: 0,
    probesAt: undefined,
    restsUntil: undefined,
    inFlight: 0,
    latencyMs: undefined,
    share: 1,
    good: 0,
    bad: 0,
    ejected: undefined,
    credentials: [],
  };
}

function percent(part: number, whole: number): number {
  return Math.round((1000 * part) / whole) / 10;
}

function rowOf(
  view: MemberView,
  configured: Deployment | undefined,
  facts: { readonly waiting: number; readonly toWall: (at: number | undefined) => string | null },
): Row {
  const { toWall, waiting } = facts;
  const slash = view.id.indexOf('/');
  const { ejected } = view;
  const answers = view.good + view.bad;
  return {
    id: view.id,
    provider: configured?.provider.name ?? view.id.slice(0, Math.max(0, slash)),
    model: configured?.model ?? view.id.slice(slash + 1),
    region: configured?.provider.region ?? null,
    weight: configured?.weight ?? 1,
    priority: configured?.priority ?? 1,
    state: view.state,
    failures: view.failures,
    probes_at: toWall(view.probesAt),
    rests_until: toWall(view.restsUntil),
    ejected:
      ejected === undefined
        ? null
        : { model: ejected.route, reason: ejected.reason, until: toWall(ejected.until) ?? '' },
    share_percent: Math.round(view.share * 100),
    in_flight: view.inFlight,
    waiting,
    first_byte_ms: view.latencyMs === undefined ? null : Math.round(view.latencyMs),
    requests_last_minute: answers,
    failed_percent: answers === 0 ? null : percent(view.bad, answers),
    credentials: view.credentials.map((credential, index) => ({
      index,
      hint: credential.hint,
      state: credential.state,
      until: toWall(credential.until),
      in_flight: credential.inFlight,
      headroom_percent: credential.headroom === undefined ? null : Math.floor(credential.headroom * 100),
    })),
  };
}

/** Every configured deployment and every other that was called, those in trouble first. */
export function deploymentRows(ports: RowPorts, configured: readonly Deployment[]): Row[] {
  const { clock, fleet, admission } = ports;
  const mono = clock.monotonic();
  const wall = clock.now();
  const toWall = (at: number | undefined): string | null =>
    at === undefined ? null : toTime(wall + at - mono);
  const views = new Map(configured.map(({ id }) => [id, unused(id)]));
  for (const view of fleet.view(mono)) views.set(view.id, view);
  const known = new Map(configured.map((deployment) => [deployment.id, deployment]));
  const rows = [...views.values()].map((view) =>
    rowOf(view, known.get(view.id), { waiting: admission.waiting(view), toWall }),
  );
  const order = { open: 0, half_open: 1, closed: 2 };
  const rank = (row: Row): number =>
    row.ejected === null ? order[row.state] : Math.min(order[row.state], 1);
  return rows.sort((a, b) => rank(a) - rank(b)).slice(0, MAX_ROWS);
}
