import { expect, test } from 'vitest';
import { knownNames } from '../configuration.ts';
import { loadCatalog } from '../gateway.ts';
import { loadConfig } from './load.ts';

const known = knownNames(loadCatalog());
const paths = (text: string) =>
  loadConfig({ text, environment: {}, known }).problems.map(({ path, problem }) => `${path}: ${problem}`);

test('problems of shape and problems between values are told together', () => {
  const found = paths(`
version: 1
server: { port: many }
providers:
  openai: { api_key: k }
models:
  a:
    deployments: [{ provider: openai, model: gpt-4o, wieght: 3 }, { provider: nobody, model: x }]
    fallbacks: [missing-model]
  b: { deployments: [openai/gpt-4o], fallbacks: [a] }
`);
  expect(found.map((line) => line.split(':')[0])).toEqual([
    'server.port',
    'models.a.deployments[0].wieght',
    'models.a.deployments[1].provider',
    'models.a.fallbacks[0]',
  ]);
});

test('what only follows from a fault is not told as another one', () => {
  const found = paths(`
version: 1
providers:
  mine: { type: openai-compatible, base_ulr: "http://h.example/v1" }
models:
  a: { deployments: [] }
  b: { deployments: [openai/gpt-4o], fallbacks: [a] }
`);
  expect(found.map((line) => line.split(':')[0])).toEqual([
    'providers.mine.base_ulr',
    'models.a.deployments',
  ]);
});

test('a misspelt section is not missed everywhere it is named', () => {
  const found = paths(`
version: 1
provders: { mine: { type: vllm } }
models:
  a: { deployments: [mine/gpt-4o] }
`);
  expect(found).toHaveLength(1);
});

test('entries of lists keep their numbers when one before them is faulty', () => {
  const found = paths(`
version: 1
budgets:
  - { name: x, scope: nothing, scope_id: "*", limit_usd: 1 }
  - { name: y, scope: tag, scope_id: "no-tag", limit_usd: 1 }
`);
  expect(found.map((line) => line.split(':')[0])).toEqual(['budgets[0].scope', 'budgets[1].scope_id']);
});
