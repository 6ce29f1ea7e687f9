import type { ChatResponse, JsonObject } from '../core/model/index.ts';
import type { CascadeJudge } from '../core/routing/decision/types.ts';
import { passPrompt, readPass, textOfAnswer } from '../core/routing/promise/judge.ts';
import { CLIENT_DIALECTS } from '../formats/dialects.ts';
import type { Random } from '../ports/random.ts';
import type { ClientFacts, Routed } from './exchange.ts';
import type { InnerCost, MakeInnerCall } from './inner-call.ts';
import { mayReachModel, mayUse } from './may-use.ts';
import { readPrompt } from './prompt-view.ts';
import type { RoutingNote } from './routing.ts';

/** Room for a model that thinks first; the reply itself is one word. */
const JUDGE_TOKENS = 512;

/** What a judge said of an answer, and what asking cost. */
export interface Judgement {
  /** `pass`, `fail`, or why there is no verdict. */
  readonly verdict: 'pass' | 'fail' | 'no verdict' | 'failed' | 'not asked';
  readonly costNano: number | undefined;
  /** Set aside for it. */
  readonly heldNano: number;
  readonly cost: InnerCost | undefined;
}

/** Asks whether an answer passes. Never throws: without a verdict it passes. */
export type JudgeAnswer = (
  exchange: Routed,
  asked: { readonly judge: CascadeJudge; readonly response: ChatResponse; readonly note: RoutingNote },
) => Promise<Judgement>;

export interface JudgeAnswerPorts {
  readonly random: Random;
  readonly call: MakeInnerCall;
  /** Sets the worst case aside in the budgets of the exchange; false when they cannot hold it. */
  readonly fund: (exchange: Routed, worstNano: number | undefined) => Promise<boolean>;
}

function bodyOf(exchange: Routed, ports: JudgeAnswerPorts, asked: Parameters<JudgeAnswer>[1]): JsonObject {
  const { judge, response } = asked;
  const view = readPrompt(exchange.body);
  const { system, user } = passPrompt({
    system: view.system,
    prompt: view.text,
    answer: textOfAnswer(response),
    rubric: judge.rubric,
    nonce: Buffer.from(ports.random.bytes(12)).toString('hex'),
  });
  return {
    model: judge.model,
    max_tokens: JUDGE_TOKENS,
    messages: [
      { role: 'system', content: system },
      { role: 'user', content: user },
    ],
  };
}

function clientOf({ client }: Routed, timeoutMs: number): ClientFacts {
  return {
    ...client,
    credential: undefined,
    clientRequestId: undefined,
    session: undefined,
    timeoutMs: Math.min(timeoutMs, client.timeoutMs ?? timeoutMs),
    fallback: false,
    forward: {},
    version: undefined,
  };
}

/** Whether the key lets its texts be read by that model; an approval was given for one call, not for two. */
function mayAsk(exchange: Routed, model: string, note: RoutingNote): boolean {
  const { principal } = exchange;
  if (principal.policy.approvals.length > 0 || !mayUse(principal, model, note.plan)) return false;
  return mayReachModel(exchange, model);
}

/**
 * Has a model judge an answer by a fixed rubric: inside the key's policy, paid by the exchange, bounded in time and length,
 * its texts as data between marks of a random name. Whatever goes wrong, the answer stands.
 */
export function createJudgeAnswer(ports: JudgeAnswerPorts): JudgeAnswer {
  return async (exchange, asked) => {
    const { judge, note } = asked;
    const none = { costNano: undefined, heldNano: 0, cost: undefined };
    if (!mayAsk(exchange, judge.model, note)) return { verdict: 'not asked', ...none };
    const paid = { costNano: 0, cost: undefined as InnerCost | undefined };
    let heldNano = 0;
    const signal = AbortSignal.any([
      exchange.callSignal ?? exchange.signal,
      AbortSignal.timeout(judge.timeoutMs),
    ]);
    const call = ports.call(
      {
        runtime: exchange.runtime,
        principal: { ...exchange.principal, ownCredential: undefined },
        codec: CLIENT_DIALECTS['openai-chat'],
        body: bodyOf(exchange, ports, asked),
        client: clientOf(exchange, judge.timeoutMs),
        systemPrompt: undefined,
        tags: exchange.client.tags,
        canonical: true,
        charged: true,
        mayCost: () => true,
        within: async (worstNano) => {
          heldNano = worstNano ?? 0;
          return ports.fund(exchange, worstNano);
        },
        signal,
      },
      (nano, cost) => Object.assign(paid, { costNano: nano, cost }),
    );
    try {
      const { response } = await call;
      const passes = response === undefined ? undefined : readPass(textOfAnswer(response));
      return { verdict: passes === undefined ? 'no verdict' : passes ? 'pass' : 'fail', heldNano, ...paid };
    } catch {
      return { verdict: 'failed', heldNano, ...paid };
    }
  };
}
