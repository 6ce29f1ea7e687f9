import { worstCase } from '../core/cost/cost.ts';
import { DEFAULT_OUTPUT_TOKENS } from '../core/cost/estimate.ts';
import { priceUnder } from '../core/cost/terms.ts';
import { badRequest } from '../core/errors/error.ts';
import { isObject, type Json, type JsonObject } from '../core/model/index.ts';
import { asBuffer } from '../formats/bytes.ts';
import { chatEndpoints } from '../providers/address.ts';
import { askedTerms } from './asked-terms.ts';
import type { Direct } from './call.ts';
import { promptEstimate } from './estimate.ts';
import type { Exchange, Received } from './exchange.ts';
import { looseBody } from './policy-facts.ts';
import type { Deployment, Runtime } from './runtime.ts';

/** The only format in which a request can name further models that its vendor then calls by itself. */
const FORMAT = 'anthropic-messages';

/** A model that a request lets its vendor call besides the one it asks for. */
export interface NamedHelper {
  readonly kind: 'advisor' | 'fallback';
  /** Where the request names it, for example `tools[0].model`. */
  readonly field: string;
  readonly model: string;
  /** How often it may be called; absent where the request sets no limit. */
  readonly maxUses?: number;
  /** The longest answer the request lets it give, tokens. */
  readonly maxOutputTokens?: number;
}

/** More than any vendor takes (Anthropic: three fallbacks); what each may and costs has to be looked up. */
const MAX_HELPERS = 16;

/** The helpers a request calls in. */
export interface Helpers {
  readonly named: readonly NamedHelper[];
  /** The vendor may choose one that is not named: `fallbacks` is a word. */
  readonly open: boolean;
}

/** The body in which helpers may be named, where there is one. */
function bodyOf(exchange: Exchange): JsonObject | undefined {
  if (exchange.operation === 'chat') {
    return exchange.codec.id === FORMAT ? (exchange as Received).body : undefined;
  }
  return 'target' in exchange ? directBody(exchange as Direct) : undefined;
}

const LOOSE = new WeakMap<Uint8Array, { readonly body: JsonObject | undefined }>();

/** A body that does not say it is JSON may be read as JSON all the same. */
function directBody({ body, raw }: Direct): JsonObject | undefined {
  if (body !== undefined || raw.length === 0) return body;
  let known = LOOSE.get(raw);
  if (known === undefined) {
    const begins = asBuffer(raw.subarray(0, 64)).toString('latin1').trimStart().startsWith('{');
    known = { body: begins ? looseBody(raw) : undefined };
    LOOSE.set(raw, known);
  }
  return known.body;
}

function limit(value: Json | undefined): number | undefined {
  return typeof value === 'number' && value >= 0 ? Math.ceil(value) : undefined;
}

function named(entry: JsonObject, what: Pick<NamedHelper, 'kind' | 'field'>): NamedHelper | undefined {
  const { model } = entry;
  if (typeof model !== 'string') return undefined;
  const maxUses = limit(entry['max_uses']);
  const maxOutputTokens = limit(entry['max_tokens']);
  return {
    ...what,
    model,
    ...(maxUses === undefined ? {} : { maxUses }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
  };
}

/** Tools of the vendor's own that call a model. A client's functions have no `type`, or `custom`. */
function advisorsOf(tools: Json | undefined): readonly NamedHelper[] {
  if (!Array.isArray(tools)) return NONE;
  let found: NamedHelper[] | undefined;
  for (const [index, tool] of tools.entries()) {
    if (!isObject(tool) || typeof tool['type'] !== 'string' || !tool['type'].startsWith('advisor')) continue;
    const advisor = named(tool, { kind: 'advisor', field: `tools[${index}].model` });
    if (advisor === undefined) continue;
    found ??= [];
    found.push(advisor);
  }
  return found ?? NONE;
}

const NONE: readonly NamedHelper[] = Object.freeze([]);

function fallbacksOf(fallbacks: Json | undefined): readonly NamedHelper[] {
  if (!Array.isArray(fallbacks)) return NONE;
  return fallbacks.flatMap((entry, index) => {
    const said = typeof entry === 'string' ? { model: entry } : entry;
    if (!isObject(said)) return [];
    return named(said, { kind: 'fallback', field: `fallbacks[${index}].model` }) ?? [];
  });
}

/**
 * Models that the vendor may call within this one call: those of advisor tools and of server-side `fallbacks` (official
 * SDK, `BetaAdvisorTool20260301`, `BetaFallbacksParam`). `undefined` where there are none, which is found without reading
 * anything but the types of the tools. Throws `bad_request` for more than anybody takes.
 */
export function helpersOf(exchange: Exchange): Helpers | undefined {
  const body = bodyOf(exchange);
  if (body === undefined) return undefined;
  const { tools, fallbacks } = body;
  const advisors = tools === undefined ? NONE : advisorsOf(tools);
  if (advisors.length === 0 && (fallbacks === undefined || fallbacks === null)) return undefined;
  const open = typeof fallbacks === 'string';
  const all = [...advisors, ...fallbacksOf(fallbacks)];
  if (all.length > MAX_HELPERS) {
    const [{ field } = { field: 'fallbacks' }] = all.slice(MAX_HELPERS);
    throw badRequest(
      field,
      `A request may name at most ${MAX_HELPERS} further models in \`tools\` and \`fallbacks\`.`,
    );
  }
  return all.length === 0 && !open ? undefined : { named: all, open };
}

/**
 * Whether a deployment is sent what names helpers. Any other format has no word for it, so that translation leaves it out or
 * refuses it; a direct call's bytes go out as they are, whatever is spoken there.
 */
export function takesHelpers(exchange: Exchange, { provider, model }: Deployment): boolean {
  return (
    'target' in exchange || chatEndpoints(provider.vendor, model).some(({ format }) => format === FORMAT)
  );
}

/** A dated name without its date: vendors answer with the full name of what was asked for by its short one. */
function undated(model: string): string {
  return model.replace(/[-@]\d{8}$/, '');
}

/**
 * A model at the provider of the deployment that was called, with its price: that of a configured deployment of it, in the
 * same region if there is one, else what is known of that provider's model. Where no price is known it is that of the called
 * deployment, so that it is never free.
 */
export function helperDeployment(runtime: Runtime, called: Deployment, model: string): Deployment {
  const { name, region } = called.provider;
  const names = [model, undated(model)];
  if (names.includes(called.model)) return called;
  const configured = (runtime.deployments ?? []).filter(
    (one) => one.provider.name === name && names.includes(one.model) && one.price !== undefined,
  );
  const found = configured.find((one) => one.provider.region === region) ??
    configured[0] ??
    runtime.reach(name, model)?.deployments[0] ?? { ...called, id: `${name}/${model}`, model };
  return found.price === undefined && called.price !== undefined ? { ...found, price: called.price } : found;
}

/**
 * How often an advisor is assumed to be asked where the request sets no limit, which the vendor does not either: before the
 * work, when it is stuck, and before it is done.
 */
const USUAL_ADVICE = 3;
/** What the vendor puts around the conversation for an advisor; 1,400 were seen for a short one. Tokens. */
const ADVISOR_FRAME_TOKENS = 2000;

/**
 * The dearest that the helpers of a request can become at a deployment, nano-dollars. An advisor reads the whole
 * conversation with what the model has said so far, each time anew. Of `fallbacks` every one may be called and decline when
 * it has answered at length, which is billed (see `decodeUsage` of Anthropic's format), and reads what was said before it;
 * one that the vendor chooses is taken to cost what the called model does. `output`: the called model's limit, tokens.
 */
export function helpersWorst(exchange: Exchange, deployment: Deployment, output: number): number {
  const helpers = helpersOf(exchange);
  if (helpers === undefined || !takesHelpers(exchange, deployment)) return 0;
  const prompt = promptEstimate(exchange) + output;
  const call = (at: Deployment, inputTokens: number, maxOutputTokens: number): number =>
    at.price === undefined
      ? 0
      : worstCase(priceUnder(at.price, askedTerms(exchange, at.price)).price, {
          inputTokens,
          maxOutputTokens,
          choices: 1,
          audio: false,
        });
  let worst = helpers.open ? call(deployment, prompt, output) : 0;
  for (const { kind, model, maxUses = USUAL_ADVICE, maxOutputTokens } of helpers.named) {
    const at = helperDeployment(exchange.runtime, deployment, model);
    const longest = at.profile.maxOutputTokens ?? DEFAULT_OUTPUT_TOKENS;
    worst +=
      kind === 'fallback'
        ? call(at, prompt, maxOutputTokens ?? output)
        : maxUses * call(at, prompt + ADVISOR_FRAME_TOKENS, maxOutputTokens ?? longest);
  }
  return worst;
}
