import { estimateTokens } from '../../core/cost/estimate.ts';
import { badRequest } from '../../core/errors/error.ts';
import { type JsonObject, UNKNOWN_USAGE } from '../../core/model/index.ts';
import { toNumber } from '../../core/model/parse-json.ts';
import type { Envelope } from '../codec.ts';
import { optionalNumber, optionalString, requiredString } from '../fields.ts';
import { measure } from '../token-count.ts';
import type { Operation } from './operation.ts';
import { untranslated } from './translate.ts';
import { estimatedInput, heardFor, reportedUsage } from './usage.ts';

/* Operations that every provider takes in OpenAI's shape (API reference): checked, and forwarded as they are. */

/** What OpenAI moderates with when the client names no model. */
const DEFAULT_MODERATION = 'omni-moderation-latest';
/** Output tokens of the largest image in the highest quality (OpenAI's guide "Image generation", cost table). */
const MAX_IMAGE_TOKENS = 6300;
const MAX_IMAGES = 10;
/** Audio tokens per character of speech: 20.8 tokens a second at 14 characters a second, from OpenAI's prices. */
const SPEECH_TOKENS_PER_CHARACTER = 1.5;
/** Four times as slow a speaker, for holds. */
const MAX_SPEECH_TOKENS_PER_CHARACTER = 6;
/** Bytes of an upload per second: 16 kB is MP3 as usual, 2 kB speech in Opus. */
const USUAL_BYTES_PER_SECOND = 16_000;
const LEAST_BYTES_PER_SECOND = 2000;
/** An audio token is 100 ms. */
const LEAST_BYTES_PER_TOKEN = LEAST_BYTES_PER_SECOND / 10;

/** The model a body names. */
export function modelOf(body: JsonObject): string {
  const model = requiredString(body, 'model');
  if (model === '') throw badRequest('model', '`model` must name a model.');
  return model;
}

const PLAIN = { stream: false, choices: 1, includeUsage: false, tools: 0, media: 0 } as const;

/** An envelope of an operation that makes no tokens unless `more` says so. */
export function envelopeOf(model: string, more: Partial<Envelope> = {}): Envelope {
  return { ...PLAIN, model, maxOutputTokens: 0, ...more };
}

function streams(body: JsonObject): boolean {
  // A multipart field is text.
  return body['stream'] === true || body['stream'] === 'true';
}

const FORWARDED = {
  forwards: (client: string, upstream: string) => client === upstream,
  translate: untranslated,
} as const;

/** Counting at the vendor, in its own dialect: exact where an estimate is not, and free of charge. */
export const countTokens: Operation = {
  ...FORWARDED,
  name: 'count_tokens',
  forwards: (client, upstream) => client === upstream,
  envelope: (body) => envelopeOf(modelOf(body)),
  usage: () => ({ ...UNKNOWN_USAGE, source: 'reported' }),
};

export const moderations: Operation = {
  ...FORWARDED,
  name: 'moderations',
  envelope(body) {
    const { input } = body;
    if (typeof input !== 'string' && !(Array.isArray(input) && input.length > 0)) {
      throw badRequest('input', '`input` is required and must be a text or an array.');
    }
    return envelopeOf(optionalString(body, 'model') ?? DEFAULT_MODERATION);
  },
  usage: ({ body, bytes }, answer) => {
    const reported = answer === undefined ? undefined : reportedUsage(answer);
    if (reported !== undefined) return reported;
    const { input } = body;
    return typeof input === 'string'
      ? estimatedInput([input])
      : { ...UNKNOWN_USAGE, input: estimateTokens(bytes), source: 'estimated' };
  },
};

export const images: Operation = {
  ...FORWARDED,
  name: 'images',
  envelope(body) {
    const model = modelOf(body);
    if (requiredString(body, 'prompt') === '') throw badRequest('prompt', '`prompt` must not be empty.');
    const count = optionalNumber(body, 'n', { min: 1, max: MAX_IMAGES, integer: true }) ?? 1;
    const size = { images: count, choices: count, maxOutputTokens: MAX_IMAGE_TOKENS };
    return envelopeOf(model, { ...size, stream: streams(body) });
  },
  usage: ({ body }, answer) => {
    const made = answer?.['data'];
    const count = Array.isArray(made) ? made.length : ((toNumber(body['n']) as number | undefined) ?? 1);
    const reported = answer === undefined ? undefined : reportedUsage(answer);
    if (reported !== undefined) return { ...reported, images: count };
    const prompt = body['prompt'];
    return { ...estimatedInput([typeof prompt === 'string' ? prompt : '']), images: count };
  },
};

/** As vendors count them: a letter outside the basic plane is one. */
function charactersOf(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

export const speech: Operation = {
  ...FORWARDED,
  name: 'speech',
  envelope(body) {
    const model = modelOf(body);
    const text = requiredString(body, 'input');
    if (text === '') throw badRequest('input', '`input` must not be empty.');
    const maxOutputTokens = Math.ceil(text.length * MAX_SPEECH_TOKENS_PER_CHARACTER);
    const size = { maxOutputTokens, characters: charactersOf(text) };
    return envelopeOf(model, { ...size, audio: true, stream: body['stream_format'] === 'sse' });
  },
  usage: ({ body }, answer) => {
    const reported = answer === undefined ? undefined : reportedUsage(answer);
    const text = typeof body['input'] === 'string' ? body['input'] : '';
    const characters = charactersOf(text);
    // What it makes is audio, whatever OpenAI calls the class.
    if (reported !== undefined) {
      return { ...reported, output: 0, audioOutput: reported.output, characters };
    }
    const audioOutput = Math.ceil(text.length * SPEECH_TOKENS_PER_CHARACTER);
    return { ...estimatedInput([text]), audioOutput, characters, raw: { type: 'characters', characters } };
  },
};

export const transcriptions: Operation = {
  ...FORWARDED,
  name: 'transcriptions',
  envelope(body, _shape, bytes) {
    const promptTokens = Math.ceil(bytes / LEAST_BYTES_PER_TOKEN) + 1000;
    // Speech has fewer tokens as text than as audio.
    const audioSeconds = Math.ceil(bytes / LEAST_BYTES_PER_SECOND);
    const limits = { promptTokens, maxOutputTokens: promptTokens, audioSeconds };
    return envelopeOf(modelOf(body), { ...limits, audio: true, stream: streams(body) });
  },
  usage: ({ bytes }, answer) => {
    const reported = answer === undefined ? undefined : reportedUsage(answer);
    if (reported !== undefined) return reported;
    const text = answer?.['text'];
    const output = typeof text === 'string' ? estimateTokens(text) : 0;
    // `verbose_json` tells how long it was (API reference, "The verbose transcription object").
    const told = measure(answer?.['duration']);
    const seconds = told ?? bytes / USUAL_BYTES_PER_SECOND;
    const raw = { type: 'duration', seconds: told ?? Math.ceil(seconds) };
    return { ...heardFor(seconds, told === undefined ? 'estimated' : 'reported', raw), output };
  },
};
