import { expect, test } from 'vitest';
import { BudgetBook } from './budget.ts';

function held(): BudgetBook {
  const book = new BudgetBook();
  book.define('small', { limitNano: 100, window: 'total' }, { now: 0 });
  book.define('large', { limitNano: 1000, window: 'total' }, { now: 0 });
  book.reserve({ holdId: 'h', budgetIds: ['small', 'large'], amountNano: 60, expiresAt: 10 }, 0);
  return book;
}

test('a hold grows in every budget or in none', () => {
  const book = held();
  expect(book.raise('h', 100, 0)).toEqual({ granted: true });
  expect([book.view('small', 0)?.heldNano, book.view('large', 0)?.heldNano]).toEqual([100, 100]);
  expect(book.raise('h', 101, 0)).toEqual({ granted: false, refusedBy: 'small' });
  expect([book.view('small', 0)?.heldNano, book.view('large', 0)?.heldNano]).toEqual([100, 100]);
});

test('a hold never shrinks, and is settled as a whole', () => {
  const book = held();
  book.raise('h', 90, 0);
  expect(book.raise('h', 10, 0)).toEqual({ granted: true });
  expect(book.view('small', 0)?.heldNano).toBe(90);
  book.settle('h', 70);
  expect(book.view('small', 0)).toMatchObject({ heldNano: 0, settledNano: 70 });
});

test('budgets that only warn are raised past their limit', () => {
  const book = new BudgetBook();
  book.define('soft', { limitNano: 100, window: 'total' }, { now: 0 });
  book.reserve({ holdId: 'h', budgetIds: ['soft'], amountNano: 60, expiresAt: 10, force: true }, 0);
  expect(book.raise('h', 500, 0)).toEqual({ granted: true });
});

test('a hold without a budget, or none at all, is granted', () => {
  const book = held();
  expect(book.raise('unknown', 5000, 0)).toEqual({ granted: true });
  expect([book.isPaid('unknown'), book.isPaid('h')]).toEqual([false, true]);
});
