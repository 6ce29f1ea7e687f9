import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { SluiceError } from '../../src/core/errors/error.ts';
import { isObject, type JsonObject, OPEN_PROFILE, type UpstreamFormat } from '../../src/core/model/index.ts';
import { CLIENT_DIALECTS } from '../../src/formats/dialects.ts';
import { CODECS } from '../../src/formats/registry.ts';
import { type Meaning, meaningOf } from './support/meaning.ts';
import { RULES } from './support/rules.ts';
import { API_FORMATS, CORPUS_PRESENT, chatCases, recordedRequest } from './support/wire-corpus.ts';

const FORMATS = Object.keys(CODECS) as UpstreamFormat[];
/** Recorded requests in a dialect that clients speak, and that the vendor took. */
const REQUESTS = chatCases().filter(({ api, status }) => {
  const format = API_FORMATS[api];
  return format !== undefined && format in CLIENT_DIALECTS && status < 400;
});

type Outcome =
  | { readonly kind: 'same' }
  | { readonly kind: 'refused'; readonly feature: string }
  | { readonly kind: 'wrong'; readonly why: string };

function difference(before: Meaning, after: Meaning): string[] {
  return (Object.keys(before) as (keyof Meaning)[])
    .filter((key) => !isDeepStrictEqual(before[key], after[key]))
    .map((key) => `${key}: ${JSON.stringify(before[key]).slice(0, 700)} became ${JSON.stringify(after[key]).slice(0, 700)}`);
}

function translate(format: UpstreamFormat, dialect: UpstreamFormat, body: JsonObject): Outcome & { dropped?: readonly string[] } {
  const request = CODECS[dialect].decodeRequest(body);
  let encoded: ReturnType<(typeof CODECS)[UpstreamFormat]['encodeRequest']>;
  try {
    encoded = CODECS[format].encodeRequest(request, { model: 'm', profile: OPEN_PROFILE, quirks: {}, defaultMaxOutputTokens: 4096 });
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'unsupported_feature') return { kind: 'refused', feature: `${error.facts.param}: ${error.message}` };
    return { kind: 'wrong', why: String(error) };
  }
  const written = JSON.parse(JSON.stringify(encoded.body)) as JsonObject;
  const broken = RULES[format](written);
  if (broken.length > 0) return { kind: 'wrong', why: broken.join('; ') };
  const path = format === 'gemini' || format === 'bedrock-converse' ? { model: 'm', stream: request.stream } : {};
  const again = CODECS[format].decodeRequest({ ...written, ...path });
  const diff = difference(meaningOf(request), meaningOf(again));
  return diff.length === 0 ? { kind: 'same' } : { kind: 'wrong', why: diff.join(' || '), dropped: encoded.dropped };
}

describe.skipIf(!CORPUS_PRESENT)('probe', () => {
  it.each(FORMATS)('%s', (format) => {
    const wrong: string[] = []; const refused: Record<string, number> = {}; let same = 0;
    for (const entry of REQUESTS) {
      const dialect = API_FORMATS[entry.api] as UpstreamFormat;
      let out: ReturnType<typeof translate>;
      try { out = translate(format, dialect, { model: entry.model, stream: entry.stream, ...recordedRequest(entry) } as JsonObject); } catch (e) { out = { kind: 'wrong', why: 'THROWN ' + String(e) }; }
      if (out.kind === 'same') same++;
      else if (out.kind === 'refused') refused[out.feature] = (refused[out.feature] ?? 0) + 1;
      else wrong.push(`${entry.id}: ${out.why} dropped=${out.dropped}`);
    }
    console.log(format, 'same', same, 'of', REQUESTS.length, 'refused', JSON.stringify(refused, null, 1), 'wrong', wrong.length, '\n' + wrong.map((w) => w.slice(0, 900)).join('\n'));
  });
});
