import { isObject, type Json, type JsonObject } from '../core/model/index.ts';
import type { Home, Sessions } from '../core/resilience/sessions.ts';
import type { Tie } from './exchange.ts';
import { STATE_FIELDS } from './kept-state.ts';
import type { ModelRoute } from './runtime.ts';

/** What an affinity is made from. */
interface Asked {
  readonly client: { readonly session: string | undefined };
  readonly principal: { readonly key: { readonly id: string } | undefined };
  readonly operation: string;
  /** The parsed body, for chats. */
  readonly body?: JsonObject;
  /** As in `Guarded`. */
  readonly issuerOf?: (id: string) => string | undefined;
  readonly issuerAccountOf?: (id: string) => string | undefined;
}

/** Strategies that spread equal requests at random: only there does a conversation need to be kept together. */
const SPREADING: ReadonlySet<ModelRoute['strategy']> = new Set([
  'weighted',
  'round_robin',
  'least_busy',
  'lowest_latency',
]);

/** Of a long text only both ends and the length count: a decision may not cost as much as reading the prompt. */
const SAMPLE_CHARS = 200;
const MAX_NODES = 100;

class Fingerprint {
  #a = 0x811c9dc5;
  #b = 0x01000193;

  text(text: string): void {
    this.#mix(text.length);
    const short = text.length <= 2 * SAMPLE_CHARS;
    this.#chars(text, 0, short ? text.length : SAMPLE_CHARS);
    if (!short) this.#chars(text, text.length - SAMPLE_CHARS, text.length);
  }

  /** The strings of a JSON value; of a large one only the first so many nodes. Returns how many are left. */
  json(value: Json | undefined, left = MAX_NODES): number {
    if (left <= 0) return 0;
    let rest = left - 1;
    if (typeof value === 'string') {
      this.text(value);
    } else if (Array.isArray(value)) {
      for (let at = 0; at < value.length && rest > 0; at++) rest = this.json(value[at], rest);
    } else if (isObject(value)) {
      for (const key in value) {
        if (rest <= 0) break;
        rest = this.json(value[key], rest);
      }
    }
    return rest;
  }

  toString(): string {
    return `${(this.#a >>> 0).toString(36)}.${(this.#b >>> 0).toString(36)}`;
  }

  #chars(text: string, from: number, to: number): void {
    for (let at = from; at < to; at++) this.#mix(text.charCodeAt(at));
  }

  /** Two FNV-1a lanes of 32 bits with different offsets: enough to tell sessions of one key apart. */
  #mix(value: number): void {
    this.#a = Math.imul(this.#a ^ value, 0x01000193);
    this.#b = Math.imul(this.#b ^ (value + 0x9e37), 0x85ebca6b);
  }
}

/** The turns before the model first spoke, in whatever field the dialect keeps them. */
function opening(turns: readonly Json[]): readonly Json[] {
  const end = turns.findIndex(isAnswer);
  return end < 0 ? turns : turns.slice(0, end);
}

/** Whether there is anything to come back to: several deployments, or several accounts at one. */
function hasChoice({ deployments }: ModelRoute): boolean {
  return deployments.length > 1 || (deployments[0]?.provider.credentials.length ?? 0) > 1;
}

/** Several accounts serve it: a conversation is kept at one of them, whatever the strategy says about deployments. */
function hasPool({ deployments }: ModelRoute): boolean {
  return deployments.some(({ provider }) => provider.credentials.length > 1);
}

/** Turns of a Responses request: its answers may hold reasoning that only their own account can read. */
function responsesInput({ body }: Asked): readonly Json[] | undefined {
  const input = body?.['input'];
  return Array.isArray(input) ? input : undefined;
}

/** Whether a request brings back reasoning that is encrypted for the account that made it (Responses, WIRE §2.1). */
function bringsSealed(exchange: Asked): boolean {
  return (
    responsesInput(exchange)?.some(
      (item) =>
        isObject(item) && item['type'] === 'reasoning' && typeof item['encrypted_content'] === 'string',
    ) === true
  );
}

/**
 * The session a request belongs to: the client's own `x-sluice-session`, else its conversation, told by key, system
 * prompt, tools and the turns before the model's first answer, so that later turns find the prompt cache (and reasoning
 * that only the same account can read) of the first. `undefined` when there is none, or where there is nothing to choose
 * or the strategy has one answer anyway. What is hashed stays in this process.
 */
export function sessionOf(exchange: Asked, route: ModelRoute): string | undefined {
  if (!hasChoice(route)) return undefined;
  const owner = exchange.principal.key?.id ?? '';
  const { session } = exchange.client;
  if (session !== undefined) return `${route.name}\n${owner}\n=${session}`;
  const { body } = exchange;
  if (exchange.operation !== 'chat' || body === undefined) return undefined;
  const input = responsesInput(exchange);
  if (input === undefined && !SPREADING.has(route.strategy) && !hasPool(route)) return undefined;
  const turns = body['messages'] ?? input ?? body['contents'];
  if (!Array.isArray(turns)) return undefined;
  const print = new Fingerprint();
  for (const field of ['system', 'instructions', 'systemInstruction', 'tools']) print.json(body[field]);
  for (const turn of opening(turns)) print.json(turn);
  return `${route.name}\n${owner}\n${print.toString()}`;
}

/** Whether an item of a conversation is the model's. */
function isAnswer(turn: Json): boolean {
  if (!isObject(turn)) return false;
  const { role, type } = turn;
  return role === 'assistant' || role === 'model' || type === 'reasoning' || type === 'function_call';
}

/** Whether the model has spoken before: only then is there something to come back to. */
function continues(exchange: Asked): boolean {
  if (exchange.client.session !== undefined) return true;
  const { body } = exchange;
  const turns = body?.['messages'] ?? body?.['input'] ?? body?.['contents'];
  return Array.isArray(turns) && turns.some(isAnswer);
}

/** Who keeps the state that a request continues, as far as this process knows. */
function issuerOf(exchange: Asked): Tie | undefined {
  const { body } = exchange;
  if (body === undefined || exchange.issuerOf === undefined) return undefined;
  for (const field of STATE_FIELDS) {
    const value = body[field];
    const id = isObject(value) ? value['id'] : value;
    if (typeof id !== 'string') continue;
    const deployment = exchange.issuerOf(id);
    if (deployment === undefined) continue;
    return { deployment, credential: exchange.issuerAccountOf?.(id), kind: 'state' };
  }
  return undefined;
}

/**
 * Where a request belongs: at the deployment and account that keep what it continues (stored answers, encrypted
 * reasoning), or where its session was answered last, which is only better than elsewhere.
 */
export function tieOf(
  exchange: Asked,
  route: ModelRoute,
  known: { readonly sessions: Sessions; readonly now: number },
): Tie | undefined {
  if (!hasChoice(route)) return undefined;
  const issuer = issuerOf(exchange);
  if (issuer !== undefined) return issuer;
  const session = continues(exchange) ? sessionOf(exchange, route) : undefined;
  const home: Home | undefined = session === undefined ? undefined : known.sessions.home(session, known.now);
  if (home === undefined) return undefined;
  const { deployment, credential } = home;
  return { deployment, credential, kind: bringsSealed(exchange) ? 'sealed' : 'session' };
}

/** Whether a session is to be kept at its deployment although the strategy might prefer another. */
export function isKept(exchange: Asked, route: ModelRoute): boolean {
  return exchange.client.session !== undefined || SPREADING.has(route.strategy);
}
