import type { Cost, ExchangePlace, ExchangeRecord, HoldRecord } from '../../core/cost/exchange.ts';
import type { Json } from '../../core/model/json.ts';
import { attemptValues, decodeAttempts } from './attempt-text.ts';
import { decodePrice, priceText } from './price-text.ts';

// Exchanges as text, for the journal and the database alike: `HEAD tab WHO tab REST tab PRICE`, each a JSON array by
// position (PRICE may be empty). JSON has no raw tab, so the parts are found without parsing. Head and who are all that
// ingest and the log's filters need; only who reads an exchange parses the rest. Positions instead of names make the
// text a third as long, and every byte is written and checked four times (journal, WAL, database, checkpoint).

/** The part of an exchange that differs from the next one's; the id stands outside. Absent strings are null. */
export type ExchangeHead = readonly [
  startedAt: number,
  status: number,
  outcome: ExchangeRecord['outcome'],
  error: string | null,
  clientRequestId: string | null,
  costNano: number | null,
  input: number,
  cacheRead: number,
  cacheWrite5m: number,
  cacheWrite1h: number,
  output: number,
  audioInput: number,
  audioOutput: number,
  latencyMs: number,
  tags: Readonly<Record<string, string>> | null,
  /** Absent where there is none, and in older texts, which have it in the rest. */
  session?: string | null,
];

/** Who asked whom: the same for many exchanges, so that ingest parses it once for all of them. */
export type ExchangeWho = readonly [
  keyId: string | null,
  model: string,
  provider: string | null,
  user: string | null,
  /** Absent in exchanges that no budget paid for. */
  charges?: string | null,
  /** Absent for keys of the default organization that belong to nothing below it, and in older texts. */
  place?: PlaceValues | null,
];

type Rest = readonly [
  operation: string,
  upstreamModel: string | null,
  format: string,
  upstreamFormat: string | null,
  stream: boolean,
  finishReason: string | null,
  firstByteMs: number | null,
  cache: ExchangeRecord['cache'],
  plan: ExchangeRecord['plan'] | null,
  reasoning: number,
  images: number,
  source: ExchangeRecord['usage']['source'],
  raw: readonly [Json] | null,
  cost: CostParts | null,
  /** Attempts one behind the other, six values each; behind them their kinds, a letter each, where any has one. */
  attempts: readonly (string | number | null)[],
  dropped: readonly string[] | null,
  /** In older texts; now in the head. */
  session: string | null,
  metadata: string | null,
  receipt: string | null,
  /** Absent where it would be null, and in older texts; so are the regions of the attempts, in their order. */
  ruling?: string | null,
  regions?: readonly (string | null)[],
];

type CostParts = readonly [
  input: number,
  cacheRead: number,
  cacheWrite5m: number,
  cacheWrite1h: number,
  output: number,
  audioInput: number,
  audioOutput: number,
  images: number,
  requests: number,
];

/** The text of an exchange, without its id. */
export function encodeExchange(record: ExchangeRecord): string {
  return `${encodeHead(record)}\t${encodeWho(record)}\t${encodeRest(record)}\t${record.price === undefined ? '' : priceText(record.price)}`;
}

/** The exchange again. Throws `SyntaxError` for text that is not ours. */
export function decodeExchange(id: string, text: string): ExchangeRecord {
  const [headText = '', whoText = '', restText = '', price = ''] = text.split('\t');
  const head = JSON.parse(headText) as ExchangeHead;
  const [keyId, model, provider, user, charges, place] = decodeWho(whoText);
  const rest = JSON.parse(restText) as Rest;
  return {
    id,
    clientRequestId: head[4] ?? undefined,
    startedAt: head[0],
    keyId: keyId ?? undefined,
    operation: rest[0],
    model,
    provider: provider ?? undefined,
    upstreamModel: rest[1] ?? undefined,
    format: rest[2],
    upstreamFormat: rest[3] ?? undefined,
    stream: rest[4],
    status: head[1],
    outcome: head[2],
    error: head[3] ?? undefined,
    finishReason: rest[5] ?? undefined,
    usage: decodeUsage(head, rest),
    cost: decodeCost(head[5], rest[13]),
    price: price === '' ? undefined : decodePrice(price),
    latencyMs: head[13],
    firstByteMs: rest[6] ?? undefined,
    attempts: decodeAttempts(rest[14], rest[20]),
    cache: rest[7],
    plan: rest[8] ?? undefined,
    dropped: rest[15] ?? [],
    tags: head[14] ?? {},
    user: user ?? undefined,
    session: head[15] ?? rest[16] ?? undefined,
    metadata: rest[17] ?? undefined,
    receipt: rest[18] ?? undefined,
    ...(charges === undefined || charges === null ? {} : { charges }),
    ...(place === undefined || place === null ? {} : { place: decodePlace(place) }),
    ...(rest[19] === undefined || rest[19] === null ? {} : { ruling: rest[19] }),
  };
}

/** The head alone. Throws `SyntaxError` for text that is not ours. */
export function decodeHead(text: string): ExchangeHead {
  return JSON.parse(text.slice(0, text.indexOf('\t'))) as ExchangeHead;
}

/** The part of an exchange's text that `decodeWho` reads. */
export function whoText(text: string): string {
  const start = text.indexOf('\t') + 1;
  return text.slice(start, text.indexOf('\t', start));
}

/** Operation and upstream model: the first two texts of the rest. */
const REST_BEGIN = /^\["(?:[^"\\]|\\.)*",("(?:[^"\\]|\\.)*")/;
const REST_BEGIN_LENGTH = 2000;

/** The upstream's name of the model, without reading the rest of the text. */
export function upstreamModelOf(text: string): string | undefined {
  const start = text.indexOf('\t', text.indexOf('\t') + 1) + 1;
  const [, found] = REST_BEGIN.exec(text.slice(start, start + REST_BEGIN_LENGTH)) ?? [];
  return found === undefined ? undefined : (JSON.parse(found) as string);
}

/** Throws `SyntaxError` for text that is not ours. */
export function decodeWho(text: string): ExchangeWho {
  return JSON.parse(text) as ExchangeWho;
}

/** Where an exchange's key belonged, by position. */
export type PlaceValues = readonly [
  organization: string,
  team: string | null,
  project: string | null,
  owner: string | null,
];

function placeValues(place: ExchangePlace | undefined): readonly (string | undefined)[] | undefined {
  return place && [place.organizationId, place.teamId, place.projectId, place.ownerId];
}

function decodePlace([organizationId, teamId, projectId, ownerId]: PlaceValues): ExchangePlace {
  return {
    organizationId,
    teamId: teamId ?? undefined,
    projectId: projectId ?? undefined,
    ownerId: ownerId ?? undefined,
  };
}

/** The text of a hold, without its id. */
export function encodeHold(record: HoldRecord): string {
  return JSON.stringify([
    record.startedAt,
    record.keyId,
    record.model,
    record.format,
    record.stream,
    record.clientRequestId,
    record.heldNano,
    orNull(record.tags),
    record.operation,
    record.user,
    record.charges,
    placeValues(record.place),
  ]);
}

/** The hold again. Throws `SyntaxError` for text that is not ours. */
export function decodeHold(id: string, text: string): HoldRecord {
  const [startedAt, keyId, model, format, stream, clientRequestId, heldNano, tags, operation, user, ...more] =
    JSON.parse(text);
  const [charges, place] = more;
  return {
    id,
    startedAt,
    keyId: keyId ?? undefined,
    model,
    format,
    stream,
    clientRequestId: clientRequestId ?? undefined,
    heldNano,
    tags: tags ?? {},
    operation: operation ?? undefined,
    user: user ?? undefined,
    ...(typeof charges === 'string' ? { charges } : {}),
    ...(Array.isArray(place) ? { place: decodePlace(place as unknown as PlaceValues) } : {}),
  };
}

// JSON writes `undefined` in an array as null, so absent values are passed as they are.
function encodeHead(record: ExchangeRecord): string {
  const { usage, session } = record;
  return JSON.stringify([
    record.startedAt,
    record.status,
    record.outcome,
    record.error,
    record.clientRequestId,
    record.cost?.total,
    usage.input,
    usage.cacheRead,
    usage.cacheWrite5m,
    usage.cacheWrite1h,
    usage.output,
    usage.audioInput,
    usage.audioOutput,
    record.latencyMs,
    orNull(record.tags),
    ...(session === undefined ? NO_VALUES : [session]),
  ]);
}

function encodeWho({ keyId, model, provider, user, charges, place }: ExchangeRecord): string {
  if (place !== undefined) return JSON.stringify([keyId, model, provider, user, charges, placeValues(place)]);
  return JSON.stringify(
    charges === undefined ? [keyId, model, provider, user] : [keyId, model, provider, user, charges],
  );
}

function encodeRest(record: ExchangeRecord): string {
  const { usage, cost } = record;
  return JSON.stringify([
    record.operation,
    record.upstreamModel,
    record.format,
    record.upstreamFormat,
    record.stream,
    record.finishReason,
    record.firstByteMs,
    record.cache,
    record.plan,
    usage.reasoning,
    usage.images,
    usage.source,
    usage.raw === undefined ? null : [usage.raw],
    cost === undefined ? null : costParts(cost),
    attemptValues(record.attempts),
    record.dropped.length === 0 ? null : record.dropped,
    null,
    record.metadata,
    record.receipt,
    ...rulingValues(record),
  ]);
}

/** Nothing for most exchanges. */
function rulingValues({ ruling, attempts }: ExchangeRecord): unknown[] {
  const placed = attempts.some(({ region }) => region !== undefined);
  if (!placed) return ruling === undefined ? NO_VALUES : [ruling];
  return [ruling, attempts.map(({ region }) => region)];
}

const NO_VALUES: unknown[] = [];

function costParts(cost: Cost): CostParts {
  return [
    cost.input,
    cost.cacheRead,
    cost.cacheWrite5m,
    cost.cacheWrite1h,
    cost.output,
    cost.audioInput,
    cost.audioOutput,
    cost.images,
    cost.requests,
  ];
}

function orNull(tags: Readonly<Record<string, string>>): Readonly<Record<string, string>> | null {
  for (const _ in tags) {
    return tags;
  }
  return null;
}

function decodeUsage(head: ExchangeHead, rest: Rest): ExchangeRecord['usage'] {
  return {
    input: head[6],
    cacheRead: head[7],
    cacheWrite5m: head[8],
    cacheWrite1h: head[9],
    output: head[10],
    reasoning: rest[9],
    audioInput: head[11],
    audioOutput: head[12],
    images: rest[10],
    source: rest[11],
    ...(rest[12] === null ? {} : { raw: rest[12][0] }),
  };
}

function decodeCost(total: number | null, parts: CostParts | null): Cost | undefined {
  if (total === null || parts === null) {
    return undefined;
  }
  const [input, cacheRead, cacheWrite5m, cacheWrite1h, output, audioInput, audioOutput, images, requests] =
    parts;
  return {
    input,
    cacheRead,
    cacheWrite5m,
    cacheWrite1h,
    output,
    audioInput,
    audioOutput,
    images,
    requests,
    total,
  };
}
