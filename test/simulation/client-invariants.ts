import type { ClientCall } from './client.ts';
import type { Invariants, Seen } from './invariants.ts';
import type { ProviderCall } from './provider.ts';
import { errorFaults, readStream, readWhole, type Transcript } from './transcript.ts';
import type { World } from './world.ts';

/** Errors that end a request before any provider is asked. */
const BEFORE: ReadonlySet<string> = new Set([
  'rate_limited',
  'budget_exceeded',
  'upstream_rate_limited',
  'client_closed',
  'ledger_unavailable',
  'model_not_found',
  'model_forbidden',
  'invalid_key',
  'key_blocked',
  'draining',
  'overloaded',
]);

/** Longest time a request may take beyond its calls: queues, rests and back-off of every candidate. Milliseconds. */
const WAIT_MS = 60_000;
/** Longest time one call may take: the slowest script, read by the slowest client. Milliseconds. */
const CALL_MS = 120_000;

/** An exchange whose client hung up must be at its end by then (RELIABILITY R4), the journal's own time aside. */
const ABORT_MS = 250;

interface View {
  readonly world: World;
  readonly invariants: Invariants;
  readonly mark: number;
  readonly client: ClientCall;
  readonly seen: Seen | undefined;
  readonly calls: readonly ProviderCall[];
}

function fault(view: View, what: string): void {
  view.invariants.note(`request ${view.mark}: ${what}`);
}

function checkError(view: View): void {
  const { world, client, calls, mark } = view;
  const { headers, status } = client;
  const { dialect } = world.scenario.arrivals[mark]!;
  const code = headers['x-sluice-error'] ?? '';
  for (const what of errorFaults(dialect, client.text)) fault(view, what);
  if (code === 'draining') view.invariants.landmarks.add('refused while draining');
  if (code === '') fault(view, `status ${status} without x-sluice-error`);
  if (code === 'internal' || code === 'no_provider') fault(view, `answered with ${code}`);
  if (headers['x-sluice-request-id'] === undefined) fault(view, 'an error without its request id');
  const retryAfter = headers['retry-after'];
  if (retryAfter === undefined ? status === 429 || status === 503 : !/^[1-9]\d*$/.test(retryAfter))
    fault(view, `status ${status} with retry-after ${retryAfter}`);
  if (/^upstream_(auth|quota)$/.test(code) && status !== 502) fault(view, `${code} as status ${status}`);
  const ownLimit = client.sent.headers['x-sluice-timeout-ms'] !== undefined && code === 'upstream_timeout';
  if (calls.length === 0 && !ownLimit && !BEFORE.has(code))
    fault(view, `failed with ${code} and nothing was tried`);
}

/** The words a client got are those of the one call that answered, from the first on. */
function checkWords(view: View, transcript: Transcript): void {
  const { calls } = view;
  // The first word names its call.
  const call = calls.findLast(({ facts }) => facts.text.startsWith(transcript.text)) ?? calls.at(-1);
  if (call === undefined) {
    fault(view, 'an answer out of nothing');
    return;
  }
  if (!call.facts.text.startsWith(transcript.text)) {
    fault(view, `got "${transcript.text.slice(0, 60)}", said was "${call.facts.text.slice(0, 60)}"`);
    return;
  }
  if (transcript.endings === 0) return;
  if (!call.facts.script.proper) fault(view, 'a broken answer looks complete');
  if (transcript.text !== call.facts.text) fault(view, 'an answer that lacks words looks complete');
}

function checkAnswer(view: View): void {
  const { world, client, mark, seen } = view;
  const arrival = world.scenario.arrivals[mark]!;
  const read = arrival.stream ? readStream : readWhole;
  const transcript = read(arrival.dialect, client.text);
  if (client.complete) {
    for (const what of transcript.faults) fault(view, what);
    if (transcript.endings + transcript.errors !== 1)
      fault(view, `${transcript.endings} endings and ${transcript.errors} errors`);
    const expected = transcript.errors > 0 ? 'cut' : 'answered';
    const outcome = seen?.record?.outcome;
    if (seen?.killed === false && outcome !== expected)
      fault(view, `the client saw ${expected}, the log says ${outcome}`);
  }
  // Whole answers that were not read to their end cannot be read at all.
  if (client.complete || arrival.stream) checkWords(view, transcript);
  if (transcript.text !== '' && world.scenario.honest && client.complete && seen?.killed === false) {
    if ((seen.record?.cost?.total ?? 0) === 0) fault(view, 'content was delivered for nothing');
  }
}

function checkClient(view: View): void {
  const { world, client, calls, seen, invariants, mark } = view;
  if (client.crashed) return;
  if (client.servedAt === undefined) {
    fault(view, 'hangs for ever');
    return;
  }
  const allowed = WAIT_MS * (world.scenario.configs.length + calls.length) * 3 + CALL_MS * (calls.length + 1);
  if (client.servedAt - client.startedAt > allowed) fault(view, 'took longer than everything may take');
  const { diskMs, resolutionMs } = world.scenario;
  const endMs = ABORT_MS + invariants.drainMs(mark) + diskMs + 2 * resolutionMs;
  if (client.leftAt !== undefined && client.servedAt - client.leftAt > endMs)
    fault(view, `not at its end ${ABORT_MS} ms after its client left`);
  if (client.droppedAt !== undefined && client.manners.stallsAfterBytes === undefined)
    fault(view, 'was cut off without a word');
  if (client.droppedAt !== undefined) view.invariants.landmarks.add('stopped reading');
  const gone = client.leftAt !== undefined || client.droppedAt !== undefined;
  if (!gone && !client.complete && client.manners.stallsAfterBytes === undefined)
    fault(view, 'never got its answer');
  if (client.status === 0) return;
  if (seen !== undefined && client.headers['x-sluice-request-id'] !== seen.exchange.id)
    fault(view, 'got an answer without its request id');
  if (client.status === 200) checkAnswer(view);
  else if (client.complete) checkError(view);
}

/** When all is over: what every client got, against what was said to the gateway for it. */
export function checkClients(world: World, invariants: Invariants): void {
  const seenOf = new Map([...invariants.seen.values()].map((seen) => [seen.mark, seen]));
  for (const [mark, client] of world.clients.entries()) {
    if (client === undefined) continue;
    const calls = invariants.callsOf.get(mark) ?? [];
    checkClient({ world, invariants, mark, client, seen: seenOf.get(mark), calls });
  }
}
