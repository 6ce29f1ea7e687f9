export { LossMonitor, provesBelow } from './betting.ts';
export { largestShare } from './controller.ts';
export { correctedMean, meanOf, samplesUntil } from './estimate.ts';
