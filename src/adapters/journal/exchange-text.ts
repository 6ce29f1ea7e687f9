import type {
  AttemptRecord,
  Cost,
  ExchangePlace,
  ExchangeRecord,
  HoldRecord,
} from '../../core/cost/exchange.ts';
import type { Json } from '../../core/model/json.ts';
import { decodeAttempts, writeAttempts } from './attempt-text.ts';
import { JsonWriter } from './json-writer.ts';
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

/** Writes the text of an exchange, without its id. */
export function writeExchange(to: JsonWriter, record: ExchangeRecord): void {
  writeHead(to, record);
  to.tab();
  writeWho(to, record);
  to.tab();
  writeRest(to, record);
  to.tab();
  if (record.price !== undefined) to.text(priceText(record.price));
}

/** Of a text that is made by itself. */
const ONE_TEXT_BYTES = 4096;

/** What `writeExchange` writes. */
export function encodeExchange(record: ExchangeRecord): string {
  const to = new JsonWriter(ONE_TEXT_BYTES);
  writeExchange(to, record);
  return to.bytes().toString();
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

function writePlace(to: JsonWriter, place: ExchangePlace): void {
  to.open();
  to.string(place.organizationId);
  to.string(place.teamId);
  to.string(place.projectId);
  to.string(place.ownerId);
  to.close();
}

function decodePlace([organizationId, teamId, projectId, ownerId]: PlaceValues): ExchangePlace {
  return {
    organizationId,
    teamId: teamId ?? undefined,
    projectId: projectId ?? undefined,
    ownerId: ownerId ?? undefined,
  };
}

/** Writes the text of a hold, without its id. */
export function writeHold(to: JsonWriter, record: HoldRecord): void {
  to.open();
  to.number(record.startedAt);
  to.string(record.keyId);
  to.string(record.model);
  to.string(record.format);
  to.boolean(record.stream);
  to.string(record.clientRequestId);
  to.number(record.heldNano);
  writeTags(to, record.tags);
  to.string(record.operation);
  to.string(record.user);
  to.string(record.charges);
  if (record.place === undefined) to.nothing();
  else writePlace(to, record.place);
  to.close();
  to.end();
}

/** What `writeHold` writes. */
export function encodeHold(record: HoldRecord): string {
  const to = new JsonWriter(ONE_TEXT_BYTES);
  writeHold(to, record);
  return to.bytes().toString();
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

function writeHead(to: JsonWriter, record: ExchangeRecord): void {
  const { usage, session } = record;
  to.open();
  to.number(record.startedAt);
  to.number(record.status);
  to.string(record.outcome);
  to.string(record.error);
  to.string(record.clientRequestId);
  to.number(record.cost?.total);
  to.number(usage.input);
  to.number(usage.cacheRead);
  to.number(usage.cacheWrite5m);
  to.number(usage.cacheWrite1h);
  to.number(usage.output);
  to.number(usage.audioInput);
  to.number(usage.audioOutput);
  to.number(record.latencyMs);
  writeTags(to, record.tags);
  if (session !== undefined) to.string(session);
  to.close();
}

function writeWho(to: JsonWriter, { keyId, model, provider, user, charges, place }: ExchangeRecord): void {
  to.open();
  to.string(keyId);
  to.string(model);
  to.string(provider);
  to.string(user);
  if (charges !== undefined || place !== undefined) to.string(charges);
  if (place !== undefined) writePlace(to, place);
  to.close();
}

function writeRest(to: JsonWriter, record: ExchangeRecord): void {
  const { usage } = record;
  to.open();
  to.string(record.operation);
  to.string(record.upstreamModel);
  to.string(record.format);
  to.string(record.upstreamFormat);
  to.boolean(record.stream);
  to.string(record.finishReason);
  to.number(record.firstByteMs);
  to.string(record.cache);
  to.string(record.plan);
  to.number(usage.reasoning);
  to.number(usage.images);
  to.string(usage.source);
  writeRaw(to, usage.raw);
  writeCost(to, record.cost);
  writeAttempts(to, record.attempts);
  if (record.dropped.length === 0) to.nothing();
  else to.json(record.dropped);
  to.nothing();
  to.string(record.metadata);
  to.string(record.receipt);
  writeRuling(to, record);
  to.close();
}

function writeRaw(to: JsonWriter, raw: Json | undefined): void {
  if (raw === undefined) {
    to.nothing();
    return;
  }
  to.open();
  to.json(raw);
  to.close();
}

function writeCost(to: JsonWriter, cost: Cost | undefined): void {
  if (cost === undefined) {
    to.nothing();
    return;
  }
  to.open();
  to.number(cost.input);
  to.number(cost.cacheRead);
  to.number(cost.cacheWrite5m);
  to.number(cost.cacheWrite1h);
  to.number(cost.output);
  to.number(cost.audioInput);
  to.number(cost.audioOutput);
  to.number(cost.images);
  to.number(cost.requests);
  to.close();
}

/** Nothing for most exchanges. */
function writeRuling(to: JsonWriter, { ruling, attempts }: ExchangeRecord): void {
  const placed = attempts.some(hasRegion);
  if (ruling === undefined && !placed) return;
  to.string(ruling);
  if (!placed) return;
  to.open();
  for (const { region } of attempts) to.string(region);
  to.close();
}

function hasRegion({ region }: AttemptRecord): boolean {
  return region !== undefined;
}

function writeTags(to: JsonWriter, tags: Readonly<Record<string, string>>): void {
  for (const _ in tags) {
    to.json(tags);
    return;
  }
  to.nothing();
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
