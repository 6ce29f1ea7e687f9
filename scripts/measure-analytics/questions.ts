import type { createExchangeTexts } from '../../src/adapters/sqlite/exchanges.ts';
import { DAY_MS } from '../../src/core/durations.ts';
import type { ExchangeFilter, SpendDimension, UsageStore } from '../../src/ports/store.ts';
import { START } from './samples.ts';

interface Stores {
  readonly usage: Omit<UsageStore, 'byModel'>;
  readonly log: ReturnType<typeof createExchangeTexts>;
}

/** Something to ask, and how long the answer may take, milliseconds. */
export interface Question {
  readonly name: string;
  readonly bar: number;
  readonly ask: (stores: Stores) => Promise<unknown>;
}

const AGGREGATE_MS = 200;
const PAGE_MS = 100;

const GROUPINGS: readonly (readonly SpendDimension[])[] = [
  [],
  ['model'],
  ['provider'],
  ['key'],
  ['user'],
  ['team'],
  ['project'],
  ['organization'],
  ['tag:feature'],
  ['tag:env'],
  ['session'],
  ['model', 'provider'],
  ['model', 'key'],
  ['team', 'model'],
  ['key', 'user'],
  ['user', 'model'],
  ['team', 'user'],
  ['tag:feature', 'model'],
  ['tag:feature', 'key'],
  ['tag:env', 'team'],
  ['tag:feature', 'user'],
  ['session', 'key'],
  ['model', 'provider', 'key'],
  ['team', 'project', 'model'],
  ['tag:feature', 'model', 'team'],
];

/** Every kind of question over all of the data. */
export function questions(rows: number, perMs: number, days: number): readonly Question[] {
  const end = START + days * DAY_MS;
  const aggregates = GROUPINGS.flatMap((groupBy) =>
    ([undefined, 'day', 'hour'] as const).map((interval) => ({
      name: `spend by ${[...groupBy, ...(interval === undefined ? [] : [interval])].join(', ') || 'nothing'}`,
      bar: AGGREGATE_MS,
      // Not from midnight to midnight, so that the ends come from hours.
      ask: ({ usage }: Stores) =>
        usage.spend({ from: START + 5 * 3_600_000, to: end - 3_600_000 * 7, groupBy, interval }),
    })),
  );
  const totals: Question[] = [
    { name: 'total of a key', bar: AGGREGATE_MS, ask: ({ usage }) => usage.total({ keyId: 'key_1' }, START) },
    {
      name: 'total of a user',
      bar: AGGREGATE_MS,
      ask: ({ usage }) => usage.total({ user: 'user-1-1' }, START),
    },
    { name: 'totals by key', bar: AGGREGATE_MS, ask: ({ usage }) => usage.totalsByKey(START) },
  ];
  return [...aggregates, ...totals, ...pages(rows, perMs, end)];
}

function pages(rows: number, perMs: number, end: number): Question[] {
  const middle = START + rows / perMs / 2;
  const feature = (value: string) => ({ tag: { name: 'feature', value } });
  const filters: Readonly<Record<string, ExchangeFilter>> = {
    newest: {},
    'from the middle': { to: middle },
    'a key': { keyId: 'key_1' },
    'a model': { model: 'model-3' },
    'a provider': { provider: 'provider-1' },
    'a team': { teamId: 'team_3' },
    'a tag': feature('feature-7'),
    'a tag name': { tag: { name: 'env' } },
    'status 200': { status: 200 },
    'status 429': { status: 429 },
    'a request id': { clientRequestId: 'req-1000' },
    'a key and its model': { keyId: 'key_1', model: 'model-1' },
    'a team and a model': { teamId: 'team_3', model: 'model-3' },
    'a tag and a model': { ...feature('feature-3'), model: 'model-3' },
    'a key and status 429': { keyId: 'key_1', status: 429 },
    'a team, in an organization': {
      teamId: 'team_3',
      extent: { tenant: { organizationId: 'org_default' } },
    },
    'no hit: key': { keyId: 'key_nobody' },
    'no hit: status 201': { status: 201 },
    'no hit: request id': { clientRequestId: 'req-none' },
    'no hit: tag value': feature('feature-none'),
    'no hit: a time without any': { from: end + DAY_MS },
    'no hit: a model, after the end': { model: 'model-3', from: end + DAY_MS },
    'no hit: key and a model it never used': { keyId: 'key_1', model: 'model-9' },
    'no hit: provider and a model of another': { provider: 'provider-1', model: 'model-0' },
    'no hit: team and a key of another': { teamId: 'team_3', keyId: 'key_1' },
    'no hit: tag and a key without it': { ...feature('feature-3'), keyId: 'key_1' },
    'no hit: a status and a key': { keyId: 'key_1', status: 418 },
    'no hit: organization and a team of another': {
      teamId: 'team_3',
      extent: { tenant: { organizationId: 'org_other' } },
    },
  };
  return Object.entries(filters).map(([name, filter]) => ({
    name: `page of ${name}`,
    bar: PAGE_MS,
    ask: ({ log }: Stores) => log.list(filter, { limit: 100 }),
  }));
}
