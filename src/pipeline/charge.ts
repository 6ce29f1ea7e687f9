import { addCosts, NO_COST } from '../core/cost/cost.ts';
import { estimateTokens } from '../core/cost/estimate.ts';
import type { Cost } from '../core/cost/exchange.ts';
import { addUsage, type ChatRequest, promptTokens, UNKNOWN_USAGE, type Usage } from '../core/model/index.ts';
import { latin1 } from '../formats/bytes.ts';
import { type CallCost, callCost, isStated } from './call-cost.ts';
import { estimateRequest, promptEstimate } from './estimate.ts';
import type { BilledCall, Exchange, Facts } from './exchange.ts';
import { helperDeployment } from './helper-models.ts';
import type { Deployment } from './runtime.ts';

/** The likely tokens of the prompt: of its texts where it can be decoded, else of its bytes. */
function likelyPrompt(exchange: Exchange & { decoded?: () => ChatRequest }): number {
  try {
    if (exchange.decoded !== undefined) return estimateRequest(exchange.decoded());
  } catch {
    // What does not decode was forwarded as it is.
  }
  const whole = estimateTokens(exchange.raw);
  return exchange.envelope.media === 0 ? whole : Math.min(whole, promptEstimate(exchange));
}

/**
 * The likely tokens of what was delivered. Long words make an estimate too high, and providers do keep to `max_tokens`, so
 * that it bounds the estimate; unless so much came that the provider cannot have kept to it.
 */
function outputTokens({ envelope, facts }: Exchange): number {
  if (facts.deliveredBytes === 0) return 0;
  const likely = estimateTokens(facts.deliveredBytes);
  const most = (envelope.maxOutputTokens ?? Number.POSITIVE_INFINITY) * Math.max(1, envelope.choices);
  return likely > most && likely <= 2 * most ? most : likely;
}

/** The usage of the call that answered, or that was about to. */
function ownUsage(exchange: Exchange): Usage {
  const { facts } = exchange;
  const { usage } = facts;
  if (usage !== undefined && usage.source !== 'unknown') {
    // Some vendors report as they go: what an answer without its end has said is only the beginning. And no tokens at all
    // for a prompt, or for text that was delivered, is no report (RELIABILITY F13), nor is what was told before any of it.
    // Only of chats is it known what their bytes mean.
    if (exchange.operation !== 'chat') return usage;
    const silent = facts.finish === undefined || usage.output === 0 || facts.usageAt === 0;
    const delivered = silent ? outputTokens(exchange) : 0;
    const unread = promptTokens(usage) === 0;
    if (delivered <= usage.output && !unread) return usage;
    const input = unread ? likelyPrompt(exchange) : usage.input;
    return { ...usage, input, output: Math.max(delivered, usage.output), source: 'estimated' };
  }
  if (facts.deployment === undefined) return UNKNOWN_USAGE;
  return {
    ...UNKNOWN_USAGE,
    input: likelyPrompt(exchange),
    output: outputTokens(exchange),
    source: 'estimated',
    ...(usage?.raw === undefined ? {} : { raw: usage.raw }),
  };
}

/**
 * The call that answered, and those of other models that its vendor made within it, each at its own price and all under the terms
 * of the answer. Where the vendor states what it takes, that is for all of them.
 */
function callsOf(exchange: Exchange, usage: Usage): readonly BilledCall[] {
  const { deployment } = exchange.facts;
  if (deployment === undefined) return [];
  const { helpers = [], servedBy, ...own } = usage;
  const isOne = helpers.length === 0 && servedBy === undefined;
  if (isOne || isStated({ deployment, usage })) return [{ deployment, usage }];
  const at = (model: string | undefined): Deployment =>
    model === undefined ? deployment : helperDeployment(exchange.runtime, deployment, model);
  const terms = own.terms === undefined ? {} : { terms: own.terms };
  return [
    { deployment: at(servedBy), usage: own },
    ...helpers.map(
      (helper): BilledCall => ({
        deployment: at(helper.model),
        usage: { ...helper.usage, ...terms },
        within: true,
      }),
    ),
  ];
}

/** The last call of an exchange as its provider bills it; empty where no upstream was reached. */
export function ownCalls(exchange: Exchange): readonly BilledCall[] {
  return exchange.facts.free === true ? [] : callsOf(exchange, ownUsage(exchange));
}

/** How many calls of the gateway's own stand in a list. */
export function callCount(calls: readonly BilledCall[] = []): number {
  return calls.reduce((count, { within }) => (within === true ? count : count + 1), 0);
}

function sumOf(exchange: Exchange, own: Usage): Usage {
  const { billed, deployment } = exchange.facts;
  const { helpers, servedBy: _, ...counts } = own;
  if (billed === undefined && (helpers === undefined || deployment === undefined)) return counts;
  const inside = deployment === undefined ? [] : (helpers ?? []);
  const sum = [...inside, ...(billed ?? [])].reduce<Usage>((all, { usage }) => addUsage(all, usage), counts);
  // What the vendor said of all its models together.
  return billed === undefined && counts.raw !== undefined ? { ...sum, raw: counts.raw } : sum;
}

/**
 * The usage an exchange is charged by: what the upstream reported, else an estimate from the bytes of prompt and
 * delivered output, else unknown when no upstream was reached; and that of further calls their providers bill.
 */
export function finalUsage(exchange: Exchange): Usage {
  const { facts } = exchange;
  if (facts.free === true) return UNKNOWN_USAGE;
  const own = ownUsage(exchange);
  return isPlain(facts, own) ? own : sumOf(exchange, own);
}

/** Whether one call at one price is all there is. */
function isPlain({ billed }: Facts, { helpers, servedBy }: Usage): boolean {
  return billed === undefined && helpers === undefined && servedBy === undefined;
}

/** What calls cost together, and the price of the first. One without a price must not hide what the others cost. */
export function costOfCalls(exchange: Exchange, calls: readonly BilledCall[]): CallCost {
  const costs = calls.map((call) => callCost(exchange, call));
  const cost = costs.reduce<Cost | undefined>(
    (sum, one) => (one.cost === undefined || sum === undefined ? (one.cost ?? sum) : addCosts(sum, one.cost)),
    undefined,
  );
  return { cost, price: costs[0]?.price };
}

/**
 * Cost of an exchange and the price of the call that answered, computed once and kept in its facts; `undefined` when a model has
 * no known price.
 */
export function chargeExchange(exchange: Exchange): CallCost & { readonly usage: Usage } {
  const { facts } = exchange;
  const { deployment, billed } = facts;
  const own = facts.free === true ? UNKNOWN_USAGE : ownUsage(exchange);
  const plain = facts.free === true || isPlain(facts, own);
  const usage = plain ? own : sumOf(exchange, own);
  if (facts.cost !== undefined) return { usage, cost: facts.cost, price: facts.price };
  let charged: CallCost;
  if (facts.free === true || (deployment === undefined && billed === undefined)) {
    charged = { cost: NO_COST, price: deployment?.price };
  } else if (plain && deployment !== undefined) {
    charged = callCost(exchange, { deployment, usage });
  } else {
    charged = costOfCalls(exchange, [...callsOf(exchange, own), ...(billed ?? [])]);
  }
  facts.cost = charged.cost;
  facts.price = charged.price;
  return { usage, ...charged };
}

/**
 * A call whose answer does not reach the client: its provider has read the prompt, and made as much of an answer as is known
 * of (`bodyBytes`: size of a whole answer's body; its frame counts too, as what is missing is not known).
 */
export function givenUp(exchange: Exchange, bodyBytes = 0): BilledCall | undefined {
  const { facts, envelope, operation } = exchange;
  const { calling } = facts;
  if (calling === undefined || facts.free === true) return undefined;
  const longest = envelope.maxOutputTokens ?? calling.profile.maxOutputTokens ?? Number.POSITIVE_INFINITY;
  const made = operation === 'chat' && !envelope.stream ? estimateTokens(bodyBytes) : 0;
  const output = Math.min(facts.lostOutput ?? made, longest * Math.max(1, envelope.choices));
  return {
    deployment: calling,
    usage: { ...UNKNOWN_USAGE, input: likelyPrompt(exchange), output, source: 'estimated' },
  };
}

/** Names of output tokens in the usage of every format. */
const OUTPUT_TOKENS =
  /"(?:completion_tokens|output_tokens|candidatesTokenCount|outputTokens|eval_count)"\s*:\s*(\d{1,9})\b/g;

/** The output tokens that a body which cannot be used says at last; `undefined` when it does not come to that. */
export function toldOutput(body: Uint8Array): number | undefined {
  const told = [...latin1(body).matchAll(OUTPUT_TOKENS)].at(-1)?.[1];
  return told === undefined ? undefined : Number(told);
}

/** The calls of an exchange that their providers bill, whatever became of them. */
export function billedCalls(exchange: Exchange): readonly BilledCall[] {
  const { billed = [], free } = exchange.facts;
  return free === true ? [] : [...ownCalls(exchange), ...billed];
}
