import { STRUCTURE } from './structure.ts';

/** What a route's models see of a prompt beside its n-grams: counts, the log-odds of weak and strong by n-grams, and their difference. */
export const INPUTS = STRUCTURE.length + 3;

/** Puts what the n-gram heads say behind the counts. */
export function setLogits(inputs: Float32Array, weak: number, strong: number): void {
  inputs[STRUCTURE.length] = weak;
  inputs[STRUCTURE.length + 1] = strong;
  inputs[STRUCTURE.length + 2] = strong - weak;
}
