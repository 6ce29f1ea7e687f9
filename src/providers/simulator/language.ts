/** Languages the simulator answers in. */
export const LANGUAGES = ['en', 'de', 'fr', 'es', 'ja', 'zh'] as const;

/** One of {@link LANGUAGES}. */
export type Language = (typeof LANGUAGES)[number];

/** Frequent function words that do not occur, or seldom, in the other languages. */
const MARKERS: Readonly<Record<'en' | 'de' | 'fr' | 'es', ReadonlySet<string>>> = {
  en: new Set(
    'the and what is are how of to you does please with explain write about give me why can'.split(' '),
  ),
  de: new Set(
    'der die das und ist wie was nicht ein eine für mit bitte ich du wir erkläre warum über auf den wird'.split(
      ' ',
    ),
  ),
  fr: new Set(
    "le la les des est une et quel quelle comment pourquoi pour avec dans s'il vous je nous du explique".split(
      ' ',
    ),
  ),
  es: new Set(
    'el los las una es qué cómo por para con y del cuál porque dónde favor explica hoy más'.split(' '),
  ),
};

/** The language of a prompt, by script and function words; English where nothing speaks for another. */
export function detectLanguage(text: string): Language {
  const sample = text.slice(0, 2000);
  if (/[\u3040-\u30ff]/.test(sample)) return 'ja';
  const han = sample.match(/[\u4e00-\u9fff]/g)?.length ?? 0;
  if (han > 0 && han * 4 > sample.trim().length) return 'zh';
  const words = sample.toLowerCase().match(/[\p{L}']+/gu) ?? [];
  let best: Language = 'en';
  let most = 0;
  for (const language of ['en', 'de', 'fr', 'es'] as const) {
    const count = words.filter((word) => MARKERS[language].has(word)).length;
    if (count > most) {
      most = count;
      best = language;
    }
  }
  return best;
}

/** A language word from an option, or the detected one. */
export function languageOf(wish: string | undefined, text: string): Language {
  return LANGUAGES.find((language) => language === wish) ?? detectLanguage(text);
}
