import { z } from 'zod';
import { CONTRACT } from '../control/contract.ts';
import type { Endpoint } from '../control/endpoint.ts';

function schemaOf(type: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _, ...schema } = z.toJSONSchema(type, { io, unrepresentable: 'any' });
  return schema;
}

const ERROR = {
  description: 'Any error',
  content: {
    'application/json': {
      schema: {
        type: 'object',
        required: ['error'],
        properties: {
          error: {
            type: 'object',
            required: ['code', 'message'],
            properties: { code: { type: 'string' }, message: { type: 'string' }, details: {} },
          },
        },
      },
    },
  },
};

function parametersOf(endpoint: Endpoint, properties: Readonly<Record<string, unknown>>): unknown[] {
  const inPath = [...endpoint.path.matchAll(/:([a-z_]+)/g)].map((match) => match[1] ?? '');
  const required = new Set((schemaOf(endpoint.input, 'input')['required'] as string[] | undefined) ?? []);
  const names = endpoint.method === 'GET' || endpoint.method === 'DELETE' ? Object.keys(properties) : inPath;
  return names.map((name) => ({
    name,
    in: inPath.includes(name) ? 'path' : 'query',
    required: inPath.includes(name) || required.has(name),
    schema: properties[name],
  }));
}

const MEDIA_TYPES = {
  json: 'application/json',
  csv: 'text/csv; charset=utf-8',
  lines: 'application/x-ndjson',
  stream: 'text/event-stream',
} as const;

/** The input without what stands in the path. */
function bodyOf(endpoint: Endpoint, input: Record<string, unknown>): Record<string, unknown> {
  const inPath = [...endpoint.path.matchAll(/:([a-z_]+)/g)].map((match) => match[1] ?? '');
  const { properties, required, ...rest } = input as { properties?: object; required?: readonly string[] };
  const stays = (name: string) => !inPath.includes(name);
  const left = Object.fromEntries(Object.entries(properties ?? {}).filter(([name]) => stays(name)));
  const needed = (required ?? []).filter(stays);
  return { ...rest, properties: left, ...(needed.length === 0 ? {} : { required: needed }) };
}

/** Sent twice with the same key, a request is carried out once and answered alike for a day. */
const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'The same key and request again within a day gets the first answer; another request gets 409',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
};

function operationOf(name: string, endpoint: Endpoint): object {
  const input = schemaOf(endpoint.input, 'input');
  const properties = (input['properties'] ?? {}) as Record<string, unknown>;
  const parameters = [
    ...parametersOf(endpoint, properties),
    ...(endpoint.method === 'POST' ? [IDEMPOTENCY_KEY] : []),
  ];
  const hasBody = endpoint.method !== 'GET' && endpoint.method !== 'DELETE';
  const type = MEDIA_TYPES[endpoint.answer ?? 'json'];
  return {
    operationId: name,
    summary: endpoint.summary,
    'x-permission': endpoint.permission,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(hasBody
      ? { requestBody: { content: { 'application/json': { schema: bodyOf(endpoint, input) } } } }
      : {}),
    responses: {
      200: { description: 'Done', content: { [type]: { schema: schemaOf(endpoint.output, 'output') } } },
      default: ERROR,
    },
    ...(endpoint.permission === 'public' ? { security: [] } : {}),
  };
}

let document: object | undefined;

/** The admin API as an OpenAPI 3.1 document, derived from the contract. */
export function openApiDocument(): object {
  if (document !== undefined) return document;
  const paths: Record<string, Record<string, object>> = {};
  for (const [name, endpoint] of Object.entries(CONTRACT) as [string, Endpoint][]) {
    const path = endpoint.path.replaceAll(/:([a-z_]+)/g, '{$1}');
    paths[path] ??= {};
    (paths[path] as Record<string, object>)[endpoint.method.toLowerCase()] = operationOf(name, endpoint);
  }
  document = {
    openapi: '3.1.0',
    info: { title: 'Sluice control plane', version: '1' },
    security: [{ bearer: [] }, { session: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        session: { type: 'apiKey', in: 'cookie', name: 'sluice_session' },
      },
    },
  };
  return document;
}
