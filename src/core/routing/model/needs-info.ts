import type { Structure } from './structure.ts';
import { KIND, type Tokens } from './tokens.ts';
import type { NeedsInfoReason, PromptFacts } from './types.ts';

/** A prompt that is nothing but a place for text: `{{question}}`, `[insert text here]`, `<your prompt>`, "lorem ipsum". */
const PLACEHOLDER =
  /^\s*(?:\{\{[^{}]{0,80}\}\}|\{[\w -]{1,40}\}|<[\w -]{1,40}>|\[(?:insert|your|add|enter|paste|text|todo|tbd)[^\]]{0,80}\]|todo|tbd|n\/a|null|undefined|none|test|asdf+|lorem ipsum\b.{0,400}|\.{3}|…)[\s.!]*$/i;
const PLACEHOLDER_WITHIN =
  /\[(?:insert|paste|your|enter|add)\b[^\]]{0,60}\]|\{\{[^{}]{1,60}\}\}|<(?:insert|paste|your)\b[^>]{0,60}>/i;
/** Longest prompt that can be an open reference: longer ones bring what they speak of. */
const MAX_REFERRING_WORDS = 18;
const MAX_CHECKED = 600;
const MAX_PLACEHOLDER_WORDS = 60;

/** Points at something, asks for work on it, and brings nothing along: "Summarise this.", "Fix the bug above". */
function pointsAtNothing(structure: Structure, text: string): boolean {
  if (structure.words > MAX_REFERRING_WORDS || structure.words === 0) return false;
  if (/[:\n]\s*\S[\s\S]{12,}$/.test(text) || /["“«`][^"”»`]{8,}["”»`]/.test(text)) return false;
  return OPEN_REFERENCE.test(text);
}

const OPEN_REFERENCE = new RegExp(
  [
    // English: a verb of work and a bare pointer.
    String.raw`\b(?:summari[sz]e|translate|fix|explain|rewrite|rephrase|shorten|improve|review|debug|correct|proofread|analy[sz]e|continue|convert|refactor|check|edit|expand|simplify|solve|answer|classify|evaluate)\b[^.?!]{0,20}\b(?:this|that|it|these|those|the (?:above|text|code|article|document|passage|email|error|following)|above|below)\b(?:\s+(?:text|code|article|document|passage|email|error|function|paragraph|essay|sentence|above|below|for me|please|into \w+|to \w+|in \w+))*\s*[.?!:]*$`,
    String.raw`\bwhat (?:does|is|about) (?:this|that|it)(?: mean| about| say)?\s*\??$`,
    // German, French, Spanish.
    String.raw`\b(?:fasse|übersetze|korrigiere|erkläre|verbessere|kürze|prüfe)\b[^.?!]{0,20}\b(?:das|dies|diesen text|diesen code|den text|es|obige\w*)\b(?: zusammen| auf \w+| ins \w+| bitte)*\s*[.?!:]*$`,
    String.raw`\b(?:résume|résumez|traduis|traduisez|corrige|corrigez|explique|expliquez|améliore)\b[^.?!]{0,20}\b(?:ceci|cela|ça|ce texte|le texte|ce code)\b(?: en \w+)*\s*[.?!:]*$`,
    String.raw`\b(?:resume|traduce|corrige|explica|mejora)\b[^.?!]{0,20}\b(?:esto|eso|este texto|el texto|este código)\b(?: al? \w+)*\s*[.?!:]*$`,
    // Chinese, Japanese: "summarise this", with nothing after it.
    '^(?:请|請)?(?:总结|總結|翻译|翻譯|解释|修改)(?:一下)?(?:这个|這個|这段|上面|以上)[^，。]{0,6}[。！]?$',
    '^(?:これ|この文章|上記|この文)を(?:要約|翻訳|説明|修正)[^、。]{0,8}[。！]?$',
  ].join('|'),
  'i',
);

const ATTACHED =
  /\b(?:attached|attachment|enclosed|uploaded|angehängt\w*|beigefügt\w*|im anhang|ci-joint|pièce jointe|adjunt[oa]s?)\b|附件|附上|添付|\b(?:in|see|from|this|the) (?:screenshot|image above|picture above|uploaded)\b/i;
const TOOL_RESULT =
  /\b(?:tool|function|search|query|command) (?:output|results?) (?:above|below|returned)\b/i;

function hasText(tokens: Tokens): boolean {
  for (let at = 0; at < tokens.count; at++) if (tokens.kind[at] !== KIND.mark) return true;
  return false;
}

/**
 * Why a prompt cannot be answered as it stands, by structure alone; a learned guess is at chance outside its training family
 * (ROUTER §2.8). Only short prompts can be open references, so that the work is bounded.
 */
export function needsInfo(
  facts: PromptFacts,
  read: { readonly tokens: Tokens; readonly structure: Structure },
): NeedsInfoReason | undefined {
  const attached = (facts.attachments ?? 0) > 0;
  if (!hasText(read.tokens)) return attached || (facts.toolResults ?? 0) > 0 ? undefined : 'empty';
  if (facts.text.length > MAX_CHECKED) return undefined;
  const { structure } = read;
  // Most prompts are told apart by counts; the expressions only look at what can match.
  if (structure.words <= MAX_PLACEHOLDER_WORDS && PLACEHOLDER.test(facts.text)) return 'placeholder';
  if (structure.codeMarks > 0 && PLACEHOLDER_WITHIN.test(facts.text)) return 'placeholder';
  if (attached || facts.hasContext === true) return undefined;
  if (structure.attachment > 0 && ATTACHED.test(facts.text)) return 'missing_attachment';
  if ((facts.toolResults ?? 0) === 0 && structure.pointer > 0 && TOOL_RESULT.test(facts.text))
    return 'missing_tool_result';
  if (pointsAtNothing(structure, facts.text.trim())) return 'unresolved_reference';
  return undefined;
}
