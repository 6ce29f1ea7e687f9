import { createHash } from 'node:crypto';
import type { ChatRequest, JsonObject } from '../core/model/index.ts';
import type { Guarded } from './exchange.ts';
import { KEPT_FIELDS } from './kept-state.ts';
import type { CachePolicy } from './runtime.ts';

/** JSON with sorted keys, so that equal requests have equal texts however they were written. */
function stable(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => stable(item ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  // A number that a double cannot hold is kept as its text.
  if (isRawJson(value)) return JSON.stringify(value);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${stable(field)}`);
  return `{${fields.join(',')}}`;
}

function isRawJson(value: object): boolean {
  return (JSON as unknown as { isRawJSON(of: unknown): boolean }).isRawJSON(value);
}

/** Who shares answers: never across an organization, and a key alone where it belongs to nothing wider. */
function tenantOf({ principal }: Guarded, scope: CachePolicy['scope']): string {
  const { key, ownCredential } = principal;
  if (key === undefined) return `open\n${ownCredential ?? ''}`;
  const { organizationId, teamId, id } = key;
  if (scope === 'organization') return `organization\n${organizationId}`;
  if (scope === 'team' && teamId !== undefined) return `team\n${organizationId}\n${teamId}`;
  return `key\n${id}`;
}

/** State at a vendor, or an answer that comes later: what is said here is not the whole request. */
const STATEFUL = [...KEPT_FIELDS, 'background'] as const;

function isStateful(body: JsonObject): boolean {
  return STATEFUL.some((field) => body[field] !== undefined && body[field] !== null && body[field] !== false);
}

/** A server tool looks at the world, which changes. */
function looksOutside({ tools }: ChatRequest): boolean {
  return tools.some(({ type }) => type === 'server');
}

/** Under which keys an exchange may share an answer. */
export interface CacheKeys {
  /** Of the answer, whatever dialect asked for it. */
  readonly answer: string;
  /** Of the very bytes: the same dialect, stream or whole. */
  readonly flight: string;
}

/** The keys of a request that may be answered by another one's answer; `undefined` when it may not. */
export function cacheKeys(exchange: Guarded, policy: CachePolicy): CacheKeys | undefined {
  const { client, codec, runtime, grant, principal, body } = exchange;
  if (client.cache === 'no-store' || isStateful(body)) return undefined;
  const request = exchange.decoded();
  const { temperature, seed } = request.sampling;
  if (policy.onlyDeterministic && temperature !== 0 && seed === undefined) return undefined;
  if (looksOutside(request)) return undefined;
  const { stream: _, includeUsage: __, ...asked } = request;
  const hash = createHash('sha256');
  const parts = [
    tenantOf(exchange, policy.scope),
    runtime.hash,
    grant.route.name,
    grant.objective ?? '',
    // What may be asked and where it may be answered: no cache goes around a policy.
    stable({
      ...principal.policy,
      models: [],
      tools: [],
      parameters: [],
      regions: [...(principal.policy.regions ?? ['*'])],
    }),
    stable({ regions: client.regions, forward: client.forward, fallback: client.fallback }),
    stable(asked),
  ];
  for (const part of parts) hash.update(`${part.length}\n${part}`);
  const answer = hash.digest('base64url');
  const { stream, includeUsage } = exchange.envelope;
  return { answer, flight: `${answer} ${codec.id} ${stream} ${includeUsage} ${client.version ?? ''}` };
}
