import { type Case, type ErrorShape, shapeOf } from './case.ts';
import type { Got, Secrets } from './world.ts';

/** What is wrong with an answer; an empty list is a pass. */
export type Fault = string;

/** Stack frames, source files, folders of this machine, modules. */
const INSIDES =
  /\n\s+at |node:internal|\.ts:\d+|\/node_modules\/|\/src\/[a-z]+\/|\/home\/|\/tmp\/|\/root\/|ENOENT|SQLITE/;

interface ErrorBody {
  readonly type?: unknown;
  readonly error?: {
    readonly message?: unknown;
    readonly type?: unknown;
    readonly code?: unknown;
    readonly status?: unknown;
  };
}

const SHAPES: Readonly<Record<ErrorShape, (body: ErrorBody) => boolean>> = {
  openai: ({ error }) => typeof error?.message === 'string' && typeof error.type === 'string',
  anthropic: ({ type, error }) =>
    type === 'error' && typeof error?.message === 'string' && typeof error.type === 'string',
  gemini: ({ error }) =>
    typeof error?.message === 'string' && typeof error.code === 'number' && typeof error.status === 'string',
  admin: ({ error }) => typeof error?.message === 'string' && typeof error.code === 'string',
};

function parse(text: string): ErrorBody | undefined {
  try {
    const body = JSON.parse(text) as unknown;
    return typeof body === 'object' && body !== null ? body : undefined;
  } catch {
    return undefined;
  }
}

/** Secrets and insides in a text. */
export function leaks(text: string, secrets: Secrets): Fault[] {
  const { provider, admin, key } = secrets;
  const found = Object.entries({ provider, admin, key })
    .filter(([, secret]) => text.includes(secret))
    .map(([name]) => `leaks the ${name} secret`);
  return INSIDES.test(text) ? [...found, `shows insides: ${INSIDES.exec(text)?.[0]}`] : found;
}

/** Whether the answer names the field that was wrong. */
export function namesField({ field }: Case, got: Got): boolean {
  return field === undefined || got.text.toLowerCase().includes(field.toLowerCase());
}

const isData = (path: string) => /^\/(v1|v1beta|openai|anthropic|gemini|passthrough)(\/|$)/.test(path);

/** Checks one answer of the gateway against what its case demands. */
export function judge(given: Case, got: Got, secrets: Secrets): Fault[] {
  const faults = leaks(`${JSON.stringify(got.headers)}\n${got.text}`, secrets);
  const wanted = given.status ?? Array.from({ length: 100 }, (_, index) => 400 + index);
  const lawful = given.mayPass === true ? got.status < 500 : wanted.includes(got.status);
  if (!lawful) faults.push(`status ${got.status}`);
  if (isData(given.path) && got.headers['x-sluice-request-id'] === undefined) faults.push('no request id');
  if (got.status < 400) return faults;
  const body = parse(got.text);
  const shape = shapeOf(given.path);
  const known = shape !== 'admin' && isData(given.path) ? SHAPES[shape] : SHAPES.admin;
  if (given.method !== 'HEAD' && (body === undefined || !known(body))) {
    faults.push(`no ${shape} error: ${got.text.slice(0, 120)}`);
  }
  if (isData(given.path) && got.headers['x-sluice-error'] === undefined) faults.push('no x-sluice-error');
  return faults;
}
