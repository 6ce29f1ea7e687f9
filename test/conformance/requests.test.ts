import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { SluiceError } from '../../src/core/errors/error.ts';
import { isObject, type JsonObject, OPEN_PROFILE, type UpstreamFormat } from '../../src/core/model/index.ts';
import type { EncodedRequest } from '../../src/formats/codec.ts';
import { CLIENT_DIALECTS } from '../../src/formats/dialects.ts';
import { CODECS } from '../../src/formats/registry.ts';
import type { WireCase } from '../golden/wire.ts';
import { type Meaning, meaningOf } from './support/meaning.ts';
import { RULES } from './support/rules.ts';
import { API_FORMATS, CORPUS_PRESENT, chatCases, recordedRequest } from './support/wire-corpus.ts';

const FORMATS = Object.keys(CODECS) as UpstreamFormat[];
const BAR = 0.98;

function dialectOf({ api }: WireCase): UpstreamFormat | undefined {
  const format = API_FORMATS[api];
  return format !== undefined && format in CLIENT_DIALECTS ? format : undefined;
}

/** Recorded requests in a dialect that clients speak, and that the vendor took. */
const REQUESTS = chatCases().filter((entry) => entry.status < 400 && dialectOf(entry) !== undefined);

/**
 * Parts of a request that a target may change when it names them in `dropped`: the words are those of `x-sluice-dropped`.
 * Anything else that changes is a defect.
 */
const NAMED: Readonly<Partial<Record<keyof Meaning, RegExp>>> = {
  stop: /^stop$/,
  output: /^json_object/,
  system: /^json_object/,
  turns: /^(?:image|document|audio|video|messages|tool result|file)\b/,
};

/** Fields whose absence no translation can make good, as refusals name them; any other refusal is a defect. */
const REFUSABLE =
  /^(?:tools\[|tool_choice$|previous_response_id$|n$|image|document|audio|video|messages\[.*(?:content|parts)\[)/;

type Outcome =
  | { readonly kind: 'same' }
  | { readonly kind: 'refused'; readonly feature: string }
  | { readonly kind: 'wrong'; readonly why: string };

function changes(before: Meaning, after: Meaning, dropped: readonly string[]): string[] {
  return (Object.keys(before) as (keyof Meaning)[])
    .filter((key) => !isDeepStrictEqual(before[key], after[key]))
    .filter((key) => !dropped.some((word) => NAMED[key]?.test(word) === true))
    .map((key) => {
      const [was, is] = [JSON.stringify(before[key]), JSON.stringify(after[key])];
      const from = Math.max(0, [...was].findIndex((letter, at) => letter !== is[at]) - 40);
      return `${key} at ${from}: ${was.slice(from, from + 300)} became ${is.slice(from, from + 300)} (${dropped.join()})`;
    });
}

/** One recorded request, decoded as its client sent it and encoded for a format. */
function translate(entry: WireCase, format: UpstreamFormat): Outcome {
  const dialect = dialectOf(entry) ?? 'openai-chat';
  const body = { model: entry.model, stream: entry.stream, ...recordedRequest(entry) } as JsonObject;
  const request = CODECS[dialect].decodeRequest(body);
  let encoded: EncodedRequest;
  try {
    encoded = CODECS[format].encodeRequest(request, {
      model: 'm',
      profile: OPEN_PROFILE,
      quirks: {},
      defaultMaxOutputTokens: 4096,
    });
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'unsupported_feature') throw error;
    const feature = error.facts.param ?? '';
    return REFUSABLE.test(feature) ? { kind: 'refused', feature } : { kind: 'wrong', why: String(error) };
  }
  const written: unknown = JSON.parse(JSON.stringify(encoded.body));
  if (!isObject(written)) return { kind: 'wrong', why: 'no object' };
  // The vendor has shown that it takes what was recorded, so only other formats are held to their rules.
  const broken = format === dialect ? [] : RULES[format](written);
  if (broken.length > 0) return { kind: 'wrong', why: broken.join('; ') };
  const again = CODECS[format].decodeRequest({ stream: request.stream, ...written, model: 'm' });
  const changed = changes(meaningOf(request), meaningOf(again), encoded.dropped);
  return changed.length === 0 ? { kind: 'same' } : { kind: 'wrong', why: changed.join(' | ') };
}

function outcome(entry: WireCase, format: UpstreamFormat): Outcome {
  try {
    return translate(entry, format);
  } catch (error) {
    return { kind: 'wrong', why: String(error) };
  }
}

describe.skipIf(!CORPUS_PRESENT)('recorded requests of every client dialect', () => {
  it.each(FORMATS)('are taken by %s with the same meaning, or refused by name', (format) => {
    const outcomes = REQUESTS.map((entry) => ({ entry, result: outcome(entry, format) }));
    const wrong = outcomes.flatMap(({ entry, result }) =>
      result.kind === 'wrong' ? [`${entry.id}: ${result.why}`] : [],
    );
    const refused = outcomes.filter(({ result }) => result.kind === 'refused').length;
    const sent = outcomes.length - refused;
    const share = (sent - wrong.length) / sent;
    console.info(
      `${format}: ${sent - wrong.length} of ${sent} recorded requests keep rules and meaning (${(share * 100).toFixed(2)} %), ` +
        `${refused} refused by name`,
    );
    expect(wrong).toEqual([]);
    expect(share).toBeGreaterThanOrEqual(BAR);
  });
});

it('the recorded traffic is there, or this run says that it is not', () => {
  if (!CORPUS_PRESENT) console.warn('recorded traffic is absent: no request was translated');
  expect(REQUESTS.length > 400).toBe(CORPUS_PRESENT);
});
