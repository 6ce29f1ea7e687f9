import { createFeaturiser, featurise, GRAM_WIDTH, WIDTH } from './features.ts';
import { fitHeads, packHeads, readCorpus } from './heads.ts';
import { decodePrior, encodePrior, type Prior } from './prior.ts';
import { fingerprint, rememberSeen } from './seen.ts';
import type { Example } from './types.ts';

/** Labelled prompts of one kind of traffic. */
export interface Traffic {
  readonly kind: string;
  readonly rulesShare: number;
  readonly examples: readonly Example[];
}

const IDF_STEP = 1 / 24;
const EPOCHS = 3;

/** Inverse document frequency as steps of `IDF_STEP`: log((1 + n) / (1 + df)) + 1. */
function idfBytesOf(prompts: readonly string[]): { idfBytes: Uint8Array; hashes: number[] } {
  const featuriser = createFeaturiser();
  const ones = new Float32Array(GRAM_WIDTH).fill(1);
  const frequency = new Float64Array(GRAM_WIDTH);
  const hashes = prompts.map((prompt) => {
    const { places, count, tokens } = featurise(featuriser, prompt, ones);
    for (let at = 0; at < count; at++) {
      const place = places[at] as number;
      if (place < GRAM_WIDTH) frequency[place] = (frequency[place] as number) + 1;
    }
    return fingerprint(tokens);
  });
  const idfBytes = Uint8Array.from(frequency, (df) =>
    Math.min(255, Math.round((Math.log((1 + prompts.length) / (1 + df)) + 1) / IDF_STEP)),
  );
  return { idfBytes, hashes };
}

/** Trains a prior on several kinds of traffic; deterministic. Answers the bytes of its file. */
export function trainPrior(
  traffic: readonly Traffic[],
  extras: {
    readonly cuts: readonly [number, number];
    readonly attribution: string;
    readonly verifier: unknown;
  },
): Uint8Array {
  const examples = traffic.flatMap(({ examples: own }) => own);
  const kindOf = traffic.flatMap(({ examples: own }, kind) => own.map(() => kind));
  const { idfBytes, hashes } = idfBytesOf(examples.map(({ prompt }) => prompt));
  const idf = Float32Array.from(idfBytes, (step) => step * IDF_STEP);
  const corpus = readCorpus(
    { featuriser: createFeaturiser(), idf },
    examples.map(({ prompt }) => prompt),
  );
  const all = Uint32Array.from(examples.keys());
  const gates = fitHeads({
    corpus,
    rows: all,
    epochs: EPOCHS,
    targets: traffic.map((_, kind) => Float32Array.from(kindOf, (own) => (own === kind ? 1 : 0))),
  });
  const count = 3 * traffic.length;
  const weights = new Float32Array(WIDTH * count);
  const bias = new Float32Array(count);
  traffic.forEach((_, kind) => {
    const experts = fitHeads({
      corpus,
      rows: all.filter((row) => kindOf[row] === kind),
      epochs: EPOCHS,
      targets: [
        Float32Array.from(examples, ({ weak }) => weak ?? Number.NaN),
        Float32Array.from(examples, ({ strong }) => strong ?? Number.NaN),
      ],
    });
    for (let place = 0; place < WIDTH; place++) {
      weights[place * count + 3 * kind] = experts.weights[2 * place] as number;
      weights[place * count + 3 * kind + 1] = experts.weights[2 * place + 1] as number;
      weights[place * count + 3 * kind + 2] = gates.weights[traffic.length * place + kind] as number;
    }
    bias[3 * kind] = experts.bias[0] as number;
    bias[3 * kind + 1] = experts.bias[1] as number;
    bias[3 * kind + 2] = gates.bias[kind] as number;
  });
  const heads = packHeads({ count, weights, bias });
  const prior: Omit<Prior, 'id'> = {
    facts: {
      kinds: traffic.map(({ kind }) => kind),
      rulesShare: traffic.map(({ rulesShare }) => rulesShare),
      cuts: extras.cuts,
      idfStep: IDF_STEP,
      scale: [...heads.scale],
      bias: [...heads.bias],
      attribution: extras.attribution,
      verifier: extras.verifier,
    },
    idf,
    heads,
    seen: rememberSeen(hashes),
  };
  const bytes = encodePrior(prior, idfBytes);
  decodePrior(bytes);
  return bytes;
}
