import { isObject, type Json, type JsonObject } from '../core/model/index.ts';
import type { ModelRoute } from './runtime.ts';

/** What an affinity is made from. */
interface Asked {
  readonly client: { readonly session: string | undefined };
  readonly principal: { readonly key: { readonly id: string } | undefined };
  readonly operation: string;
  /** The parsed body, for chats. */
  readonly body?: JsonObject;
}

/** Strategies that spread equal requests at random: only there does a conversation need to be kept together. */
const SPREADING: ReadonlySet<ModelRoute['strategy']> = new Set(['weighted', 'least_busy', 'lowest_latency']);

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
  const end = turns.findIndex(
    (turn) => isObject(turn) && (turn['role'] === 'assistant' || turn['role'] === 'model'),
  );
  return end < 0 ? turns : turns.slice(0, end);
}

/**
 * The session a request belongs to: the client's own `x-sluice-session`, else its conversation, told by key, system
 * prompt, tools and the turns before the model's first answer, so that later turns find the prompt cache (and reasoning
 * that only the same account can read) of the first. `undefined` when there is none, or where the strategy has one
 * answer anyway. What is hashed stays in this process.
 */
export function sessionOf(exchange: Asked, route: ModelRoute): string | undefined {
  if (route.deployments.length < 2) return undefined;
  const owner = exchange.principal.key?.id ?? '';
  const { session } = exchange.client;
  if (session !== undefined) return `${route.name}\n${owner}\n=${session}`;
  const { body } = exchange;
  if (exchange.operation !== 'chat' || body === undefined || !SPREADING.has(route.strategy)) return undefined;
  const turns = body['messages'] ?? body['input'] ?? body['contents'];
  if (!Array.isArray(turns)) return undefined;
  const print = new Fingerprint();
  for (const field of ['system', 'instructions', 'systemInstruction', 'tools']) print.json(body[field]);
  for (const turn of opening(turns)) print.json(turn);
  return `${route.name}\n${owner}\n${print.toString()}`;
}

/** Whether the model has spoken before: only then is there something to come back to. */
export function continues(exchange: Asked): boolean {
  if (exchange.client.session !== undefined) return true;
  const turns = exchange.body?.['messages'] ?? exchange.body?.['input'] ?? exchange.body?.['contents'];
  return Array.isArray(turns) && opening(turns).length < turns.length;
}
