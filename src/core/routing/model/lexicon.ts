import { hashWord } from './hash.ts';

/** Bits of what a word says about the prompt it stands in. */
export const CUE = {
  function: 1,
  polite: 2,
  anchor: 4,
  question: 8,
  code: 16,
  math: 32,
  reason: 64,
  creative: 128,
  summary: 256,
  extract: 512,
  classify: 1024,
  negation: 2048,
  chat: 4096,
  pointer: 8192,
  attachment: 16_384,
  write: 32_768,
  science: 65_536,
  quantity: 131_072,
  constraint: 262_144,
} as const;

/** Languages with a list of function words; the index plus one is what the language table holds. */
export const LANGUAGES = ['en', 'de', 'fr', 'es', 'it', 'pt', 'nl'] as const;

const FUNCTION_WORDS: Readonly<Record<(typeof LANGUAGES)[number], string>> = {
  en: `the a an of in on at to for from by with and or but if then than that which who whom whose this these those it its is
    are was were be been being am do does did done has have had having will would shall should can could may might must not no
    as so such into onto over under about after before between through during without within against among i me my we us our
    you your he him his she her they them their there here what when where why how all any each every some most more less
    other another one two both either neither also only just very too because while until unless since per up out off`,
  de: `der die das den dem des ein eine einen einem einer und oder aber wenn dann als dass welche welcher ist sind war waren
    wird werden wurde hat haben hatte kann können soll muss nicht kein keine auf mit von zu zum zur für bei nach aus über unter
    ich du er sie es wir ihr mich mir sich was wer wie wo warum auch nur sehr im am`,
  fr: `le la les un une des du de et ou mais si que qui dont où est sont était être a ont avoir avait peut doit ne pas plus dans
    sur avec pour par sans sous entre je tu il elle nous vous ils ce cette ces son sa ses leur quel quelle comment pourquoi aussi
    très au aux en`,
  es: `el la los las un una unos unas de del y o pero si que quien cual es son era fue ser está están ha han puede debe no más
    en con por para sin sobre entre yo tú él ella nosotros ellos este esta estos su sus qué cómo dónde cuándo también muy al se
    lo`,
  it: `il lo la gli le un uno una di del della dei e o ma se che chi cui è sono era essere ha hanno può deve non più in con per
    su tra io tu lui lei noi voi loro questo questa come dove quando perché anche molto al nel`,
  pt: `o a os as um uma de do da dos das e ou mas se que quem é são era foi ser está tem têm pode deve não mais em no na com por
    para sem sobre entre eu você ele ela nós eles este esta seu sua como onde quando também muito ao`,
  nl: `de het een en of maar als dan dat die wie is zijn was waren wordt worden heeft hebben kan moet niet geen op met van te
    voor bij naar uit over onder ik jij hij zij wij wat hoe waar waarom ook alleen zeer`,
};

const CUES: readonly (readonly [bits: number, words: string])[] = [
  [
    CUE.polite,
    `please kindly hi hello hey dear greetings good morning afternoon evening thanks thank thankyou thx appreciate appreciated
    grateful much help me with could can would will you i wonder wondering if be so kind to hope hoping are doing well was need
    your assistance want like ask a the following question questions answer solve tell know assist this it for my in advance
    lot very really just quick quickly there everyone assistant ai sir madam friend again some task problem request happy
    glad might may and have one great nice day today out bitte danke hallo guten tag könntest können sie du mir helfen ich hätte
    eine frage bonjour merci pouvez vous m aider salut svp plaît il s hola gracias favor puedes podrías ayudarme buenos días por
    give using work through take moment support us of us excuse interrupt bother sorry`,
  ],
  [
    CUE.anchor,
    `please kindly hi hello hey dear greetings thanks thank thankyou thx appreciate appreciated grateful wondering wonder assist
    assistance help sorry excuse bitte danke hallo guten könntest bonjour merci pouvez salut svp hola gracias favor podrías
    puedes buenos`,
  ],
  [
    CUE.question,
    `what when where who whom whose which why how was wer wie wo warum wann welche welcher quel quelle quels comment pourquoi
    quand qui où qué cómo dónde cuándo quién cuál 什么 怎么 如何 为什 哪里 多少 何時 どう なぜ いつ 誰が`,
  ],
  [
    CUE.code,
    `code function python javascript typescript java sql regex api class method algorithm program script compile debug bug
    exception stack trace array string integer boolean loop recursion recursive def return import lambda const var async await
    html css json xml yaml dockerfile kubernetes bash shell unittest pytest refactor implement implementation endpoint database
    query schema pointer struct template rust golang kotlin swift tuple dictionary tuples lists traceback segfault git commit
    funktion programm skript fonction programme código función programa algoritmo 代码 函数 算法 编程 程序 コー 関数 実装 プロ`,
  ],
  [
    CUE.math,
    `solve equation integral derivative theorem prove proof polynomial matrix vector eigenvalue probability prime modulo
    remainder divisor fraction percent percentage ratio sum product square root triangle circle radius angle perimeter area
    volume geometry algebra calculus arithmetic logarithm log sin cos tan limit sequence series permutation combination
    factorial inequality quadratic coefficient graph integer compute calculate evaluate simplify gleichung berechne beweise
    wahrscheinlichkeit équation calcule démontre ecuación calcula demuestra 方程 证明 计算 积分 概率 方程式 証明 計算`,
  ],
  [
    CUE.reason,
    `explain why reason reasoning logic logical deduce infer puzzle clue clues step steps analyze analyse compare contrast
    evaluate strategy optimal optimize design plan tradeoff tradeoffs trade architecture hypothesis contradiction implies
    therefore hence consequently assumption derive justify argue critique warum erkläre begründe analysiere vergleiche pourquoi
    explique analyse compare explica analiza compara razona 分析 推理 解释 比较 证明 説明 分析 推論 比較`,
  ],
  [
    CUE.creative,
    `story poem haiku song lyrics novel fiction tale joke slogan tagline blog essay sonnet roleplay pretend character
    imagine screenplay dialogue creative limerick metaphor humorous funny geschichte gedicht lied witz histoire poème chanson
    blague historia poema canción chiste cuento 故事 诗歌 小说 写诗 物語 詩を 小説`,
  ],
  [
    CUE.summary,
    `summarize summarise summary tldr recap condense abstract gist overview shorten zusammenfassung zusammenfasse fasse
    zusammen résume résumer résumé resume resumen resumir sintetiza 总结 摘要 概括 要約 まと`,
  ],
  [
    CUE.extract,
    `extract identify list parse find retrieve fields entities names dates table csv columns mentioned passage paragraph
    extrahiere finde extrais extraire liste extrae extraer identifica 提取 抽取 列出 抽出 取り`,
  ],
  [
    CUE.classify,
    `classify classification categorize categorise category categories label sentiment positive negative neutral spam
    intent detect whether klassifiziere kategorie stimmung classe classer catégorie sentiment clasifica clasificar categoría
    分类 情感 判断 分類 感情`,
  ],
  [
    CUE.negation,
    'not no never none except neither nor unlikely false incorrect without nicht kein pas jamais nunca ningún',
  ],
  [
    CUE.chat,
    `hi hello hey thanks thank bye goodbye yo sup cool ok okay lol hallo danke tschüss bonjour merci hola gracias adiós 你好 谢谢
    再见 こん あり`,
  ],
  [
    CUE.pointer,
    `this that these those above attached below previous it dieses diese dies oben obige angehängte ceci cela joint esto eso
    adjunto anterior 这个 上面 附件 これ 上記 添付`,
  ],
  [
    CUE.attachment,
    `attached attachment image picture photo screenshot pdf file document spreadsheet upload uploaded enclosed bild datei anhang
    dokument foto fichier pièce image imagen archivo adjunto documento 附件 图片 文件 添付 画像`,
  ],
  [
    CUE.write,
    `write compose draft create generate rewrite rephrase translate describe tell give make schreibe verfasse übersetze écris
    rédige traduis escribe redacta traduce 写一 翻译 撰写 生成 書い 翻訳`,
  ],
  [
    CUE.science,
    `molecule atom electron proton enzyme protein gene genome cell quantum velocity acceleration voltage circuit reaction
    equilibrium acid thermodynamics entropy wavelength photon mass energy pressure temperature diagnosis patient symptom
    symptoms treatment disease statute court plaintiff defendant contract liability negligence regression variance estimator
    hypothesis neuron tumor clinical`,
  ],
  [
    CUE.quantity,
    `how many much total each twice half double triple per dozen times remaining left altogether average rate cost price
    dollars cents miles hours minutes days weeks years older younger combien wieviel viele cuántos cuánto`,
  ],
  [
    CUE.constraint,
    `must should exactly least most only without avoid ensure include exclude format words sentences limit between maximum
    minimum required given following strictly never always`,
  ],
];

const SIZE = 8192;

interface Lexicon {
  /** Word hashes, open addressing; 0 is an empty place. */
  readonly keys: Int32Array;
  readonly cues: Int32Array;
  /** Bit n: a function word of `LANGUAGES[n]`. */
  readonly languages: Uint8Array;
}

let built: Lexicon | undefined;

function place(keys: Int32Array, hash: number): number {
  let at = hash & (SIZE - 1);
  while (keys[at] !== 0 && keys[at] !== hash) at = (at + 1) & (SIZE - 1);
  return at;
}

function build(): Lexicon {
  const lexicon: Lexicon = {
    keys: new Int32Array(SIZE),
    cues: new Int32Array(SIZE),
    languages: new Uint8Array(SIZE),
  };
  const add = (word: string, bits: number, language: number) => {
    const hash = hashWord(word);
    const at = place(lexicon.keys, hash);
    lexicon.keys[at] = hash;
    lexicon.cues[at] = (lexicon.cues[at] ?? 0) | bits;
    lexicon.languages[at] = (lexicon.languages[at] ?? 0) | language;
  };
  LANGUAGES.forEach((language, index) => {
    for (const word of FUNCTION_WORDS[language].split(/\s+/)) add(word, CUE.function, 1 << index);
  });
  for (const [bits, words] of CUES) for (const word of words.split(/\s+/)) add(word, bits, 0);
  return lexicon;
}

/** The lexicon as flat tables, built at first use. */
export function lexicon(): Lexicon {
  built ??= build();
  return built;
}

/** Where a word's entry stands in the tables; its key is 0 when the word is in none of the lists. */
export function findWord(tables: Lexicon, hash: number): number {
  return place(tables.keys, hash);
}
