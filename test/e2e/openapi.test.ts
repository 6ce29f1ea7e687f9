import { validate } from '@scalar/openapi-parser';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CONTRACT } from '../../src/control/contract.ts';
import type { Endpoint } from '../../src/control/endpoint.ts';
import { startGateway, type TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;
// biome-ignore lint/suspicious/noExplicitAny: a document is walked
let document: any;

beforeAll(async () => {
  gateway = await startGateway();
  document = await (await fetch(`${gateway.url}/api/openapi.json`)).json();
});
afterAll(() => gateway.close());

test('the document is valid OpenAPI 3.1', async () => {
  expect(document.openapi).toMatch(/^3\.1\./);
  const { valid, errors } = await validate(document);
  expect({ valid, errors }).toEqual({ valid: true, errors: [] });
});

test('every endpoint is in it once, with its permission, its parameters and its errors', () => {
  const ids = new Set<string>();
  for (const [name, endpoint] of Object.entries(CONTRACT) as [string, Endpoint][]) {
    const path = endpoint.path.replaceAll(/:([a-z_]+)/g, '{$1}');
    const operation = document.paths[path][endpoint.method.toLowerCase()];
    expect(operation).toMatchObject({ operationId: name, 'x-permission': endpoint.permission });
    expect(operation.responses.default.content['application/json'].schema.required).toEqual(['error']);
    ids.add(operation.operationId);
    const inPath = [...path.matchAll(/\{([a-z_]+)\}/g)].map(([, parameter]) => parameter);
    const told = (operation.parameters ?? []).filter((one: { in: string }) => one.in === 'path');
    expect(told.map((one: { name: string }) => one.name)).toEqual(inPath);
    expect(told.every((one: { required: boolean; schema?: object }) => one.required && one.schema)).toBe(
      true,
    );
    // What stands in the path is not asked for once more in the body.
    const body = operation.requestBody?.content['application/json'].schema.properties ?? {};
    expect(Object.keys(body).filter((field) => inPath.includes(field))).toEqual([]);
  }
  expect(ids.size).toBe(Object.keys(CONTRACT).length);
});

test('the page runs one named script and loads nothing from elsewhere', async () => {
  const answer = await fetch(`${gateway.url}/api/docs`);
  const html = await answer.text();
  const policy = answer.headers.get('content-security-policy') ?? '';
  const nonce = /script-src 'nonce-([^']+)'/.exec(policy)?.[1] ?? 'none';
  expect(html.match(/<script/g)).toHaveLength(html.split(`nonce="${nonce}"`).length - 1);
  expect(html).not.toMatch(/https?:\/\//);
  expect(policy).not.toMatch(/script-src[^;]*unsafe|https?:/);
  expect((await (await fetch(`${gateway.url}/api/docs`)).text()).includes(nonce)).toBe(false);
  const script = await fetch(`${gateway.url}/api/docs/js/scalar.js`);
  expect(script.headers.get('content-type')).toContain('javascript');
  expect((await script.text()).length).toBeGreaterThan(100_000);
});
