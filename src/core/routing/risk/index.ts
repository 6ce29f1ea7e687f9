export { LossMonitor, provesBelow } from './betting.ts';
export { type Deployment, largestShare, type PairedSample, type QualityPromise } from './controller.ts';
export {
  correctedMean,
  type Estimate,
  type GoldLabel,
  meanOf,
  quantile95,
  samplesUntil,
} from './estimate.ts';
export { type Ground, provenThreshold } from './proven.ts';
