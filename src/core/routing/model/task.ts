import type { Marks } from './boilerplate.ts';
import { LANGUAGES } from './lexicon.ts';
import { codeLikeness, mathLikeness } from './rules.ts';
import type { Structure } from './structure.ts';
import type { Tokens } from './tokens.ts';
import type { TaskClass } from './types.ts';

/** What a prompt asks for, by rules on its counts; the most particular class that applies. */
export function taskOf(s: Structure): TaskClass {
  const code = codeLikeness(s);
  if (s.summary > 0 && code < 0.8) return 'summary';
  if (code >= 0.5) return 'code';
  if (s.classify >= 1 && (s.choices === 0 || s.classify >= 2) && s.classify >= s.creative && isAsked(s))
    return 'classification';
  if (s.creative > 0 && s.creative >= s.math && (s.write > 0 || s.words < 40)) return 'creative';
  if (mathLikeness(s) >= 0.5) return 'reasoning';
  if (s.extract >= 2 || (s.extract >= 1 && s.words < 14 && s.askFirst === 0)) return 'extraction';
  if (s.choices >= 3 || s.reason >= 2 || (s.reason >= 1 && s.words > 6) || s.math >= 2) return 'reasoning';
  if (code >= 0.25 && s.write > 0) return 'code';
  return 'chat';
}

/** Something is to be decided about a text: a class is named, and it is no exam question about classes. */
const isAsked = (s: Structure) => s.classify >= 2 || s.words < 60;

const MIN_SHARE = 0.15;

/** Unicode blocks that tell the language, as `[from, to, code]`; Han without kana is Chinese. */
const SCRIPTS: readonly (readonly [from: number, to: number, code: string])[] = [
  [0x370, 0x3ff, 'el'],
  [0x400, 0x52f, 'ru'],
  [0x590, 0x5ff, 'he'],
  [0x600, 0x6ff, 'ar'],
  [0x900, 0x97f, 'hi'],
  [0xe00, 0xe7f, 'th'],
  [0x3041, 0x30ff, 'ja'],
  [0x3400, 0x9fff, 'zh'],
  [0xac00, 0xd7a3, 'ko'],
];
const KANA = 6;
const HAN = 7;
/** Units looked at for the script. */
const MAX_LOOKED = 1500;

function byScript(tokens: Tokens): string | undefined {
  const counts = new Uint16Array(SCRIPTS.length);
  const looked = Math.min(tokens.unitCount, MAX_LOOKED);
  let letters = 0;
  for (let at = 0; at < looked; at++) {
    const unit = tokens.units[at] as number;
    if (unit > 64) letters++;
    if (unit < 0x370) continue;
    const script = SCRIPTS.findIndex(([from, to]) => unit >= from && unit <= to);
    if (script >= 0) counts[script] = (counts[script] as number) + 1;
  }
  if ((counts[KANA] as number) > 0 && (counts[KANA] as number) * 10 > (counts[HAN] as number))
    counts[HAN] = 0;
  const best = counts.reduce((top, count, at) => (count > (counts[top] as number) ? at : top), 0);
  const share = (counts[best] as number) / Math.max(1, letters);
  return share > 0.3 ? SCRIPTS[best]?.[2] : undefined;
}

/** ISO 639-1 code of the prompt's language by script, else by function words; `und` where neither tells. */
export function languageOf(tokens: Tokens, marks: Marks): string {
  const script = byScript(tokens);
  if (script !== undefined) return script;
  const counts = new Uint16Array(LANGUAGES.length);
  for (let at = 0; at < tokens.count; at++) {
    const bits = marks.languages[at] as number;
    if (bits === 0) continue;
    for (let language = 0; language < LANGUAGES.length; language++)
      if ((bits & (1 << language)) !== 0) counts[language] = (counts[language] as number) + 1;
  }
  const best = counts.reduce((top, count, at) => (count > (counts[top] as number) ? at : top), 0);
  const enough = (counts[best] as number) >= Math.max(1, MIN_SHARE * tokens.count);
  return enough ? (LANGUAGES[best] ?? 'und') : 'und';
}
