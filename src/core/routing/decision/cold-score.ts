import type { NeedsInfoReason, PromptFacts, PromptScore, TaskClass, Tier } from '../model/types.ts';

/** Of a longer text both ends are read. UTF-16 units. */
const READ_CHARS = 6000;

const TASKS: readonly (readonly [TaskClass, RegExp])[] = [
  [
    'code',
    /```|\b(?:function|def|class|import|const|refactor|compile|stack trace|regex|sql|bug|unit tests?|typescript|javascript|python|rust|golang)\b/i,
  ],
  ['summary', /\b(?:summari[sz]e|summary|tl;?dr|key points|zusammenfass\w*|resum\w+|résum\w+)\b/i],
  ['extraction', /\b(?:extract|list all|find all|pull out|parse|extrahier\w*|extrae|extraire)\b/i],
  [
    'classification',
    /\b(?:classify|categori[sz]e|sentiment|label|which category|spam or|klassifizier\w*)\b/i,
  ],
  ['creative', /\b(?:poem|story|lyrics|haiku|slogan|write a (?:song|scene|novel)|gedicht|geschichte)\b/i],
  [
    'reasoning',
    /\b(?:prove|proof|derive|theorem|integral|probability|how many|step by step|explain why|beweise?|trade-?offs?)\b|[∑∫√≤≥]|\d\s*[+*/^]\s*\d/i,
  ],
];

/** Words that ask for much, and what each adds to the difficulty. */
const HARD: readonly (readonly [RegExp, number])[] = [
  [/\b(?:prove|proof|theorem|lemma|derive|rigorous(?:ly)?|beweise?)\b/i, 0.35],
  [
    /\b(?:architect(?:ure)?|distributed|concurren\w+|race condition|lock-free|deadlock|event sourcing|consensus)\b/i,
    0.3,
  ],
  [/\b(?:refactor|optimi[sz]e|complexity|algorithm|debug|migrate|vulnerabilit\w+|security review)\b/i, 0.18],
  [
    /\b(?:step by step|trade-?offs?|compare and contrast|in depth|comprehensive|thorough(?:ly)?|edge cases)\b/i,
    0.15,
  ],
  [/\b(?:integral|differential|eigenvalue|bayesian|stochastic|topolog\w+|asymptotic)\b|[∑∫∂∇]/i, 0.25],
  [/\b(?:legal|contract|diagnos\w+|liabilit\w+|regulat\w+)\b/i, 0.1],
];

const LANGUAGES: readonly (readonly [string, RegExp])[] = [
  ['en', /\b(?:the|and|is|of|to|in|what|how|please)\b/gi],
  ['de', /\b(?:der|die|das|und|ist|nicht|wie|bitte|ein|eine)\b/gi],
  ['fr', /\b(?:le|la|les|est|et|une?|des|que|comment|pour)\b/gi],
  ['es', /\b(?:el|los|las|es|una?|que|cómo|por|para|del)\b/gi],
];

function languageOf(text: string): string {
  let best = 'und';
  let most = 0;
  for (const [language, words] of LANGUAGES) {
    const count = text.match(words)?.length ?? 0;
    if (count > most) [best, most] = [language, count];
  }
  return best;
}

function missing(text: string, facts: PromptFacts): NeedsInfoReason | undefined {
  const plain = text.trim();
  if (plain === '' && (facts.attachments ?? 0) === 0) return 'empty';
  if (/\{\{[^}]{1,40}\}\}|\[(?:insert|your|name|text)[^\]]{0,40}\]|<(?:insert|your)[^>]{0,40}>/i.test(plain))
    return 'placeholder';
  if (plain.length > 160 || facts.hasContext === true) return undefined;
  if (/\b(?:attached|attachment|this (?:image|file|document|pdf)|anbei)\b/i.test(plain))
    return (facts.attachments ?? 0) > 0 ? undefined : 'missing_attachment';
  return /^(?:fix|explain|summari[sz]e|translate|improve|do|continue|finish)\s+(?:this|it|that|the above)\b[\s.!?]*$/i.test(
    plain,
  )
    ? 'unresolved_reference'
    : undefined;
}

function difficulty(text: string): number {
  let sum = Math.min(0.25, Math.log10(Math.max(10, text.length) / 10) * 0.09);
  for (const [words, weight] of HARD) if (words.test(text)) sum += weight;
  const asks = text.match(/\?|\n\s*(?:\d+[.)]|[-*])\s/g)?.length ?? 0;
  sum += Math.min(0.15, Math.max(0, asks - 1) * 0.03);
  return Math.min(1, sum);
}

function tierOf(reason: NeedsInfoReason | undefined, loss: number): Tier {
  if (reason !== undefined) return 'needs_info';
  if (loss <= 0.06) return 'easy';
  return loss <= 0.14 ? 'medium' : 'hard';
}

const clamp = (value: number): number => Math.round(Math.min(0.99, Math.max(0.01, value)) * 1e4) / 1e4;

/** Version of {@link coldScore} in receipts. */
export const COLD_VERSION = 'rules-1';

/**
 * Scores a prompt by hand-made rules alone, without any weights: what routers go by when the prompt model cannot be
 * loaded. Bounded, never throws. Its probabilities order prompts and are not calibrated.
 */
export function coldScore(facts: PromptFacts): PromptScore {
  const { text: whole } = facts;
  const half = READ_CHARS / 2;
  const text = whole.length <= READ_CHARS ? whole : `${whole.slice(0, half)}\n${whole.slice(-half)}`;
  const hard = difficulty(text);
  const pStrong = clamp(0.96 - 0.25 * hard);
  const pWeak = clamp(pStrong - 0.01 - 0.4 * hard);
  const needsInfo = missing(text, facts);
  return {
    heads: { weak: pWeak, strong: pStrong },
    pWeak,
    pStrong,
    score: Math.round((pStrong - pWeak) * 1e4) / 1e4,
    interval: { low: clamp(pWeak - 0.2), high: clamp(pWeak + 0.2) },
    tier: tierOf(needsInfo, pStrong - pWeak),
    task: TASKS.find(([, words]) => words.test(text))?.[0] ?? 'chat',
    needsInfo,
    language: languageOf(text.slice(0, 1000)),
  };
}
