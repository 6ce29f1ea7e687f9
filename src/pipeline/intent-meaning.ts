import { SluiceError } from '../core/errors/error.ts';
import { UNRESTRICTED } from '../core/policy/policy.ts';
import { hashText } from '../core/routing/decision/hash.ts';
import { type FoundIntent, INTENT_CHARS, nearestMeaning } from '../core/routing/decision/intents.ts';
import type { Clock } from '../ports/clock.ts';
import type { Authorized, ClientFacts, Principal } from './exchange.ts';
import type { Embed } from './inner-embed.ts';
import { mayReachModel } from './may-use.ts';
import { readPrompt } from './prompt-view.ts';
import type { FoundRouter, Routing } from './routing.ts';

/** What was found by meaning, and what finding it cost. */
export interface Meaning {
  /** `undefined`: no embedding model answered in time; spelling has to do. */
  readonly intent: FoundIntent | undefined;
  readonly costNano: number;
}

/** What is looked at of a request. */
export type MeaningAsker = Pick<Authorized, 'id' | 'body' | 'client' | 'principal' | 'runtime' | 'signal'>;

/** Compares a prompt with the intents of its router; `undefined` at once where nothing is to be compared. */
export type FindMeaning = (exchange: MeaningAsker, found: FoundRouter) => Promise<Meaning> | undefined;

/** Texts of one call. */
const BATCH = 96;
const UTTERANCES_TIMEOUT_MS = 30_000;
/** After a failure nobody waits for the model for so long. */
const REST_MS = 10_000;
const MAX_PROMPTS = 1000;
const PROMPT_TTL_MS = 10 * 60_000;
/** Utterances in all: 64 intents of 64 each for every router are more than anybody writes. */
const MAX_UTTERANCES = 20_000;

const NOBODY: Principal = {
  key: undefined,
  scopes: [],
  policy: UNRESTRICTED,
  ownCredential: undefined,
};

interface Kept {
  readonly vector: Float32Array;
  readonly until: number;
}

/** Utterances are embedded once for the life of the process, prompts are kept as vectors for some minutes, bounded. */
class Meanings {
  readonly #ports: { readonly clock: Clock; readonly embed: Embed };
  readonly #utterances = new Map<string, Float32Array>();
  readonly #prompts = new Map<string, Kept>();
  readonly #learning = new Map<string, Promise<void>>();
  readonly #restingUntil = new Map<string, number>();

  constructor(ports: { readonly clock: Clock; readonly embed: Embed }) {
    this.#ports = ports;
  }

  find(exchange: MeaningAsker, found: FoundRouter): Promise<Meaning> | undefined {
    const { routing } = exchange.runtime;
    const { intents } = found.router;
    const embedder = routing?.embedder;
    if (embedder === undefined || intents === undefined || intents.examples.length === 0) return undefined;
    if (this.#ports.clock.monotonic() < (this.#restingUntil.get(embedder.model) ?? 0)) return undefined;
    const { text, toolLoop } = readPrompt(exchange.body);
    const prompt = text.slice(0, INTENT_CHARS).trim();
    if (prompt === '' || toolLoop || !mayReachModel(exchange, embedder.model)) return undefined;
    return this.#find(exchange, { found, embedder, prompt });
  }

  async #find(
    exchange: MeaningAsker,
    asked: {
      readonly found: FoundRouter;
      readonly embedder: NonNullable<Routing['embedder']>;
      readonly prompt: string;
    },
  ): Promise<Meaning> {
    const { found, embedder, prompt } = asked;
    const { model, timeoutMs } = embedder;
    const examples = found.router.intents?.examples ?? [];
    const paid = { nano: 0 };
    let cancel: () => void = () => undefined;
    const late = new Promise<'late'>((resolve) => {
      cancel = this.#ports.clock.after(timeoutMs, () => resolve('late'));
    });
    try {
      const wanted = examples.flatMap(({ utterances }) => utterances);
      const work = Promise.all([
        this.#promptVector(exchange, { model, prompt, name: found.router.name, timeoutMs, paid }),
        this.#learn(exchange, { model, texts: wanted, name: found.router.name }),
      ]);
      // Whoever is late is not waited for; what he finds later helps the next one.
      work.catch(() => undefined);
      const done = await Promise.race([work, late]);
      if (done === 'late') this.#rest(model);
      const vector = done === 'late' ? undefined : done[0];
      const vectorOf = (utterance: string) => this.#utterances.get(`${model}\n${utterance}`);
      return {
        intent: vector === undefined ? undefined : nearestMeaning(examples, vectorOf, vector),
        costNano: paid.nano,
      };
    } catch (error) {
      // A key without money, or a client that left, says nothing about the model.
      if (error instanceof SluiceError && error.blame === 'upstream') this.#rest(model);
      return { intent: undefined, costNano: paid.nano };
    } finally {
      cancel();
    }
  }

  #rest(model: string): void {
    this.#restingUntil.set(model, this.#ports.clock.monotonic() + REST_MS);
  }

  async #promptVector(
    exchange: MeaningAsker,
    asked: {
      readonly model: string;
      readonly prompt: string;
      readonly name: string;
      readonly timeoutMs: number;
      readonly paid: { nano: number };
    },
  ): Promise<Float32Array | undefined> {
    const { model, prompt, name, timeoutMs, paid } = asked;
    const key = hashText(`${model}\n${prompt}`);
    const now = this.#ports.clock.monotonic();
    const known = this.#prompts.get(key);
    if (known !== undefined && known.until > now) return known.vector;
    const [vector] = await this.#ports.embed(
      {
        runtime: exchange.runtime,
        principal: { ...exchange.principal, ownCredential: undefined },
        client: clientOf(exchange.client, name, exchange.id),
        model,
        texts: [prompt],
        signal: AbortSignal.any([exchange.signal, AbortSignal.timeout(timeoutMs)]),
      },
      (nano) => {
        paid.nano += nano;
      },
    );
    if (vector === undefined) return undefined;
    this.#prompts.delete(key);
    this.#prompts.set(key, { vector, until: now + PROMPT_TTL_MS });
    if (this.#prompts.size > MAX_PROMPTS) this.#prompts.delete(this.#prompts.keys().next().value ?? '');
    return vector;
  }

  /** Embeds what is not embedded yet; requests that come meanwhile wait for the same call. Nobody's budget pays. */
  #learn(
    exchange: MeaningAsker,
    asked: { readonly model: string; readonly texts: readonly string[]; readonly name: string },
  ): Promise<void> {
    const { model, texts, name } = asked;
    const missing = [...new Set(texts)].filter((text) => !this.#utterances.has(`${model}\n${text}`));
    if (missing.length === 0) return Promise.resolve();
    const key = hashText(`${model}\n${missing.join('\n')}`);
    const running = this.#learning.get(key);
    if (running !== undefined) return running;
    const client = clientOf(exchange.client, name, undefined);
    const work = this.#embedAll(
      { model, missing, client: { ...client, regions: undefined, user: undefined } },
      exchange,
    );
    this.#learning.set(key, work);
    const done = () => void this.#learning.delete(key);
    work.then(done, done);
    return work;
  }

  async #embedAll(
    asked: { readonly model: string; readonly missing: readonly string[]; readonly client: ClientFacts },
    { runtime }: MeaningAsker,
  ): Promise<void> {
    const { model, missing, client } = asked;
    for (let at = 0; at < missing.length; at += BATCH) {
      const texts = missing.slice(at, at + BATCH);
      const signal = AbortSignal.timeout(UTTERANCES_TIMEOUT_MS);
      const wish = { runtime, principal: NOBODY, client, model, texts, signal };
      const vectors = await this.#ports.embed(wish, () => undefined);
      if (this.#utterances.size + texts.length > MAX_UTTERANCES) this.#utterances.clear();
      for (const [index, text] of texts.entries()) {
        const vector = vectors[index];
        if (vector !== undefined) this.#utterances.set(`${model}\n${text}`, vector);
      }
    }
  }
}

function clientOf(client: ClientFacts, router: string, of: string | undefined): ClientFacts {
  return {
    ...client,
    credential: undefined,
    clientRequestId: undefined,
    session: undefined,
    metadata: of === undefined ? undefined : JSON.stringify({ intent_of: of }),
    tags: { intents: router },
    timeoutMs: undefined,
    fallback: false,
    cache: undefined,
    forward: {},
    version: undefined,
  };
}

/**
 * Finds the intent of a prompt by meaning: waits no longer than configured, keeps to the key's policy and lets it pay, and
 * leaves a model that fails alone for ten seconds. Without an answer the spelling of words decides, as without a model.
 */
export function createFindMeaning(ports: { readonly clock: Clock; readonly embed: Embed }): FindMeaning {
  const meanings = new Meanings(ports);
  return (exchange, found) => meanings.find(exchange, found);
}
