import { SluiceError } from '../core/errors/error.ts';
import type { ChatRequest, OutputPart, StreamEvent, Usage } from '../core/model/index.ts';
import { addUsage, UNKNOWN_USAGE } from '../core/model/index.ts';
import { createCollector } from '../core/translation/collect.ts';
import { chatEndpoints } from '../providers/address.ts';
import { ownCalls } from './charge.ts';
import { type Answered, type Candidate, extend, type Facts, type Routed } from './exchange.ts';
import { type FundPorts, fund } from './fund.ts';
import { outcomeOf } from './outcome.ts';
import type { Deployment } from './runtime.ts';
import type { Begun, TrialPorts } from './trial.ts';

/** What stands in the answer where one call ended and the next one begins. */
const MARKERS = {
  restart: '\n\n[The provider broke off here. The answer starts again from the beginning.]\n\n',
  continue: '\n\n[The provider broke off here. Another call continues the answer.]\n\n',
} as const;

type Mode = keyof typeof MARKERS;

/** Formats in which a last assistant message is continued rather than answered. */
const CONTINUED: ReadonlySet<string> = new Set(['anthropic-messages', 'bedrock-converse']);

/** Whether a model's streams go on after a cut. Only text can: half a JSON document or tool call cannot be taken back. */
export function restarts(exchange: Routed): boolean {
  const { envelope, grant } = exchange;
  if (grant.route.onCut !== 'restart' || !envelope.stream || envelope.choices > 1) return false;
  return exchange.decoded().output.type === 'text';
}

/** What has been delivered of the answer so far. */
class Delivered {
  readonly #collector = createCollector();
  readonly #open = new Set<number>();
  #parts = 0;

  push(events: readonly StreamEvent[]): void {
    this.#collector.push(events);
    for (const event of events) {
      if (event.type === 'part_start') {
        this.#open.add(event.part);
        this.#parts = Math.max(this.#parts, event.part + 1);
      } else if (event.type === 'part_end') this.#open.delete(event.part);
    }
  }

  get parts(): readonly OutputPart[] {
    return this.#collector.response().choices[0]?.parts ?? [];
  }

  /** The events that close what is open, with the marker behind; and the number of the next part. */
  seam(mode: Mode): { readonly events: readonly StreamEvent[]; readonly next: number } {
    const choice = 0;
    const part = this.#parts;
    const events: StreamEvent[] = [...this.#open].map((open) => ({ type: 'part_end', choice, part: open }));
    events.push(
      { type: 'part_start', choice, part, head: { type: 'text' } },
      { type: 'delta', choice, part, text: MARKERS[mode] },
      { type: 'part_end', choice, part },
    );
    return { events, next: part + 1 };
  }
}

/** The second call's events behind those of the first: parts are counted on, usage is that of both. */
function shifted(events: readonly StreamEvent[], next: number, before: Usage): StreamEvent[] {
  return events.flatMap((event): StreamEvent[] => {
    if (event.type === 'start') return [];
    if (event.type === 'usage') return [{ ...event, usage: addUsage(before, event.usage) }];
    return 'part' in event ? [{ ...event, part: event.part + next }] : [event];
  });
}

function canContinue(exchange: Routed, deployment: Deployment): boolean {
  const { provider, model, profile } = deployment;
  const [endpoint] = chatEndpoints(provider.vendor, model);
  return (
    endpoint !== undefined &&
    CONTINUED.has(endpoint.format) &&
    profile.family === 'claude' &&
    !profile.refuses.includes('prefill') &&
    exchange.decoded().reasoning?.enabled !== true
  );
}

/** The request with what the model has said already, for it to go on. */
function withBeginning(request: ChatRequest, parts: readonly OutputPart[]): ChatRequest {
  return { ...request, messages: [...request.messages, { role: 'assistant', parts }] };
}

/** Other candidates first, the one that broke off last; all of one mode, which the first of them decides. */
function nextCandidates(
  exchange: Routed,
  broken: Deployment,
  parts: readonly OutputPart[],
): { readonly candidates: readonly Candidate[]; readonly mode: Mode } {
  const others = exchange.candidates.filter(({ deployment }) => deployment !== broken);
  const same = exchange.candidates.filter(({ deployment }) => deployment === broken);
  const all = [...others, ...same];
  const textOnly = parts.length > 0 && parts.every((part) => part.type === 'text');
  const modeOf = ({ deployment }: Candidate): Mode =>
    textOnly && canContinue(exchange, deployment) ? 'continue' : 'restart';
  const [first] = all;
  const mode = first === undefined ? 'restart' : modeOf(first);
  return { candidates: all.filter((candidate) => modeOf(candidate) === mode), mode };
}

type Attempt = (exchange: Routed) => Promise<Answered & Begun<Answered['answer']>>;

interface Cut {
  readonly error: unknown;
  readonly parts: readonly OutputPart[];
}

/** The call after a cut. Throws the cut's own error where there is none. The exchange's facts are those of both calls. */
async function restart(
  ports: TrialPorts & FundPorts,
  exchange: Answered & Routed & Begun<unknown>,
  { cut, attempt }: { readonly cut: Cut; readonly attempt: Attempt },
): Promise<{
  readonly events: AsyncIterable<readonly StreamEvent[]>;
  readonly mode: Mode;
  readonly before: Usage;
}> {
  const { facts, place } = exchange;
  const broken = facts.deployment;
  const now = ports.clock.monotonic();
  const { candidates, mode } = nextCandidates(exchange, place.deployment, cut.parts);
  const [first] = candidates;
  if (broken === undefined || first === undefined) throw cut.error;
  if (!ports.retries.take(exchange.runtime.maxRetryPercent, now)) throw cut.error;
  if ((await fund(ports, exchange, { deployment: first.deployment, besides: true })) !== undefined)
    throw cut.error;
  const made = ownCalls(exchange);
  const before = made[0]?.usage ?? UNKNOWN_USAGE;
  const request = exchange.decoded();
  const fresh: Facts = {
    ...facts,
    attempts: [],
    billed: undefined,
    usage: undefined,
    finish: undefined,
    deliveredBytes: 0,
    usageAt: 0,
  };
  const again: Routed = {
    ...exchange,
    facts: fresh,
    candidates,
    needsContent: true,
    decoded: () => (mode === 'continue' ? withBeginning(request, cut.parts) : request),
  };
  let answered: Awaited<ReturnType<Attempt>>;
  try {
    answered = await attempt(again);
  } catch {
    facts.attempts.push(...again.facts.attempts.map((one) => ({ ...one, kind: 'restart' as const })));
    if (again.facts.billed !== undefined) facts.billed = [...(facts.billed ?? []), ...again.facts.billed];
    throw cut.error;
  }
  const { answer } = answered;
  if (answer.kind !== 'event-stream') throw cut.error;
  if (cut.error instanceof SluiceError) place.end(outcomeOf(cut.error, exchange, now - exchange.startedMono));
  const second = answered.facts;
  second.attempts = [
    ...facts.attempts,
    ...second.attempts.map((one) => ({ ...one, kind: 'restart' as const })),
  ];
  second.billed = [...(facts.billed ?? []), ...made, ...(second.billed ?? [])];
  extend(exchange, { facts: second, place: answered.place });
  return { events: answer.events, mode, before };
}

/** Failures of the provider after content had gone out, where a new call can help. */
function isCut(error: unknown, exchange: Routed): boolean {
  if (exchange.signal.aborted || !(error instanceof SluiceError)) return false;
  return error.blame === 'upstream' && error.code !== 'upstream_too_large';
}

/**
 * Makes an answer go on after a cut, once: with what was delivered as the beginning of the next call's answer where the
 * format allows that, else from the start, behind a visible marker. Nothing is resumed once a tool call has begun.
 */
export function resumable(
  ports: TrialPorts & FundPorts,
  exchange: Answered & Routed & Begun<unknown>,
  attempt: Attempt,
): Answered {
  const { answer } = exchange;
  if (answer.kind !== 'event-stream') return exchange;
  const { events } = answer;
  async function* deliver(): AsyncGenerator<readonly StreamEvent[]> {
    const delivered = new Delivered();
    let cut: Cut;
    try {
      for await (const batch of events) {
        delivered.push(batch);
        yield batch;
      }
      return;
    } catch (error) {
      const { parts } = delivered;
      if (!isCut(error, exchange) || parts.some(({ type }) => type === 'tool_call')) throw error;
      cut = { error, parts };
    }
    const next = await restart(ports, exchange, { cut, attempt });
    const seam = delivered.seam(next.mode);
    yield seam.events;
    for await (const batch of next.events) yield shifted(batch, seam.next, next.before);
  }
  return extend(exchange, { answer: { kind: 'event-stream' as const, events: deliver() } });
}
