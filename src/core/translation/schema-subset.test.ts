import { expect, test } from 'vitest';
import type { JsonObject } from '../model/index.ts';
import { fromOpenApiSubset, toOpenApiSubset } from './schema-subset.ts';

function subset(schema: JsonObject): JsonObject {
  return toOpenApiSubset(schema).schema;
}

test('types, constants and bounds are said in the subset without loss', () => {
  expect(
    toOpenApiSubset({
      $schema: 'x',
      type: 'object',
      properties: {
        a: { type: ['string', 'null'] },
        b: { const: 'x' },
        c: { type: 'integer', const: 4 },
        d: { type: 'integer', exclusiveMinimum: 0, exclusiveMaximum: 10 },
        e: { anyOf: [{ type: 'number' }, { type: 'null' }], description: 'n' },
        f: { type: 'array' },
        g: { enum: ['p', null] },
        h: { type: ['string', 'integer'] },
      },
      required: ['a'],
      additionalProperties: false,
    }),
  ).toEqual({
    schema: {
      type: 'object',
      properties: {
        a: { type: 'string', nullable: true },
        b: { type: 'string', enum: ['x'] },
        c: { type: 'integer', minimum: 4, maximum: 4 },
        d: { type: 'integer', minimum: 1, maximum: 9 },
        e: { description: 'n', nullable: true, type: 'number' },
        f: { type: 'array', items: {} },
        g: { nullable: true, type: 'string', enum: ['p'] },
        h: { anyOf: [{ type: 'string' }, { type: 'integer' }] },
      },
      required: ['a'],
    },
    loosened: [],
  });
});

test('what the subset cannot say is dropped and named', () => {
  const lossy: readonly (readonly [JsonObject, string])[] = [
    [{ type: 'number', exclusiveMinimum: 0 }, 'exclusiveMinimum'],
    [{ type: 'number', multipleOf: 2 }, 'multipleOf'],
    [{ type: 'object', additionalProperties: { type: 'string' } }, 'additionalProperties'],
    [{ type: 'string', format: 'uuid' }, 'format'],
    [{ type: 'integer', enum: [1, 2] }, 'enum'],
    [{ type: 'boolean', const: true }, 'const'],
    [{ not: {} }, 'not'],
    [{ $ref: 'https://h/schema' }, '$ref'],
    [{ oneOf: [{ type: 'string' }, { type: 'number' }] }, 'oneOf'],
    [{ type: 'object', properties: {}, required: ['x'] }, 'required'],
    [{ allOf: [{ type: 'string' }, { type: 'number' }] }, 'allOf'],
  ];
  for (const [schema, word] of lossy) {
    const { schema: reduced, loosened } = toOpenApiSubset(schema);
    expect(loosened, JSON.stringify(schema)).toEqual([word]);
    expect(Object.keys(reduced)).not.toContain(word === 'enum' || word === 'required' ? word : `${word}!`);
  }
});

test('references are resolved and never left behind', () => {
  const schema: JsonObject = {
    type: 'object',
    properties: { home: { $ref: '#/$defs/Address', description: 'where' }, tree: { $ref: '#/$defs/Tree' } },
    allOf: [{ $ref: '#/$defs/Named' }],
    $defs: {
      Address: {
        type: 'object',
        properties: { 'a/b': { $ref: '#/$defs/Address/properties/x' }, x: { type: 'string' } },
      },
      Tree: { type: 'object', properties: { kids: { type: 'array', items: { $ref: '#/$defs/Tree' } } } },
      Named: { properties: { name: { type: 'string' } }, required: ['name'] },
    },
  };
  const { schema: reduced, loosened } = toOpenApiSubset(schema);
  expect(reduced).toEqual({
    type: 'object',
    properties: {
      home: {
        description: 'where',
        type: 'object',
        properties: { 'a/b': { type: 'string' }, x: { type: 'string' } },
      },
      tree: { type: 'object', properties: { kids: { type: 'array', items: { type: 'object' } } } },
      name: { type: 'string' },
    },
    required: ['name'],
  });
  expect(loosened).toEqual(['recursive $ref']);
});

test('a schema that doubles with each reference stays bounded', () => {
  const $defs: JsonObject = { d0: { type: 'string' } };
  for (let i = 1; i < 40; i++) {
    const ref = { $ref: `#/$defs/d${i - 1}` };
    $defs[`d${i}`] = { type: 'object', properties: { a: ref, b: ref } };
  }
  const { schema, loosened } = toOpenApiSubset({ $ref: '#/$defs/d39', $defs });
  expect(loosened).toContain('depth');
  expect(JSON.stringify(schema).length).toBeLessThan(1_000_000);
});

test('Google schemas come back as JSON Schema', () => {
  expect(
    fromOpenApiSubset({
      type: 'OBJECT',
      properties: {
        min_items: { type: 'ARRAY', min_items: '2', items: { type: 'STRING', nullable: true } },
        e: { type: 'STRING', format: 'enum', enum: ['a'], nullable: true },
        u: { anyOf: [{ type: 'STRING' }], nullable: true },
      },
    }),
  ).toEqual({
    type: 'object',
    properties: {
      min_items: { type: 'array', minItems: 2, items: { type: ['string', 'null'] } },
      e: { type: ['string', 'null'], enum: ['a', null] },
      u: { anyOf: [{ type: 'string' }, { type: 'null' }] },
    },
  });
  const round: JsonObject = { type: 'object', properties: { a: { type: ['integer', 'null'], minimum: 1 } } };
  expect(fromOpenApiSubset(subset(round))).toEqual(round);
});
