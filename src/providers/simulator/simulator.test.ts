import { describe, expect, it } from 'vitest';
import { estimateTokens } from '../../core/cost/estimate.ts';
import { type ChatRequest, isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import { chatEndpoints } from '../address.ts';
import { detectLanguage } from './language.ts';
import { SIMULATED_MODELS } from './models.ts';
import { parseOptions, withoutDirectives } from './options.ts';
import { readFacts } from './prompt-facts.ts';
import { cutToTokens, readSubject, writeProse } from './prose.ts';
import { simulator } from './provider.ts';
import { sampleSchema } from './schema-sample.ts';
import { createDice } from './seed.ts';
import { isGenuine, sign, verifySignatures } from './signatures.ts';

/** A small judge of our own: does `value` conform to `schema`? Covers what the sampler claims to cover. */
function conforms(root: JsonObject, schema: Json | undefined, value: Json | undefined): boolean {
  if (!isObject(schema)) return true;
  const reference = schema['$ref'];
  if (typeof reference === 'string') {
    const name = reference.split('/').at(-1) ?? '';
    const defs = root['$defs'];
    return conforms(root, reference === '#' ? root : isObject(defs) ? defs[name] : undefined, value);
  }
  if ('const' in schema) return JSON.stringify(schema['const']) === JSON.stringify(value);
  const { enum: choices, anyOf, allOf, type } = schema;
  if (Array.isArray(choices))
    return choices.some((choice) => JSON.stringify(choice) === JSON.stringify(value));
  if (Array.isArray(anyOf)) return anyOf.some((branch) => conforms(root, branch, value));
  if (Array.isArray(allOf) && !allOf.every((branch) => conforms(root, branch, value))) return false;
  const types = Array.isArray(type) ? type : type === undefined ? [] : [type];
  if (types.length > 0 && !types.some((word) => isOfType(word, value))) return false;
  return within(root, schema, value);
}

function isOfType(type: Json, value: Json | undefined): boolean {
  if (type === 'null') return value === null;
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return isObject(value);
  return typeof value === type;
}

function within(root: JsonObject, schema: JsonObject, value: Json | undefined): boolean {
  const bound = (key: string): number | undefined => {
    const found = schema[key];
    return typeof found === 'number' ? found : undefined;
  };
  if (typeof value === 'number') {
    const step = bound('multipleOf');
    return (
      value >= (bound('minimum') ?? value) &&
      value <= (bound('maximum') ?? value) &&
      value > (bound('exclusiveMinimum') ?? -Infinity) &&
      (step === undefined || Math.abs(value / step - Math.round(value / step)) < 1e-9)
    );
  }
  if (typeof value === 'string') {
    const pattern = schema['pattern'];
    const fits = typeof pattern !== 'string' || new RegExp(pattern, 'u').test(value);
    return fits && value.length >= (bound('minLength') ?? 0) && value.length <= (bound('maxLength') ?? 1e9);
  }
  if (Array.isArray(value)) {
    const isUnique =
      schema['uniqueItems'] !== true ||
      new Set(value.map((item) => JSON.stringify(item))).size === value.length;
    const fits = value.length >= (bound('minItems') ?? 0) && value.length <= (bound('maxItems') ?? 1e9);
    return isUnique && fits && value.every((item) => conforms(root, schema['items'], item));
  }
  if (!isObject(value)) return true;
  const properties = isObject(schema['properties']) ? schema['properties'] : {};
  const required = Array.isArray(schema['required']) ? schema['required'] : [];
  const isClosed = schema['additionalProperties'] === false;
  return (
    required.every((name) => typeof name === 'string' && Object.hasOwn(value, name)) &&
    (!isClosed || Object.keys(value).every((name) => Object.hasOwn(properties, name))) &&
    Object.entries(value).every(([name, inner]) => conforms(root, properties[name], inner))
  );
}

const SCHEMAS: Readonly<Record<string, JsonObject>> = {
  bounds: {
    type: 'object',
    properties: {
      count: { type: 'integer', minimum: 3, maximum: 5 },
      step: { type: 'number', multipleOf: 0.25, exclusiveMinimum: 0, maximum: 2 },
      code: { type: 'string', pattern: '^[A-Z]{2}-\\d{4}$' },
      name: { type: 'string', minLength: 12, maxLength: 14 },
      tags: { type: 'array', items: { enum: ['a', 'b', 'c'] }, minItems: 2, maxItems: 3, uniqueItems: true },
    },
    required: ['count', 'step', 'code', 'name', 'tags'],
    additionalProperties: false,
  },
  recursive: {
    $defs: {
      node: {
        type: 'object',
        properties: {
          value: { type: 'string' },
          children: { type: 'array', items: { $ref: '#/$defs/node' } },
        },
        required: ['value', 'children'],
        additionalProperties: false,
      },
    },
    $ref: '#/$defs/node',
  },
  choices: {
    type: 'object',
    properties: {
      either: {
        anyOf: [{ type: 'integer', minimum: 100 }, { type: 'string', format: 'date' }, { type: 'null' }],
      },
      fixed: { const: { deep: [1, 2] } },
      maybe: { type: ['string', 'null'] },
      both: {
        allOf: [
          { type: 'object', properties: { x: { type: 'integer' } }, required: ['x'] },
          { properties: { y: { type: 'boolean' } }, required: ['y'] },
        ],
      },
    },
    required: ['either', 'fixed', 'maybe', 'both'],
  },
  list: { type: 'array', items: { type: 'number', minimum: -2, maximum: -1 }, minItems: 4 },
  empty: {},
};

describe('samples of a schema', () => {
  it.each(Object.entries(SCHEMAS))('conform: %s', (_, schema) => {
    for (let seed = 0; seed < 60; seed++) {
      const value = sampleSchema(schema, createDice(`seed ${seed}`));
      expect(conforms(schema, schema, value), JSON.stringify(value)).toBe(true);
    }
  });

  it('would not pass the judge by accident', () => {
    const bounds = SCHEMAS['bounds'] ?? {};
    expect(
      conforms(bounds, bounds, {
        count: 9,
        step: 0.5,
        code: 'AB-1234',
        name: 'twelve chars',
        tags: ['a', 'b'],
      }),
    ).toBe(false);
    expect(conforms(bounds, bounds, {})).toBe(false);
  });
});

describe('what a prompt says', () => {
  it.each([
    ['What is the weather in Paris, Berlin and New York?', ['Paris', 'Berlin', 'New York']],
    ['how warm is it in tokyo', ['Tokyo']],
    ['Please call Ada Lovelace', ['Ada Lovelace']],
    ['Hello', ['Hello']],
  ])('names in %s', (prompt, names) => {
    expect(readFacts(prompt).names).toEqual(names);
  });

  it('numbers, dates, addresses and sums', () => {
    const facts = readFacts('Book 2 rooms for ada@example.com on 2026-05-01 and compute 12 * (3.5)');
    expect(facts.numbers).toContain(2);
    expect(facts.emails).toEqual(['ada@example.com']);
    expect(facts.dates).toEqual(['2026-05-01']);
    expect(facts.expression).toBe('12 * (3.5)');
  });

  it.each([
    ['Explain how a bridge works', 'en'],
    ['Wie ist das Wetter und was soll ich tun?', 'de'],
    ['Quelle est la météo et comment vous faites ?', 'fr'],
    ['¿Cómo es el tiempo y por qué?', 'es'],
    ['東京の天気は？', 'ja'],
    ['北京天气怎么样', 'zh'],
    ['42', 'en'],
  ])('%s is %s', (prompt, language) => {
    expect(detectLanguage(prompt)).toBe(language);
  });
});

describe('prose', () => {
  it('is as long as asked and cut without breaking characters', () => {
    const text = writeProse(readSubject('Tell me about rivers 😀'), 400, createDice('x'));
    expect(estimateTokens(text)).toBeGreaterThanOrEqual(400);
    expect(text).toContain('\n\n');
    for (const limit of [0, 1, 7, 50])
      expect(estimateTokens(cutToTokens(text, limit))).toBeLessThanOrEqual(limit);
    expect(cutToTokens('😀😀😀😀', 2).isWellFormed()).toBe(true);
  });
});

describe('options', () => {
  it('read text, numbers, quotes and timed faults, and ignore the rest', () => {
    expect(parseOptions('fault=cut,at=50 say="two words" echo bogus=1 tokens=x')).toEqual({
      fault: 'cut',
      at: 50,
      say: 'two words',
      echo: true,
    });
    expect(parseOptions('ttft=500')).toEqual({ fault: 'ttft:500' });
    expect(withoutDirectives('a [[sim tools=2]] b')).toBe('a  b');
  });
});

describe('signatures', () => {
  it('may be left out of Gemini calls with the documented word, also as bytes', () => {
    const word = 'skip_thought_signature_validator';
    const request = (value: string): ChatRequest => ({
      model: 'm',
      tools: [],
      sampling: {},
      output: { type: 'text' },
      stream: false,
      includeUsage: false,
      messages: [
        {
          role: 'assistant',
          parts: [
            {
              type: 'tool_call',
              id: 'a',
              name: 'f',
              arguments: '{}',
              kind: 'function',
              signature: { issuer: 'gemini', value },
            },
          ],
        },
      ],
    });
    for (const value of [word, btoa(word)])
      expect(() => verifySignatures(request(value), 'gemini')).not.toThrow();
    expect(() => verifySignatures(request(btoa('other')), 'gemini')).toThrow('Corrupted');
  });

  it('hold for their own text and issuer only', () => {
    const signature = sign('claude', 'thought', 'n');
    expect(isGenuine(signature, 'thought')).toBe(true);
    expect(isGenuine(signature, 'thought!')).toBe(false);
    expect(isGenuine({ ...signature, issuer: 'gemini' }, 'thought')).toBe(false);
    expect(isGenuine({ ...signature, value: signature.value.replace(/^./, 'd') }, 'thought')).toBe(false);
    expect(isGenuine({ issuer: 'claude', value: 'not base64 €' }, 'thought')).toBe(false);
  });
});

describe('the provider', () => {
  it('serves every model in exactly one format, options or not', () => {
    for (const model of SIMULATED_MODELS) {
      expect(chatEndpoints(simulator, model), model).toHaveLength(1);
      expect(chatEndpoints(simulator, `${model}~fault=cut,at=50`)).toEqual(chatEndpoints(simulator, model));
    }
    expect(chatEndpoints(simulator, 'gemini-mini')[0]?.format).toBe('gemini');
    expect(chatEndpoints(simulator, 'gptx')).toHaveLength(0);
  });
});
