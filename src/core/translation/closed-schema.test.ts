import { expect, it } from 'vitest';
import { toClosedSchema } from './closed-schema.ts';

it('leaves a schema that is closed already as it is', () => {
  const schema = {
    type: 'object',
    title: 'T',
    properties: { a: { type: ['string', 'null'] }, b: { $ref: '#/$defs/B' }, c: { const: 1 } },
    required: ['a', 'b'],
    additionalProperties: false,
    $defs: { B: { type: 'string', enum: ['x'], format: 'date' } },
  };
  expect(toClosedSchema(schema)).toEqual(schema);
});

it('closes every object and says limits in words', () => {
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    propertyOrdering: ['n'],
    properties: {
      n: { type: 'integer', description: 'How many.', minimum: 1, maximum: 9 },
      list: {
        type: 'array',
        minItems: 2,
        items: { properties: { at: { type: 'string', format: 'int32' } } },
      },
      one: { oneOf: [{ type: 'string' }, { type: 'object', properties: { a: {} } }] },
    },
  };
  expect(toClosedSchema(schema)).toEqual({
    type: 'object',
    properties: {
      n: { type: 'integer', description: 'How many. (minimum: 1, maximum: 9)' },
      list: {
        type: 'array',
        description: '(minItems: 2)',
        items: {
          properties: { at: { type: 'string', description: '(format: "int32")' } },
          additionalProperties: false,
        },
      },
      one: {
        anyOf: [{ type: 'string' }, { type: 'object', properties: { a: {} }, additionalProperties: false }],
      },
    },
    additionalProperties: false,
  });
});

it('gives up where closing would lose values, and on recursion', () => {
  expect(toClosedSchema({ type: 'object' })).toBeUndefined();
  expect(toClosedSchema({ type: 'object', properties: {} })).toBeUndefined();
  expect(toClosedSchema({ type: 'object', additionalProperties: { type: 'number' } })).toBeUndefined();
  expect(
    toClosedSchema({
      type: 'object',
      properties: { root: { $ref: '#/$defs/Node' } },
      $defs: {
        Node: {
          type: 'object',
          properties: { next: { anyOf: [{ $ref: '#/$defs/Node' }, { type: 'null' }] } },
        },
      },
    }),
  ).toBeUndefined();
});
