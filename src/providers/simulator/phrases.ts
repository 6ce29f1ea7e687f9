import type { Language } from './language.ts';

type Sentences = readonly [string, ...string[]];

/** Sentences of one language. `{topic}`, `{other}` and `{number}` are filled in. */
export interface Phrases {
  readonly openings: Sentences;
  readonly body: Sentences;
  readonly closings: Sentences;
  readonly points: Sentences;
  readonly listTitle: string;
  readonly reasoning: Sentences;
  readonly results: Sentences;
  readonly seen: string;
  readonly refusal: string;
  /** What stands for the topic where the prompt names none. */
  readonly nothing: string;
}

const en: Phrases = {
  openings: [
    'Here is how I would look at {topic}.',
    'The short answer on {topic} is that it depends on what you want to get out of it.',
    'With {topic}, everything is easier to follow once the moving parts are named.',
    'Let us take {topic} step by step.',
  ],
  body: [
    'The first thing to settle is the goal, because {topic} looks quite different when speed matters more than accuracy.',
    'Most people begin with {other} and only later notice how much it shapes the rest.',
    'A useful habit is to write down what you expect before you try anything, and to compare afterwards.',
    'In practice about {number} percent of the effort goes into the cases nobody mentions at the start.',
    'There is a trade-off here: a simpler approach is easier to explain, a finer one survives more surprises.',
    'When {other} changes, check the assumptions again instead of patching the result.',
    'It also helps to ask who will have to live with the outcome, since they will notice the rough edges first.',
    'None of this needs special tools; a small experiment with {topic} usually tells more than a long debate.',
    'If two explanations fit equally well, prefer the one that could be proved wrong by a single observation.',
    'Over time the details of {other} matter less than whether the whole can be changed without fear.',
  ],
  closings: [
    'If you tell me more about your situation, I can make this more concrete.',
    'Start small, measure, and let what you learn decide the next step.',
    'That should be enough to begin with {topic}; the rest follows from trying it.',
  ],
  points: [
    '**Purpose**: say in one sentence what {topic} should achieve.',
    '**Limits**: note what must not happen, for example with {other}.',
    '**Evidence**: choose {number} cases that would show whether it works.',
    '**Cost**: count time and attention as well as money.',
    '**Exit**: know how to undo the change.',
  ],
  listTitle: 'Points to keep in mind',
  reasoning: [
    'The question is about {topic}, so I should first find out what is really being asked.',
    'One reading would be about {other}, but the wording points the other way.',
    'I could answer briefly, yet a reason for each claim will be more useful.',
    'Checking the parts against each other: nothing contradicts so far.',
    'That leaves the order of the explanation, from the general to the particular.',
  ],
  results: ['According to `{tool}`, {result}.', 'The call to `{tool}` came back with {result}.'],
  seen: 'I can see the {kind} you sent ({media}).',
  refusal: 'I am sorry, but I cannot help with that request.',
  nothing: 'your question',
};

const de: Phrases = {
  openings: [
    'Zu {topic} lässt sich einiges sagen; ich beginne mit dem Wichtigsten.',
    'Die kurze Antwort zu {topic}: Es kommt darauf an, was erreicht werden soll.',
    'Gehen wir {topic} der Reihe nach durch.',
  ],
  body: [
    'Zuerst sollte das Ziel feststehen, denn {topic} sieht anders aus, wenn Geschwindigkeit mehr zählt als Genauigkeit.',
    'Viele fangen mit {other} an und merken erst später, wie sehr das den Rest bestimmt.',
    'Es hilft, die eigene Erwartung vor dem Versuch aufzuschreiben und danach zu vergleichen.',
    'Erfahrungsgemäß stecken rund {number} Prozent der Mühe in den Fällen, die am Anfang niemand erwähnt.',
    'Hier gilt es abzuwägen: Das Einfache ist leichter zu erklären, das Genaue hält mehr Überraschungen aus.',
    'Ändert sich {other}, sollten die Annahmen neu geprüft werden, statt das Ergebnis zu flicken.',
    'Ein kleiner Versuch mit {topic} sagt meist mehr als eine lange Diskussion.',
  ],
  closings: [
    'Mit mehr Angaben zur Lage kann ich genauer werden.',
    'Klein anfangen, messen und dann den nächsten Schritt wählen.',
  ],
  points: [
    '**Zweck**: in einem Satz sagen, was {topic} leisten soll.',
    '**Grenzen**: festhalten, was bei {other} nicht passieren darf.',
    '**Belege**: {number} Fälle wählen, die den Erfolg zeigen.',
    '**Rückweg**: wissen, wie sich die Änderung zurücknehmen lässt.',
  ],
  listTitle: 'Worauf zu achten ist',
  reasoning: [
    'Die Frage betrifft {topic}; zuerst ist zu klären, was genau gemeint ist.',
    'Man könnte an {other} denken, aber der Wortlaut spricht dagegen.',
    'Die Teile passen zueinander, ein Widerspruch ist nicht zu sehen.',
  ],
  results: ['Laut `{tool}`: {result}.', 'Der Aufruf von `{tool}` ergab {result}.'],
  seen: 'Die gesendete Datei ({kind}, {media}) ist angekommen.',
  refusal: 'Dabei kann ich leider nicht helfen.',
  nothing: 'Ihrer Frage',
};

const fr: Phrases = {
  openings: [
    'Voici comment j’aborderais {topic}.',
    'En bref, pour {topic}, tout dépend du but recherché.',
    'Prenons {topic} étape par étape.',
  ],
  body: [
    'Il faut d’abord fixer l’objectif, car {topic} change de visage quand la vitesse compte plus que la précision.',
    'On commence souvent par {other} sans voir à quel point cela décide du reste.',
    'Notez ce que vous attendez avant l’essai, puis comparez.',
    'En pratique, environ {number} pour cent de l’effort vont aux cas dont personne ne parle au début.',
    'Il y a un compromis : le simple s’explique mieux, le précis résiste mieux aux surprises.',
    'Si {other} change, revoyez les hypothèses plutôt que de corriger le résultat.',
    'Une petite expérience avec {topic} en dit plus qu’un long débat.',
  ],
  closings: [
    'Avec un peu plus de contexte, je pourrai être plus précis.',
    'Commencez petit, mesurez, puis choisissez l’étape suivante.',
  ],
  points: [
    '**But** : dire en une phrase ce que {topic} doit apporter.',
    '**Limites** : noter ce qui ne doit pas arriver avec {other}.',
    '**Preuves** : choisir {number} cas qui montreront le succès.',
    '**Retour** : savoir comment annuler le changement.',
  ],
  listTitle: 'Points à retenir',
  reasoning: [
    'La question porte sur {topic} ; cherchons d’abord ce qui est demandé.',
    'On pourrait penser à {other}, mais la formulation indique autre chose.',
    'Les éléments s’accordent, aucune contradiction pour l’instant.',
  ],
  results: ['Selon `{tool}` : {result}.', 'L’appel à `{tool}` a donné {result}.'],
  seen: 'J’ai bien reçu le fichier ({kind}, {media}).',
  refusal: 'Je suis désolé, je ne peux pas répondre à cette demande.',
  nothing: 'votre question',
};

const es: Phrases = {
  openings: [
    'Así es como yo vería {topic}.',
    'En pocas palabras, sobre {topic}, depende de lo que se busque.',
    'Veamos {topic} paso a paso.',
  ],
  body: [
    'Primero hay que fijar la meta, porque {topic} cambia mucho cuando la rapidez importa más que la precisión.',
    'Muchos empiezan por {other} y solo después notan cuánto condiciona lo demás.',
    'Conviene anotar lo que se espera antes de probar y comparar después.',
    'En la práctica, cerca del {number} por ciento del esfuerzo se va en los casos que nadie menciona al principio.',
    'Hay un equilibrio: lo simple se explica mejor, lo preciso aguanta más sorpresas.',
    'Si {other} cambia, revise los supuestos en lugar de remendar el resultado.',
    'Un experimento pequeño con {topic} suele decir más que un debate largo.',
  ],
  closings: [
    'Con más contexto puedo ser más concreto.',
    'Empiece en pequeño, mida y decida después el siguiente paso.',
  ],
  points: [
    '**Propósito**: decir en una frase qué debe lograr {topic}.',
    '**Límites**: anotar qué no debe pasar con {other}.',
    '**Pruebas**: elegir {number} casos que muestren si funciona.',
    '**Salida**: saber cómo deshacer el cambio.',
  ],
  listTitle: 'Puntos importantes',
  reasoning: [
    'La pregunta trata de {topic}; primero conviene ver qué se pide.',
    'Podría referirse a {other}, pero la redacción apunta a otra cosa.',
    'Las partes encajan y no veo contradicciones.',
  ],
  results: ['Según `{tool}`: {result}.', 'La llamada a `{tool}` devolvió {result}.'],
  seen: 'He recibido el archivo ({kind}, {media}).',
  refusal: 'Lo siento, no puedo ayudar con esa petición.',
  nothing: 'su pregunta',
};

const ja: Phrases = {
  openings: ['{topic}について、順を追って説明します。', '{topic}の要点からお話しします。'],
  body: [
    'まず目的をはっきりさせることが大切です。',
    '{other}から始める人が多いのですが、それが全体を左右することには後で気づきます。',
    '試す前に予想を書き留めておくと、結果と比べやすくなります。',
    '実際には、手間の約{number}パーセントは最初に誰も触れない例外に費やされます。',
    '単純な方法は説明しやすく、細かい方法は予想外の事態に強いという違いがあります。',
    '小さな実験を一つ行うほうが、長い議論よりも多くを教えてくれます。',
  ],
  closings: [
    '状況を詳しく教えていただければ、より具体的にお答えできます。',
    '小さく始めて、測りながら進めてください。',
  ],
  points: [
    '**目的**：{topic}で何を達成するかを一文で書く。',
    '**制約**：{other}で避けたいことを決める。',
    '**検証**：{number}件の例で確かめる。',
  ],
  listTitle: '大切な点',
  reasoning: [
    '質問は{topic}についてなので、まず意図を確かめます。',
    '{other}の可能性もありますが、文面からは違うようです。',
  ],
  results: ['`{tool}`によると、{result}です。', '`{tool}`の結果は{result}でした。'],
  seen: '送っていただいたファイル（{kind}、{media}）を確認しました。',
  refusal: '申し訳ありませんが、そのご依頼にはお答えできません。',
  nothing: 'ご質問',
};

const zh: Phrases = {
  openings: ['关于{topic}，可以分几步来看。', '先说{topic}的要点。'],
  body: [
    '首先要明确目标，因为不同的目标会带来不同的做法。',
    '很多人从{other}开始，后来才发现它影响了全局。',
    '动手之前先写下预期，之后再作比较，会很有帮助。',
    '实际上，大约百分之{number}的精力都花在一开始没人提到的情况上。',
    '简单的方法容易解释，细致的方法更能应对意外，需要权衡。',
    '做一个小实验，往往比长时间讨论更能说明问题。',
  ],
  closings: ['如果能提供更多背景，我可以说得更具体。', '从小处着手，边做边衡量，再决定下一步。'],
  points: [
    '**目的**：用一句话说明{topic}要达到什么。',
    '**限制**：记下{other}方面不能发生的事。',
    '**验证**：选{number}个例子来检验。',
  ],
  listTitle: '需要注意的几点',
  reasoning: ['问题与{topic}有关，先弄清真正想问的是什么。', '也可能与{other}有关，但从措辞看不是。'],
  results: ['根据`{tool}`，{result}。', '`{tool}`返回的结果是{result}。'],
  seen: '已收到您发送的文件（{kind}，{media}）。',
  refusal: '抱歉，我无法协助这个请求。',
  nothing: '您的问题',
};

/** Our own sentences, per language. */
export const PHRASES: Readonly<Record<Language, Phrases>> = { en, de, fr, es, ja, zh };
