export { describeState } from './describe.ts';
export { joinStates, readState } from './document.ts';
export { type Call, gather } from './gather.ts';
export { Planner } from './plan.ts';
export type { Step } from './steps.ts';
