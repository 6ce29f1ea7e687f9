import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Example, PromptModel } from './index.ts';

const PRIOR = readFileSync(new URL('./router-prior.bin', import.meta.url));
const model = PromptModel.load(PRIOR);
const scoreOf = (text: string) => model.score({ text });

const HARD = [
  'Write a Python function that merges overlapping intervals, with type hints and unit tests, in O(n log n).',
  'A rectangle has a perimeter of 36 and its length is twice its width. Find the area and prove that it is unique.',
  'Implement a thread-safe LRU cache class in C++ and explain the complexity of each method.',
];
const EASY = [
  'hi, how are you today?',
  'who sang the song yesterday',
  'Write a short poem about the autumn rain.',
  'What is the capital of France?',
];

describe('the shipped prior', () => {
  it('asks for the strong tier rather for code and proofs than for talk', () => {
    const lowestHard = Math.min(...HARD.map((text) => scoreOf(text).score));
    const highestEasy = Math.max(...EASY.map((text) => scoreOf(text).score));
    expect(lowestHard).toBeGreaterThan(highestEasy);
    for (const text of EASY) expect(scoreOf(text).tier).toBe('easy');
  });

  it('does not care for case, spaces and politeness', () => {
    for (const text of [...HARD, ...EASY]) {
      const plain = scoreOf(text).score;
      expect(scoreOf(text.toUpperCase()).score).toBe(plain);
      expect(scoreOf(`  ${text.replaceAll(' ', ' \n ')}\n`).score).toBe(plain);
      const polite = scoreOf(
        `Hello! Could you please help me with the following? ${text} Thanks in advance!`,
      );
      expect(Math.abs(polite.score - plain)).toBeLessThan(0.05);
    }
  });

  it('is not impressed by thirty hard words in front', () => {
    const words =
      'theorem eigenvalue polynomial integral derivative quantum entropy algorithm complexity topology manifold stochastic ' +
      'differential optimization recursion cryptography probability convergence tensor Bayesian inference kernel compiler ' +
      'concurrency mutex consensus covariance gradient heuristic automaton';
    for (const text of EASY.slice(1)) {
      expect(scoreOf(`${words}. ${text}`).score).toBeLessThan(scoreOf(text).score + 0.15);
      expect(scoreOf(`${words.replaceAll(' ', ', ')}\n${text}`).score).toBeLessThan(
        scoreOf(text).score + 0.15,
      );
    }
  });

  it('answers whatever it is given, in bounded work', () => {
    const hostile = [
      '',
      ' \n\t',
      '\u0000\u0001\ufffd'.repeat(5000),
      'a'.repeat(5_000_000),
      '🙂'.repeat(10_000),
      '\ud800',
      '((((((((((((((((((((('.repeat(2000),
      '什么'.repeat(100_000),
      Array.from({ length: 200_000 }, (_, at) => `w${at}`).join(' '),
      '{{'.repeat(300),
      'summarize '.repeat(60),
    ];
    for (const text of hostile) {
      const { score, pWeak, pStrong, interval } = scoreOf(text);
      for (const value of [score, pWeak, pStrong, interval.low, interval.high])
        expect(Number.isFinite(value)).toBe(true);
      expect(pWeak).toBeGreaterThanOrEqual(interval.low);
      expect(pWeak).toBeLessThanOrEqual(interval.high);
    }
  });

  it('refuses bytes that are not its own', () => {
    expect(() => PromptModel.load(new Uint8Array())).toThrow(RangeError);
    expect(() => PromptModel.load(PRIOR.subarray(0, 1000))).toThrow(RangeError);
    expect(() => PromptModel.load(PRIOR, PRIOR)).toThrow(RangeError);
  });

  it('has a name, and refuses what was learned on weights of another name', () => {
    expect(model.prior).toMatch(/^prior-[0-9a-f]{8}$/);
    const last = PRIOR.length - 1;
    const other = PromptModel.load(PRIOR.map((byte, at) => (at === last ? byte ^ 1 : byte)));
    expect(other.prior).not.toBe(model.prior);
    const examples = Array.from({ length: 20 }, (_, at) => ({
      prompt: `river ${at}`,
      weak: at % 2,
      strong: 1,
    }));
    const learned = model.learn(examples).serialise();
    expect(model.adopt(learned).labels).toBe(20);
    expect(() => other.adopt(learned)).toThrow('other weights');
  });
});

describe('what is missing, by structure alone', () => {
  it.each([
    ['', 'empty'],
    ['  ...?!', 'empty'],
    ['{{question}}', 'placeholder'],
    ['[insert text here]', 'placeholder'],
    ['Translate to French: [paste your text here]', 'placeholder'],
    ['Summarize this.', 'unresolved_reference'],
    ['Fix the bug in the code above', 'unresolved_reference'],
    ['Bitte fasse das zusammen.', 'unresolved_reference'],
    ['请总结一下这个', 'unresolved_reference'],
    ['この文章を要約してください', 'unresolved_reference'],
    ['What does the attached file say about revenue?', 'missing_attachment'],
  ] as const)('%j: %s', (text, reason) => {
    expect(scoreOf(text)).toMatchObject({ needsInfo: reason, tier: 'needs_info' });
  });

  it.each([
    'Summarize this: the committee met on Monday and decided to build the bridge after all.',
    'What is the capital of France?',
    'Translate "good morning, my friend" to German, and explain this.',
    'Is this sentence correct: he go to school every day?',
  ])('nothing: %j', (text) => expect(scoreOf(text).needsInfo).toBeUndefined());

  it('nothing where the conversation holds what is pointed at', () => {
    expect(model.score({ text: 'Summarize this.', hasContext: true }).needsInfo).toBeUndefined();
    expect(model.score({ text: 'What is in the attached image?', attachments: 1 }).needsInfo).toBeUndefined();
  });
});

describe('an interval from easy to hard', () => {
  const OPEN = 'Implement a thread-safe LRU cache class in C++ and explain the complexity of each method.';

  it('is needs_info though nothing is missing; one that ends in a tier is that tier', () => {
    const open = scoreOf(OPEN);
    expect(open).toMatchObject({ tier: 'needs_info', needsInfo: undefined });
    // With the best of what the interval allows the weak tier it is easy, with the worst hard (cuts 0.2 and 0.45).
    expect(open.score - (open.interval.high - open.pWeak)).toBeLessThan(0.2);
    expect(open.score + (open.pWeak - open.interval.low)).toBeGreaterThanOrEqual(0.45);
    expect(scoreOf(HARD[0] ?? '').tier).toBe('hard');
    expect(scoreOf(EASY[0] ?? '').tier).toBe('easy');
  });

  it('is none any more once labels of the route have narrowed it', () => {
    const examples = Array.from({ length: 240 }, (_, at) => ({
      prompt: OPEN.replace('cache', `cache of ${at} entries`),
      weak: at % 20 === 0 ? 1 : 0,
      strong: 1,
    }));
    const learned = model.learn(examples).score({ text: OPEN });
    expect(learned.interval.high - learned.interval.low).toBeLessThan(0.3);
    expect(learned.tier).toBe('hard');
  });
});

describe('task and language', () => {
  it.each([
    ['Summarize the following article in three sentences: The city council met.', 'summary', 'en'],
    ['Fasse den folgenden Text zusammen: Der Rat hat sich am Montag getroffen.', 'summary', 'de'],
    ['Write a Python function that sorts a list of tuples.', 'code', 'en'],
    ['Écris une fonction en Python qui trie une liste de chaînes.', 'code', 'fr'],
    ['Classify the sentiment of this review as positive or negative: great food!', 'classification', 'en'],
    ['Escribe un poema sobre el mar y la luna.', 'creative', 'es'],
    ['Solve the equation x^2 - 5x + 6 = 0 and prove that there are two roots.', 'reasoning', 'en'],
    ['Extract all names and dates from the passage as a table.', 'extraction', 'en'],
    ['hello there', 'chat', 'en'],
    ['12 34 56', 'chat', 'und'],
    ['请总结以下文章的主要内容', 'summary', 'zh'],
    ['次の文章を要約してください。これは猫の話です。', 'summary', 'ja'],
  ] as const)('%j: %s, %s', (text, task, language) => {
    expect(scoreOf(text)).toMatchObject({ task, language });
  });
});

describe('learning a route', () => {
  /** A route where the prior is wrong: the strong model fails on code and shines on poems. */
  const upsideDown: Example[] = Array.from({ length: 240 }, (_, at) =>
    at % 2 === 0
      ? {
          prompt: `Write a Python function number ${at} that sorts list ${at * 7}.`,
          weak: 1,
          strong: at % 3 === 0 ? 1 : 0,
        }
      : { prompt: `Write a poem about river ${at} and its ${at * 3} bridges.`, weak: 0, strong: 1 },
  );

  it('turns a wrong prior round', () => {
    const code = 'Write a Python function that sorts a list.';
    const poem = 'Write a poem about a river and its bridges.';
    expect(scoreOf(code).score).toBeGreaterThan(scoreOf(poem).score);
    const learned = model.learn(upsideDown);
    expect(learned.labels).toBe(240);
    expect(learned.score({ text: poem }).score).toBeGreaterThan(learned.score({ text: code }).score);
  });

  it('leaves the model it came from alone, is deterministic, and comes back from its bytes', () => {
    const before = scoreOf('Write a poem about a river.');
    const learned = model.learn(upsideDown);
    expect(scoreOf('Write a poem about a river.')).toEqual(before);
    const bytes = learned.serialise();
    expect(model.learn(upsideDown).serialise()).toEqual(bytes);
    const again = PromptModel.load(PRIOR, bytes);
    for (const text of [...HARD, ...EASY]) expect(again.score({ text })).toEqual(learned.score({ text }));
    expect(bytes.length).toBeLessThan(600_000);
    expect(PromptModel.load(PRIOR, model.serialise()).score({ text: HARD[0] ?? '' })).toEqual(
      scoreOf(HARD[0] ?? ''),
    );
  });

  it('keeps a head per model', () => {
    const examples = upsideDown.map((example, at) => ({ ...example, scores: { small: at % 2, big: 1 } }));
    const { heads } = model.learn(examples).score({ text: 'Write a poem about a river.' });
    expect(Object.keys(heads).sort()).toEqual(['big', 'small', 'strong', 'weak']);
    expect(heads['big']).toBeGreaterThan(0.8);
  });

  it('stays with the prior on too few, empty or odd labels', () => {
    expect(model.learn([]).labels).toBe(0);
    expect(model.learn(upsideDown.slice(0, 5)).score({ text: 'hello' })).toEqual(scoreOf('hello'));
    const odd = model.learn(
      Array.from({ length: 30 }, () => ({ prompt: '', weak: Number.NaN, strong: 7, weight: -1 })),
    );
    expect(Number.isFinite(odd.score({ text: 'hello' }).score)).toBe(true);
  });
});

describe('the cascade verifier', () => {
  const question = 'Tom has 12 apples and buys 15 more. He gives 7 away. How many apples has he?';
  it('believes a worked answer more than one with a wrong sum, a refusal or nothing', () => {
    const right = model.verify(
      question,
      'He has 12 + 15 = 27 apples. Then 27 - 7 = 20 apples are left.\n#### 20',
    );
    const wrong = model.verify(
      question,
      'He has 12 + 15 = 28 apples. Then 28 - 9 = 17 apples, maybe 17.5.\n#### 17.5',
    );
    expect(right).toBeGreaterThan(wrong);
    expect(model.verify(question, "I'm sorry, I can't help with that.")).toBeLessThanOrEqual(0.1);
    expect(model.verify(question, '')).toBe(0);
  });

  it('survives any text', () => {
    for (const answer of ['='.repeat(50_000), '1+'.repeat(50_000), '9'.repeat(50_000), '\u0000', '1/0 = 5']) {
      const p = model.verify(question, answer);
      expect(p).toBeGreaterThanOrEqual(0);
      expect(p).toBeLessThanOrEqual(1);
    }
  });
});
