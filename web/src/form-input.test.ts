import { describe, expect, it } from 'vitest';
import { type Field, FieldProblem, fieldAt, inputOf, NOTHING, valuesOf } from './form-input.ts';

const FIELDS: readonly Field[] = [
  { path: 'name', label: 'Name' },
  { path: 'models', label: 'Models', kind: 'list', blank: 'null' },
  { path: 'policy.models', label: 'Models', kind: 'list' },
  { path: 'policy.max_output_tokens', label: 'Most', kind: 'count' },
  { path: 'policy.limits.rpm', label: 'Requests', kind: 'count' },
  { path: 'budget.limit_usd', label: 'Budget', anchor: true },
  { path: 'budget.window', label: 'Per', kind: 'select', initial: 'month' },
  { path: 'every', label: 'Every', kind: 'span', blank: 'null' },
  { path: 'metadata', label: 'Metadata', kind: 'pairs' },
  { path: 'cheaper', label: 'Cheaper', when: (values) => values['name'] === 'x' },
];

const send = (stored: object | undefined, change: object) => {
  const before = stored as Record<string, unknown> | undefined;
  return inputOf(FIELDS, { ...valuesOf(FIELDS, before), ...change }, before);
};

describe('what a form sends', () => {
  it('is of a new thing what was said, and no budget without an amount', () => {
    expect(send(undefined, { name: ' a ' })).toEqual({ name: 'a' });
    expect(send(undefined, { name: 'a', 'budget.limit_usd': '0.000000001', every: '30d' })).toEqual({
      name: 'a',
      budget: { limit_usd: '0.000000001', window: 'month' },
      every: 30 * 86_400,
    });
  });

  it('is of a stored thing only what was changed, beside what stands in the same whole', () => {
    const stored = {
      name: 'a',
      models: null,
      policy: { models: [], regions: ['eu'], limits: { rpm: 5, tpm: 7 } },
      budget: { limit_usd: '5', window: 'day' },
      every: 3600,
      metadata: { team: 'a=b' },
    };
    expect(send(stored, {})).toEqual({});
    // A list that allows nothing stays one: leaving it out would allow everything.
    expect(send(stored, { 'policy.limits.rpm': '' })).toEqual({
      policy: { models: [], regions: ['eu'], limits: { tpm: 7 } },
    });
    expect(send(stored, { 'policy.models': [] })).toEqual({
      policy: { regions: ['eu'], limits: { rpm: 5, tpm: 7 } },
    });
    expect(send(stored, { models: [NOTHING] })).toEqual({ models: [] });
    expect(send(stored, { 'budget.limit_usd': '' })).toEqual({ budget: null });
    expect(send(stored, { every: '', metadata: 'x=1\n\ny = 2=3' })).toEqual({
      every: null,
      metadata: { x: '1', y: '2=3' },
    });
    expect(stored.policy.limits.rpm).toBe(5);
    expect(valuesOf(FIELDS, stored)).toMatchObject({
      every: '1h',
      metadata: 'team=a=b',
      'policy.models': [NOTHING],
    });
  });

  it('leaves out what is not shown, and refuses what it cannot read', () => {
    expect(send(undefined, { name: 'y', cheaper: 'm' })).toEqual({ name: 'y' });
    expect(send(undefined, { name: 'x', cheaper: 'm' })).toEqual({ name: 'x', cheaper: 'm' });
    for (const bad of [
      { 'policy.limits.rpm': '0' },
      { 'policy.limits.rpm': '1e3' },
      { every: 'soon' },
      { metadata: '=x' },
    ]) {
      expect(() => send(undefined, bad)).toThrow(FieldProblem);
    }
  });

  it('finds the field an answer is about, however deep the fault is', () => {
    expect(fieldAt(FIELDS, 'policy.models.0')?.path).toBe('policy.models');
    expect(fieldAt(FIELDS, 'models')?.path).toBe('models');
    expect(fieldAt(FIELDS, 'mod')).toBeUndefined();
    expect(fieldAt(FIELDS, undefined)).toBeUndefined();
  });
});
