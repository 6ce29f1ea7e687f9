import type {
  ChatRequest,
  ChatResponse,
  Choice,
  FinishReason,
  FormatId,
  MediaPart,
  OutputPart,
  ReasoningPart,
  ToolResultPart,
} from '../../core/model/index.ts';
import { parseModelName } from './models.ts';
import { type Options, withoutDirectives } from './options.ts';
import { PHRASES } from './phrases.ts';
import { readFacts, suggestFrom } from './prompt-facts.ts';
import {
  cutToTokens,
  naturalLength,
  readSubject,
  type Subject,
  writeProse,
  writeReasoning,
} from './prose.ts';
import { sampleSchema } from './schema-sample.ts';
import { createDice, type Dice, hashHex } from './seed.ts';
import { issuerFor, sign, verifySignatures } from './signatures.ts';
import { chooseCalls } from './tool-calls.ts';
import { countOutput, countPrompt, type KnownPrefix, planCache, usageOf } from './usage.ts';

/** A call as the simulated model sees it. */
export interface Situation {
  readonly request: ChatRequest;
  readonly format: FormatId;
  readonly options: Options;
  /** Which prompt beginnings are in the prompt cache. */
  readonly known: KnownPrefix;
}

/** The answer, and what the prompt cache should keep. */
export interface Simulated {
  readonly response: ChatResponse;
  readonly remember: readonly string[];
}

const EFFORT_TOKENS: Readonly<Record<string, number>> = {
  none: 0,
  minimal: 20,
  low: 60,
  medium: 140,
  high: 280,
  xhigh: 420,
  max: 600,
};

interface Draft {
  readonly parts: OutputPart[];
  readonly reason: FinishReason;
  readonly stopSequence?: string;
  /** Thought but not shown, tokens. */
  readonly hidden: number;
}

function textOf(parts: readonly { readonly type: string }[]): string {
  return parts
    .map((part) => ('text' in part && part.type === 'text' && typeof part.text === 'string' ? part.text : ''))
    .filter((text) => text !== '')
    .join('\n');
}

/** The user's latest words; tool results on their own do not count as words. */
function promptOf(request: ChatRequest): string {
  const spoken = request.messages.findLast(({ role, parts }) => role === 'user' && textOf(parts) !== '');
  return withoutDirectives(textOf(spoken?.parts ?? request.messages.at(-1)?.parts ?? []));
}

function reasoningTokens(situation: Situation): number {
  const { request, options } = situation;
  if (options.reasoning !== undefined) return options.reasoning;
  const wish = request.reasoning;
  const { isReasoner } = parseModelName(request.model);
  if (wish === undefined) return isReasoner ? 120 : 0;
  if (!wish.enabled || wish.effort === 'none') return 0;
  if (wish.budgetTokens !== undefined) return Math.min(400, Math.max(40, Math.round(wish.budgetTokens / 8)));
  return EFFORT_TOKENS[wish.effort ?? 'medium'] ?? 140;
}

/** Whether thoughts are shown: OpenAI Chat and a summary of `none` count them only, except on models made to show them. */
function showsReasoning({ request, format }: Situation): boolean {
  const { isReasoner } = parseModelName(request.model);
  const summary = request.reasoning?.summary;
  if (format === 'openai-chat') return isReasoner;
  if (format === 'gemini' || format === 'openai-responses') {
    return summary === undefined ? isReasoner : summary !== 'none';
  }
  return summary !== 'none';
}

function reason(
  situation: Situation,
  subject: Subject,
  dice: Dice,
): { part?: ReasoningPart; hidden: number } {
  const wish = reasoningTokens(situation);
  if (wish <= 0) return { hidden: 0 };
  const limit = situation.request.maxOutputTokens ?? Number.MAX_SAFE_INTEGER;
  const text = cutToTokens(writeReasoning(subject, wish, dice), Math.min(wish, limit));
  const issuer = issuerFor(situation.format);
  const isShown = showsReasoning(situation);
  const shown = isShown ? text : '';
  const part: ReasoningPart = { type: 'reasoning', text: shown };
  const hidden = isShown ? 0 : countOutput({ ...part, text });
  // Gemini signs calls and texts, not thoughts; the others carry the state on the thought itself.
  if (situation.format === 'gemini' || issuer === undefined) return isShown ? { part, hidden } : { hidden };
  if (!isShown && issuer === 'openai') {
    const id = `rs_${hashHex(text)}${dice.word(32).toLowerCase()}`;
    return { part: { ...part, id, signature: sign(issuer, text, dice.word(16)) }, hidden };
  }
  const id = issuer === 'openai' ? { id: `rs_${hashHex(text)}${dice.word(32).toLowerCase()}` } : {};
  return { part: { ...part, ...id, signature: sign(issuer, shown, dice.word(16)) }, hidden };
}

function describeMedia(part: MediaPart): string {
  const { source, name } = part;
  const label = name === undefined ? '' : `${name}, `;
  if (source.kind === 'base64') {
    const bytes = Math.floor((source.data.replace(/=+$/, '').length * 3) / 4);
    return `${label}${source.mediaType}, ${bytes} bytes`;
  }
  if (source.kind === 'text') return `${label}${source.text.length} characters`;
  return `${label}${source.mediaType ?? 'unknown type'}, ${source.kind === 'url' ? 'by URL' : 'by file id'}`;
}

function mediaSentences(request: ChatRequest, subject: Subject): string {
  const last = request.messages.findLast(({ role }) => role === 'user');
  const lines: string[] = [];
  for (const part of last?.parts ?? []) {
    if (part.type !== 'image' && part.type !== 'document' && part.type !== 'audio' && part.type !== 'video')
      continue;
    const sentence = PHRASES[subject.language].seen;
    lines.push(sentence.replace('{kind}', part.type).replace('{media}', describeMedia(part)));
  }
  return lines.join(' ');
}

function resultSentences(request: ChatRequest, subject: Subject, dice: Dice): string {
  const results = request.messages
    .at(-1)
    ?.parts.filter((part): part is ToolResultPart => part.type === 'tool_result');
  const phrases = PHRASES[subject.language];
  return (results ?? [])
    .map((result) => {
      const text = textOf(result.content).replace(/\s+/g, ' ').trim().slice(0, 400);
      const said = text === '' ? 'no text' : text.replace(/[.。]$/, '');
      return dice
        .pick(phrases.results)
        .replace('{tool}', () => result.name ?? 'the tool')
        .replace('{result}', () => (result.isError === true ? `an error: ${said}` : said));
    })
    .join(' ');
}

/** A sum or product in the prompt is worked out; anything else is left to prose. */
function arithmetic(prompt: string): string | undefined {
  const match = /(-?\d+(?:\.\d+)?)\s*([-+*×/x])\s*(-?\d+(?:\.\d+)?)/.exec(prompt);
  const isAsked =
    /what(?:'s| is)|how much|calculate|compute|was ist|wie viel|combien|cuánto|=|[?？]\s*$/i.test(prompt);
  if (match === null || !isAsked || prompt.length > 120 || /\d{4}-\d{2}/.test(prompt)) return undefined;
  const [, left, sign_, right] = match;
  const [a, b] = [Number(left), Number(right)];
  const results: Readonly<Record<string, number>> = {
    '+': a + b,
    '-': a - b,
    '*': a * b,
    '×': a * b,
    x: a * b,
    '/': a / b,
  };
  const value = results[sign_ ?? ''];
  if (value === undefined || !Number.isFinite(value)) return undefined;
  return `${left} ${sign_} ${right} = ${Number(value.toFixed(6))}`;
}

/** What a prompt asks to have repeated word for word. */
function dictated(prompt: string): string | undefined {
  const match =
    /^\s*(?:please\s+)?(?:repeat(?: after me| exactly)?|say(?: exactly)?|echo|reply with|answer with)(?: the (?:word|text|phrase))?\s*[:\s]\s*["“]?([\s\S]{1,2000}?)["”]?\s*$/i.exec(
      prompt,
    );
  return match?.[1];
}

function structured(situation: Situation, subject: Subject, dice: Dice): string | undefined {
  const { output } = situation.request;
  if (output.type === 'json_schema') {
    const suggest = suggestFrom(readFacts(subject.prompt), 0);
    return JSON.stringify(sampleSchema(output.schema, dice, suggest));
  }
  if (output.type !== 'json_object') return undefined;
  const [topic = 'answer', ...related] = subject.topics;
  return JSON.stringify({
    topic,
    summary: writeProse(subject, 20, dice).split('\n')[0] ?? '',
    related,
    confidence: 0.87,
  });
}

function write(situation: Situation, subject: Subject, dice: Dice): string {
  const { options, request } = situation;
  if (options.say !== undefined) return options.say;
  if (options.echo === true) return subject.prompt;
  const json = structured(situation, subject, dice);
  if (json !== undefined) return json;
  if (options.tokens !== undefined)
    return cutToTokens(writeProse(subject, options.tokens, dice), options.tokens);
  const said = dictated(subject.prompt) ?? arithmetic(subject.prompt);
  if (said !== undefined) return said;
  const lead = [resultSentences(request, subject, dice), mediaSentences(request, subject)]
    .filter(Boolean)
    .join('\n\n');
  const length = naturalLength(subject, dice);
  const isMini = parseModelName(request.model).isMini;
  const wish = lead === '' ? length : Math.min(length, 60);
  if (wish <= 8 && lead === '') return cutToTokens(subject.topics[0] ?? 'Yes', 4);
  const prose = writeProse(subject, isMini ? wish / 2 : wish, dice);
  return lead === '' ? prose : `${lead}\n\n${prose}`;
}

/** Ends a text where the first stop sequence begins. */
function stopAt(text: string, stops: readonly string[]): { text: string; stopSequence?: string } {
  let first: { at: number; stop: string } | undefined;
  for (const stop of stops) {
    const at = stop === '' ? -1 : text.indexOf(stop);
    if (at >= 0 && (first === undefined || at < first.at)) first = { at, stop };
  }
  return first === undefined ? { text } : { text: text.slice(0, first.at), stopSequence: first.stop };
}

const FORCED: Readonly<Record<string, FinishReason>> = {
  length: 'length',
  content_filter: 'content_filter',
  refusal: 'refusal',
  pause: 'pause',
};

/** Calls that fit into what is left of the limit; a call is made whole or not at all. */
function fitCalls(calls: readonly OutputPart[], left: number): readonly OutputPart[] {
  let used = 0;
  const fitting = calls.findIndex((call) => {
    used += countOutput(call);
    return used > left;
  });
  return fitting < 0 ? calls : calls.slice(0, fitting);
}

function compose(situation: Situation, subject: Subject, dice: Dice): Draft {
  const { request, options, format } = situation;
  const limit = options.fault === 'ignore-max-tokens' ? undefined : request.maxOutputTokens;
  const thought = reason(situation, subject, dice);
  const parts: OutputPart[] = thought.part === undefined ? [] : [thought.part];
  const spent = parts.reduce((sum, part) => sum + countOutput(part), thought.hidden);
  const left = (limit ?? Number.MAX_SAFE_INTEGER) - spent;
  const hidden = thought.hidden;
  const wanted = chooseCalls({ request, prompt: subject.prompt, format, dice, count: options.tools });
  if (wanted.length > 0) {
    const calls = fitCalls(wanted, left);
    parts.push(...signCalls(calls, situation, dice));
    return { parts, hidden, reason: calls.length < wanted.length ? 'length' : 'tool_calls' };
  }
  const forced = FORCED[options.stop ?? ''];
  if (forced === 'refusal') return { parts: [...parts, refusal(format, subject)], hidden, reason: 'refusal' };
  const stopped = stopAt(write(situation, subject, dice), request.stop ?? []);
  const ignores = options.fault === 'ignore-max-tokens' && request.maxOutputTokens !== undefined;
  const full = ignores
    ? `${stopped.text}\n\n${writeProse(subject, request.maxOutputTokens ?? 0, dice)}`
    : stopped.text;
  const text = cutToTokens(full, left);
  if (text !== '') parts.push({ type: 'text', text, ...textSignature(situation, thought.hidden > 0, dice) });
  if (forced !== undefined) return { parts, hidden, reason: forced };
  if (text.length < full.length) return { parts, hidden, reason: 'length' };
  if (stopped.stopSequence === undefined) return { parts, hidden, reason: 'stop' };
  return { parts, hidden, reason: 'stop_sequence', stopSequence: stopped.stopSequence };
}

/** OpenAI has a field of its own for refusals; elsewhere they are plain text under a finish reason of their own. */
function refusal(format: FormatId, subject: Subject): OutputPart {
  const text = PHRASES[subject.language].refusal;
  return format.startsWith('openai') ? { type: 'refusal', text } : { type: 'text', text };
}

/** Gemini signs the first call of an answer (WIRE §1.4). */
function signCalls(calls: readonly OutputPart[], situation: Situation, dice: Dice): readonly OutputPart[] {
  if (situation.format !== 'gemini' || reasoningTokens(situation) <= 0) return calls;
  return calls.map((call, index) =>
    index === 0 && call.type === 'tool_call'
      ? { ...call, signature: sign('gemini', '', dice.word(16)) }
      : call,
  );
}

function textSignature(situation: Situation, isHidden: boolean, dice: Dice): object {
  if (situation.format !== 'gemini' || !(isHidden || reasoningTokens(situation) > 0)) return {};
  return { signature: sign('gemini', '', dice.word(16)) };
}

/**
 * Answers a call as a model of this format would: same request and seed, same answer.
 * @throws SluiceError `bad_request` when a reasoning signature was tampered with
 */
export function think(situation: Situation): Simulated {
  const { request, format, options } = situation;
  verifySignatures(request, format);
  const subject = readSubject(promptOf(request), options.lang);
  const seed = `${options.seed ?? request.sampling.seed ?? ''}|${request.model}|${hashHex(JSON.stringify(request.messages))}`;
  const drafts = Array.from({ length: Math.min(request.choices ?? 1, 16) }, (_, index) =>
    compose(situation, subject, createDice(`${seed}#${index}`)),
  );
  const cache = planCache(request, format, situation.known);
  const usage = usageOf(
    countPrompt(request),
    cache,
    drafts.map(({ parts }) => parts),
  );
  const hidden = drafts.reduce((sum, draft) => sum + draft.hidden, 0);
  const choices = drafts.map((draft, index): Choice => {
    const { stopSequence } = draft;
    return {
      index,
      parts: draft.parts,
      finish: { reason: draft.reason, ...(stopSequence === undefined ? {} : { stopSequence }) },
    };
  });
  return {
    response: {
      choices,
      usage: { ...usage, output: usage.output + hidden, reasoning: usage.reasoning + hidden },
    },
    remember: cache.remember,
  };
}
