import { openTrainer } from '../../adapters/route-learner/trainer.ts';
import type { AuditLog } from '../../control/audit.ts';
import { DAY_MS, HOUR_MS } from '../../core/durations.ts';
import { findWeakness } from '../../core/routing/decision/verify.ts';
import { LABEL_WEIGHTS, PASSED_WEIGHT, type RouteLabel } from '../../core/routing/promise/label.ts';
import { Rephrasings } from '../../core/routing/promise/rephrase.ts';
import type { Tapped } from '../../pipeline/answer-tap.ts';
import type { Exchange, Routed } from '../../pipeline/exchange.ts';
import type { MakeInnerCall } from '../../pipeline/inner-call.ts';
import { readPrompt } from '../../pipeline/prompt-view.ts';
import type { RoutedEnd, RouteObserver } from '../../pipeline/route-observer.ts';
import type { RoutingNote } from '../../pipeline/routing.ts';
import { verifyFacts } from '../../pipeline/verify-facts.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log-sink.ts';
import type { Random } from '../../ports/random.ts';
import type { Store } from '../../ports/store.ts';
import type { Config } from '../config/index.ts';
import type { LiveRuntime } from '../live-runtime.ts';
import { shippedFile } from '../paths.ts';
import { RouteLearner } from './route-learner.ts';
import { labelOf, weakerOf } from './shadow-facts.ts';
import { ShadowRunner } from './shadow-runner.ts';

export interface RouteLearningPorts {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly audit: AuditLog;
  readonly live: LiveRuntime;
}

/** Labels outlive the log: they are small, hold no content, and a promise stands on them. */
const KEEP_MS = 180 * DAY_MS;

/** What looking at answers costs stays below what can be measured. */
const CHECKS_PER_SECOND = 20;

/** Whether an answer has a form that can be broken, and no cascade looks at it anyway. */
function isCheckable({ decision, situation }: RoutingNote): boolean {
  if (situation.reached === 'implicit' || decision.cascade !== undefined) return false;
  return situation.output !== 'text' || situation.tools.length > 0;
}

type Chat = Routed & { readonly body: Parameters<typeof readPrompt>[0] };

/** Watches routed exchanges, gathers their labels, and learns. */
export class RouteLearning implements RouteObserver {
  readonly learner: RouteLearner;
  shadows: ShadowRunner | undefined;
  readonly #ports: RouteLearningPorts;
  readonly #rephrasings = new Rephrasings();
  #cancelPrune: () => void;
  #checks = { second: 0, count: 0 };
  #closed = false;

  constructor(ports: RouteLearningPorts) {
    this.#ports = ports;
    const { store, live } = ports;
    this.learner = new RouteLearner({
      ...ports,
      labels: store.labels,
      state: live.routing,
      router: (name) => live.config.routers[name],
      trainer: openTrainer(
        ports.clock,
        shippedFile('./router-prior.bin', '../core/routing/model/router-prior.bin'),
      ),
    });
    live.routing.learned = (name) => this.learner.learned(name);
    live.routing.routeModels = this.learner.models;
    this.#cancelPrune = ports.clock.after(HOUR_MS, () => this.#prune());
  }

  /** Reads what is stored; afterwards copies may be made with `call`. */
  async open(call: MakeInnerCall): Promise<void> {
    const { store, live } = this.#ports;
    await this.learner.load();
    // What was compiled before knows nothing of what was learned.
    await live.refreshPrices();
    this.shadows = new ShadowRunner({
      ...this.#ports,
      labels: store.labels,
      call,
      router: (name) => live.config.routers[name],
      keepPrompts: () => contentKept(live.config),
      take: (label, prompt) => this.learner.take(label, prompt),
    });
  }

  wantsAnswer(exchange: Routed): boolean {
    const note = exchange.facts.routing;
    if (note === undefined || this.shadows === undefined) return false;
    if (isCheckable(note) && this.#mayCheck()) return true;
    return this.shadows.draws(exchange, (exchange as Chat).body, note) !== undefined;
  }

  ended(end: RoutedEnd): void {
    const note = end.exchange.facts.routing;
    if (note === undefined || note.situation.reached === 'implicit') return;
    try {
      this.#ended(end, note);
    } catch (error) {
      // What is learned must never cost an answer.
      this.#ports.log.warn('routers.label_lost', { error: String(error) });
    }
  }

  async close(): Promise<void> {
    this.#cancelPrune();
    this.#closed = true;
    await this.shadows?.close();
    await this.learner.close();
  }

  #ended({ exchange, ending, model, tapped }: RoutedEnd, note: RoutingNote): void {
    this.learner.decided(note.plan.name, note.situation.routeKey, weakerOf(note) !== undefined);
    if (ending.kind !== 'answered' || model === undefined) return;
    const { principal } = exchange;
    const { body } = exchange as unknown as Chat;
    this.#cascade(exchange, note);
    this.#repetition(exchange, note, model);
    // Not in the turn of whoever was served: the answer has to be decoded for this.
    if (tapped !== undefined && isCheckable(note)) setImmediate(() => this.#check(exchange, tapped, model));
    if (tapped === undefined || principal === undefined || body === undefined) return;
    const propensity = this.shadows?.draws(exchange, body, note);
    if (propensity === undefined || model !== note.decision.served) return;
    this.shadows?.enqueue({
      exchange: Object.assign(exchange, { principal, body }),
      note,
      strong: model,
      tapped,
      propensity,
    });
  }

  /** What a cascade found: answers that did not do, and one that passed unlooked-at by anybody else. */
  #cascade(exchange: Exchange, note: RoutingNote): void {
    if (note.decision.cascade === undefined || note.final === undefined) return;
    const failed = note.calls.filter(({ cause, role }) => cause !== 'error' && role === undefined);
    const source = failed.some(({ cause }) => cause === 'invalid_output' || cause === 'tool_failure')
      ? ('failure' as const)
      : ('cascade' as const);
    const outcomes = Object.fromEntries(failed.map(({ model }) => [model, 0]));
    const id = this.#ports.random.id('lbl_');
    if (failed.length > 0) {
      this.learner.take(labelOf(exchange, note, { id, source, outcomes }));
    } else if (note.final === note.decision.served) {
      const label = labelOf(exchange, note, { id, source, outcomes: { [note.final]: 1 } });
      this.learner.take({ ...label, weight: PASSED_WEIGHT });
    }
  }

  /** At most so many answers a second are looked at. */
  #mayCheck(): boolean {
    const second = Math.floor(this.#ports.clock.monotonic() / 1000);
    if (second !== this.#checks.second) this.#checks = { second, count: 0 };
    return ++this.#checks.count <= CHECKS_PER_SECOND;
  }

  /** Broken JSON, a broken schema or a broken tool call, where no cascade looks for them. */
  #check(exchange: Exchange, tapped: Tapped, model: string): void {
    const note = exchange.facts.routing;
    if (note === undefined || this.#closed) return;
    try {
      const facts = verifyFacts(exchange as Routed, ['invalid_output', 'tool_failure']);
      const response = facts === undefined ? undefined : tapped.read();
      if (facts === undefined || response === undefined) return;
      const { plan, situation } = note;
      if (findWeakness(response, facts) === undefined) {
        this.learner.passed(plan.name, situation.routeKey, { model, sign: 'failure' });
        return;
      }
      const id = this.#ports.random.id('lbl_');
      const label = labelOf(exchange, note, { id, source: 'failure', outcomes: { [model]: 0 } });
      this.learner.takeAgainst(label, model, 'failure');
    } catch (error) {
      this.#ports.log.warn('routers.label_lost', { error: String(error) });
    }
  }

  /** The same asked again soon by the same person: a weak sign that the answer before did not do. */
  #repetition(exchange: Exchange, note: RoutingNote, model: string): void {
    const person = exchange.client.session ?? exchange.client.user;
    const { body } = exchange as unknown as Chat;
    if (person === undefined || body === undefined || note.situation.toolLoop) return;
    const asked = { exchangeId: exchange.id, model, at: exchange.startedAt };
    const whose = `${note.situation.routeKey}\n${person}`;
    const before = this.#rephrasings.note(whose, readPrompt(body).text, asked);
    if (before === undefined) {
      this.learner.passed(note.plan.name, note.situation.routeKey, { model, sign: 'retry' });
      return;
    }
    const id = this.#ports.random.id('lbl_');
    const label: RouteLabel = {
      ...labelOf(exchange, note, { id, source: 'retry', outcomes: { [before.model]: 0 } }),
      exchangeId: before.exchangeId,
      weight: LABEL_WEIGHTS.retry,
    };
    this.learner.takeAgainst(label, before.model, 'retry');
  }

  #prune(): void {
    const { clock, store, log } = this.#ports;
    this.#cancelPrune = clock.after(HOUR_MS, () => this.#prune());
    this.learner.sweep();
    store.labels.prune(clock.now() - KEEP_MS).catch((error: unknown) => {
      log.warn('routers.prune_failed', { error: String(error) });
    });
  }
}

/** Whether prompts may be stored at all. */
function contentKept(config: Config): boolean {
  return config.log.content === 'full';
}
