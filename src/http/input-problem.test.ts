import { expect, test } from 'vitest';
import { CONTRACT } from '../control/contract.ts';
import type { Endpoint } from '../control/endpoint.ts';
import { inputProblem } from './input-problem.ts';

const key = { name: 'bench' };
const budget = { scope: 'organization', scope_id: 'o', limit_usd: 1, window: 'month' };

function problem(name: keyof typeof CONTRACT, input: unknown) {
  const { shape } = (CONTRACT[name] as Endpoint).input;
  const { error } = CONTRACT[name].input.safeParse(input);
  return error === undefined ? undefined : inputProblem(error, input, Object.keys(shape));
}

test.each([
  ['createKey', {}, 'name', '`name` is missing: text.'],
  ['createKey', { name: '' }, 'name', '`name` is empty.'],
  ['createKey', { name: 5 }, 'name', '`name` is a number, where text belongs.'],
  ['createKey', { name: 'x'.repeat(201) }, 'name', '`name` must have at most 200 characters.'],
  [
    'createKey',
    { ...key, modells: [] },
    'modells',
    '`modells` is not a field of this call. Did you mean `models`?',
  ],
  ['createKey', { ...key, models: 'm' }, 'models', '`models` is text, where a list belongs.'],
  ['createKey', { ...key, models: [5] }, 'models.0', '`models.0` is a number, where text belongs.'],
  ['createKey', { ...key, rotate_every_s: 0 }, 'rotate_every_s', '`rotate_every_s` must be 1 or more.'],
  ['createKey', { ...key, rotate_every_s: 1.5 }, 'rotate_every_s', 'a whole number belongs.'],
  ['createKey', { ...key, expires_at: 'soon' }, 'expires_at', 'for example 2030-01-31T00:00:00Z.'],
  ['createKey', { ...key, on_client_abort: 'stay' }, 'on_client_abort', 'must be one of abort, drain.'],
  ['createKey', { ...key, limits: { rpn: 5 } }, 'limits.rpn', '`limits.rpn` is not a field of this call.'],
  ['createKey', { ...key, operations: ['chat', 'dance'] }, 'operations.1', 'there are chat, count_tokens'],
  ['createKey', { ...key, cidrs: ['here'] }, 'cidrs.0', 'is not valid: no IP address or CIDR block;'],
  ['createKey', { ...key, name: 'a\u0007' }, 'name', 'may not hold control characters.'],
  ['createBudget', {}, 'scope', '`scope` is missing: one of organization, team, '],
  ['createBudget', { ...budget, limit_usd: -1 }, 'limit_usd', '`limit_usd` must be 0 or more.'],
  [
    'createBudget',
    { ...budget, window: 'fortnight' },
    'window',
    'must be one of hour, day, week, month, total.',
  ],
  ['createKey', { ...key, budget: { limit_usd: 1, window: 'total', x: 1 } }, 'budget.x', 'is not a field'],
  ['listExchanges', { limit: 'x' }, 'limit', '`limit` is text, where a number belongs.'],
  ['listExchanges', { limit: '5000' }, 'limit', '`limit` must be 500 or less.'],
  ['createUser', { name: 'A', email: 'x' }, 'email', '`email` must be an e-mail address.'],
] as const)('%s %j', (name, input, field, sentence) => {
  const found = problem(name, input);
  expect(found?.field).toBe(field);
  expect(found?.sentence).toContain(sentence);
  // Never the library's own words.
  expect(found?.sentence).not.toMatch(/expected|Invalid|received|Unrecognized|Too (?:small|big)/);
});

test('a name that the client made up does not come back at length', () => {
  const found = problem('createKey', { ...key, ['x'.repeat(100_000)]: 1 });
  expect(found?.field).toBe(`${'x'.repeat(100)}...`);
  expect(found?.sentence.length).toBeLessThan(1000);
});

test('a good input has no problem', () => {
  expect(problem('createKey', { ...key, operations: ['chat', 'embeddings'] })).toBeUndefined();
});
