export { LossMonitor, provesBelow } from './betting.ts';
export type { Deployment, PairedSample, QualityPromise } from './climb.ts';
export { largestShare } from './controller.ts';
export {
  correctedMean,
  type Estimate,
  type GoldLabel,
  meanOf,
  quantile95,
  samplesUntil,
} from './estimate.ts';
export { type Ground, provenThreshold } from './proven.ts';
