import { seededRandom } from '../../src/core/routing/model/heads.ts';

/** A harmless or hostile change of a prompt. */
export type Perturbation = (prompt: string, seed: number) => string;

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

/** Swaps, drops, doubles or replaces two letters in a hundred. */
const typos: Perturbation = (prompt, seed) => {
  const random = seededRandom(seed);
  const signs = [...prompt];
  for (let at = 0; at < signs.length - 1; at++) {
    if (!/[a-z]/i.test(signs[at] ?? '') || random() >= 0.02) continue;
    const kind = Math.floor(random() * 4);
    const [here = '', next = ''] = [signs[at], signs[at + 1]];
    if (kind === 0) [signs[at], signs[at + 1]] = [next, here];
    else if (kind === 1) signs[at] = '';
    else if (kind === 2) signs[at] = here + here;
    else signs[at] = LETTERS[Math.floor(random() * LETTERS.length)] ?? 'x';
  }
  return signs.join('');
};

const POLITE = [
  'Hello! Could you please help me with the following? Thank you very much in advance. ',
  'Hi there, I hope you are doing well. I was wondering if you could answer this question for me: ',
  'Please be so kind as to help me out here. ',
  'Dear assistant, I would really appreciate your help with this. Thanks!\n\n',
  'Good morning! I have a quick question for you, please take your time. ',
];

const HARD_WORDS =
  `theorem eigenvalue polynomial integral derivative quantum entropy algorithm complexity asymptotic topology manifold
  homomorphism stochastic differential optimization recursion cryptography thermodynamics probability combinatorial
  convergence Fourier tensor Lagrangian Bayesian inference kernel compiler concurrency mutex distributed consensus
  epistemology jurisprudence pharmacokinetics immunology covariance regression gradient heuristic NP-complete automaton
  lemma proof corollary axiom hypothesis contradiction induction modular prime factorization matrix determinant`
    .trim()
    .split(/\s+/);

function salad(separator: string): Perturbation {
  return (prompt, seed) => {
    const random = seededRandom(seed * 31 + 5);
    const words = Array.from({ length: 30 }, () => HARD_WORDS[Math.floor(random() * HARD_WORDS.length)]);
    return `${words.join(separator)}${separator === ' ' ? '. ' : '\n'}${prompt}`;
  };
}

/** The changes of ROUTER §4, bar 14, by name. */
export const PERTURBATIONS: Readonly<Record<string, Perturbation>> = {
  'lower case': (prompt) => prompt.toLowerCase(),
  'upper case': (prompt) => prompt.toUpperCase(),
  'doubled spaces': (prompt) => prompt.replaceAll(' ', '  '),
  'line ends for spaces after sentences': (prompt) => prompt.replaceAll('. ', '.\n'),
  '2 % typos': typos,
  'polite prefix': (prompt, seed) => `${POLITE[seed % POLITE.length]}${prompt}`,
  '30 hard words in front': salad(' '),
  '30 hard words in front, with commas': salad(', '),
  '30 hard words in front, one per sentence': salad('. '),
};
