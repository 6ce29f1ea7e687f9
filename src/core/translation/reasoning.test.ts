import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EFFORTS, type ReasoningControl, type ReasoningRequest } from '../model/index.ts';
import { EFFORT_BUDGETS, effortOfBudget, nearestEffort, planReasoning } from './reasoning.ts';

const BUDGET: ReasoningControl = { kind: 'budget', min: 1024, max: 32_000, canDisable: true };
const ADAPTIVE: ReasoningControl = {
  kind: 'adaptive',
  levels: ['low', 'medium', 'high', 'max'],
  acceptsBudget: false,
};
const EFFORT: ReasoningControl = { kind: 'effort', levels: ['minimal', 'low', 'medium', 'high'] };

type Row = readonly [
  string,
  ReasoningRequest | undefined,
  ReasoningControl,
  number | undefined,
  unknown,
  number,
];

const ROWS: readonly Row[] = [
  ['nothing asked', undefined, BUDGET, 100, { type: 'omit' }, 0],
  [
    'effort to budget',
    { enabled: true, effort: 'medium' },
    BUDGET,
    64_000,
    { type: 'budget', tokens: 8192 },
    0,
  ],
  [
    'budget under the limit',
    { enabled: true, effort: 'high' },
    BUDGET,
    4096,
    { type: 'budget', tokens: 3276 },
    0,
  ],
  [
    'budget clamped up',
    { enabled: true, budgetTokens: 10 },
    BUDGET,
    9000,
    { type: 'budget', tokens: 1024 },
    1,
  ],
  ['no room', { enabled: true, effort: 'low' }, BUDGET, 1024, { type: 'disabled' }, 1],
  ['off', { enabled: false }, BUDGET, 9000, { type: 'disabled' }, 0],
  [
    'off where it cannot be',
    { enabled: false },
    { ...BUDGET, canDisable: false } as ReasoningControl,
    9000,
    { type: 'budget', tokens: 1024 },
    1,
  ],
  [
    'dynamic',
    { enabled: true, adaptive: true },
    BUDGET,
    9000,
    { type: 'budget', tokens: 7200, dynamic: true },
    0,
  ],
  [
    'budget to effort',
    { enabled: true, budgetTokens: 20_000 },
    ADAPTIVE,
    9000,
    { type: 'adaptive', effort: 'high' },
    1,
  ],
  [
    'xhigh to the lower neighbour',
    { enabled: true, effort: 'xhigh' },
    ADAPTIVE,
    9,
    { type: 'adaptive', effort: 'high' },
    1,
  ],
  ['adaptive', { enabled: true, adaptive: true }, ADAPTIVE, 9, { type: 'adaptive' }, 0],
  [
    'always on',
    { enabled: false },
    { ...ADAPTIVE, alwaysOn: true } as ReasoningControl,
    9,
    { type: 'adaptive', effort: 'low' },
    1,
  ],
  ['max to the highest', { enabled: true, effort: 'max' }, EFFORT, 9, { type: 'effort', effort: 'high' }, 1],
  ['off as least effort', { enabled: false }, EFFORT, 9, { type: 'effort', effort: 'minimal' }, 1],
  ['claude minimum', { enabled: true, budgetTokens: 1024 }, EFFORT, 9, { type: 'effort', effort: 'low' }, 0],
  ['no control', { enabled: true, effort: 'high' }, { kind: 'none' }, 9, { type: 'omit' }, 1],
  ['off is what it is', { enabled: false }, { kind: 'none' }, 9, { type: 'omit' }, 0],
  ['fixed', { enabled: true }, { kind: 'fixed' }, 9, { type: 'omit' }, 0],
  ['fixed, off', { enabled: false }, { kind: 'fixed' }, 9, { type: 'omit' }, 1],
];

test.each(ROWS)('%s', (_name, request, control, limit, plan, notes) => {
  const decision = planReasoning(request, control, limit);
  expect(decision.plan).toEqual(plan);
  expect(decision.dropped).toHaveLength(notes);
});

test('every effort is its own budget’s effort', () => {
  for (const effort of EFFORTS) expect(effortOfBudget(EFFORT_BUDGETS[effort])).toBe(effort);
});

test('thinking that was asked for is never turned off by the nearest level', () => {
  expect(nearestEffort('minimal', ['none', 'high'])).toBe('high');
  expect(nearestEffort('minimal', ['none'])).toBeUndefined();
});

test('a budget always lies in its range and under the limit', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 200_000 }),
      fc.integer({ min: 1, max: 200_000 }),
      (budgetTokens, limit) => {
        const { plan } = planReasoning({ enabled: true, budgetTokens }, BUDGET, limit);
        if (plan.type !== 'budget') {
          expect(limit).toBeLessThanOrEqual(1024);
          return;
        }
        expect(plan.tokens).toBeGreaterThanOrEqual(1024);
        expect(plan.tokens).toBeLessThan(limit);
        expect(plan.tokens).toBeLessThanOrEqual(32_000);
      },
    ),
  );
});
