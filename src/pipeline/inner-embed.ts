import { SluiceError } from '../core/errors/error.ts';
import { isObject, type Json } from '../core/model/index.ts';
import { envelopeOf, OPERATIONS } from '../formats/operations/index.ts';
import type { Clock } from '../ports/clock.ts';
import type { Ledger } from '../ports/ledger.ts';
import type { Random } from '../ports/random.ts';
import type { Called } from './call.ts';
import { operationEndpoint } from './carry-operation.ts';
import { chargeExchange } from './charge.ts';
import { type Ender, type Stage, settleOnEnd } from './compose.ts';
import {
  type ClientFacts,
  type Exchange,
  extend,
  type Facts,
  type Grant,
  type Hold,
  type Principal,
  type Route,
  type Slot,
} from './exchange.ts';
import { holdUnpaid } from './hold-record.ts';
import type { Relayed } from './relay.ts';
import type { Runtime } from './runtime.ts';
import { worstOf } from './worst-case.ts';

type Granted = Called & { readonly principal: Principal; grant: Grant };
type Limited = Granted & { readonly slot: Slot };
type Reserved = Limited & { readonly hold: Hold };

/** Texts that the gateway has embedded for itself. */
export interface EmbedWish {
  readonly runtime: Runtime;
  /** Whose texts they are: that policy holds, and that key pays. Without a key nobody does. */
  readonly principal: Principal;
  readonly client: ClientFacts;
  /** `provider/model`. */
  readonly model: string;
  readonly texts: readonly string[];
  readonly signal: AbortSignal;
}

/** What such calls are made with. */
export interface InnerEmbedPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly ledger: Ledger;
  readonly newFacts: () => Facts;
  readonly reserveBudget: Stage<Limited, Reserved>;
  readonly chooseRoute: (exchange: Reserved) => Reserved & Route;
  readonly attempt: Stage<Reserved & Route, { readonly answer: Relayed }>;
  readonly enders: readonly Ender<Exchange>[];
}

/** Vectors of unit length, one a text; `paid` is told the cost. Throws what the call failed with. */
export type Embed = (wish: EmbedWish, paid: (nano: number) => void) => Promise<readonly Float32Array[]>;

const MAX_DIMENSIONS = 16_384;

function malformed(): SluiceError {
  return new SluiceError('upstream_error', 'The embedding model did not answer with a vector for each text.');
}

function unit(value: Json | undefined): Float32Array {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_DIMENSIONS) throw malformed();
  const vector = Float32Array.from(value, Number);
  let square = 0;
  for (const one of vector) square += one * one;
  if (!Number.isFinite(square) || square === 0) throw malformed();
  const scale = 1 / Math.sqrt(square);
  return vector.map((one) => one * scale);
}

/** OpenAI's shape, which every provider's answer is translated to. */
function vectorsOf(bytes: Uint8Array, count: number): readonly Float32Array[] {
  // Not `parseJson`: digits beyond a double's are noise here.
  const body = JSON.parse(Buffer.from(bytes).toString('utf8')) as Json;
  const data = isObject(body) ? body['data'] : undefined;
  if (!Array.isArray(data) || data.length !== count) throw malformed();
  const found: Float32Array[] = [];
  for (const [place, item] of data.entries()) {
    const index = isObject(item) && typeof item['index'] === 'number' ? item['index'] : place;
    found[index] = unit(isObject(item) ? item['embedding'] : undefined);
  }
  if (found.length !== count || found.includes(undefined as never)) throw malformed();
  return found;
}

async function wholeOf({ body }: Relayed): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function receive(ports: InnerEmbedPorts, wish: EmbedWish): Limited {
  const { runtime, principal, client, model, texts, signal } = wish;
  const route = runtime.resolve(model);
  const body = { model, input: [...texts], encoding_format: 'float' };
  const exchange: Called = {
    id: ports.random.id('exc_'),
    startedAt: ports.clock.now(),
    startedMono: ports.clock.monotonic(),
    codec: { id: 'openai-embeddings', encodeError: () => ({ status: 500, headers: {}, body: {} }) },
    operation: 'embeddings',
    runtime,
    client,
    raw: Buffer.from(JSON.stringify(body)),
    body,
    envelope: envelopeOf(model),
    signal,
    facts: ports.newFacts(),
    end: undefined,
    spec: OPERATIONS.embeddings,
    shape: 'openai',
    contentType: 'application/json',
    form: undefined,
  };
  const deployments = (route?.deployments ?? []).filter(
    (deployment) => operationEndpoint(exchange, deployment) !== undefined,
  );
  if (route === undefined || deployments.length === 0) {
    throw new SluiceError('model_not_found', 'This model does not embed texts here.');
  }
  const grant = { route: { ...route, deployments, fallbacks: [], fallbacksOn: {} }, objective: undefined };
  return extend(exchange, { principal, grant, slot: { headers: {}, release: () => undefined } });
}

async function reserve(ports: InnerEmbedPorts, limited: Limited): Promise<Reserved> {
  if (limited.principal.key !== undefined) return ports.reserveBudget(limited);
  const worst = worstOf(limited, limited.grant.route) ?? 0;
  return holdUnpaid(ports.ledger, limited, worst);
}

/** Embeds texts as a call of the gateway's own: policy, budgets, ledger and log as for any other, and no rate limit. */
export function createInnerEmbed(ports: InnerEmbedPorts): Embed {
  return async (wish, paid) => {
    const limited = receive(ports, wish);
    const enders: Ender<Limited>[] = [
      (exchange) => paid(chargeExchange(exchange).cost?.total ?? 0),
      ...(ports.enders as readonly Ender<Limited>[]),
    ];
    let vectors: readonly Float32Array[] = [];
    await settleOnEnd<Limited, void>(async () => {
      const reserved = await reserve(ports, limited);
      const { answer } = await ports.attempt(ports.chooseRoute(reserved));
      vectors = vectorsOf(await wholeOf(answer), wish.texts.length);
    }, enders)(limited);
    await limited.end?.({ kind: 'answered' });
    return vectors;
  };
}
