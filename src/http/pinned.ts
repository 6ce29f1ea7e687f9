import { badRequest } from '../core/errors/error.ts';
import type { JsonObject } from '../core/model/index.ts';
import { patchTopLevel } from '../formats/patch-json.ts';
import { pinnedProvider } from '../pipeline/reach-provider.ts';
import type { ConfiguredProvider } from '../pipeline/runtime.ts';
import type { ObjectKind } from '../ports/owned-objects.ts';
import type { Action, Call } from './call.ts';
import { type Arrived, arrive, runDirect, searchOf } from './direct.ts';
import { ObjectIds } from './object-id.ts';

/** Where a pinned call goes, and what it says there. */
interface Pinned {
  readonly provider: ConfiguredProvider;
  /** Below the endpoint's own path, for example `/file-1/content`. */
  readonly below: string;
  readonly search: string;
  readonly raw: Buffer;
}

function namedProvider(call: Call): string | undefined {
  const value = call.request.headers['x-sluice-provider'];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The most that a list may be asked for at once, and how long it is unless the client says (API reference). */
const LIST_LIMITS = { files: { most: 10_000, usual: 10_000 }, batches: { most: 100, usual: 20 } } as const;

/** How many entries a client wants of a list. Throws `bad_request`. */
function wantedLimit(search: string, kind: ObjectKind): number {
  const { most, usual } = LIST_LIMITS[kind];
  const given = new URLSearchParams(search).get('limit');
  if (given === null) return usual;
  const limit = Number(given);
  if (!Number.isInteger(limit) || limit < 1 || limit > most) {
    throw badRequest('limit', `\`limit\` must be a whole number from 1 to ${most}.`);
  }
  return limit;
}

/** As much of the list as the provider gives at once: most of it is other keys'. */
function wholePage(search: string, kind: ObjectKind): string {
  const query = new URLSearchParams(search);
  query.set('limit', String(LIST_LIMITS[kind].most));
  return `?${query}`;
}

/** The query with a cursor turned into the provider's own id. */
function pageQuery(search: string, ids: ObjectIds, provider: string): string {
  const query = new URLSearchParams(search);
  const after = query.get('after');
  if (after === null) return search;
  query.set('after', ids.unwrap(after, [provider]).id);
  return `?${query}`;
}

function pin(
  call: Call,
  arrived: Arrived,
  given: { kind: ObjectKind; ids: ObjectIds; path: string },
): Pinned {
  const { kind, ids, path } = given;
  const { runtime, body, raw } = arrived;
  const named = namedProvider(call);
  const search = searchOf(call.request.url ?? '');
  const [, wrapped, verb = ''] = /^\/v1\/(?:files|batches)(?:\/([^/]+)(\/\w+)?)?$/.exec(path) ?? [];
  const input = kind === 'batches' && wrapped === undefined ? body?.['input_file_id'] : undefined;
  if (wrapped === undefined && input === undefined) {
    const provider = pinnedProvider(runtime, kind, named);
    return { provider, below: '', search: pageQuery(search, ids, provider.name), raw };
  }
  if (wrapped === undefined && typeof input !== 'string') {
    throw badRequest('input_file_id', '`input_file_id` must be the id of an uploaded file.');
  }
  const found = ids.unwrap(decodeURIComponent(wrapped ?? String(input)), runtime.providers.keys());
  if (named !== undefined && named !== found.provider) {
    throw badRequest('x-sluice-provider', `This id belongs to \`${found.provider}\`; leave the header out.`);
  }
  const provider = pinnedProvider(runtime, kind, found.provider);
  if (wrapped !== undefined) return { provider, below: `/${found.id}${verb}`, search, raw };
  return {
    provider,
    below: '',
    search,
    raw: patchTopLevel(raw, { input_file_id: JSON.stringify(found.id) }),
  };
}

/** `/v1/files` and `/v1/batches`: objects of one provider, told apart by their ids (see {@link ObjectIds}). */
export const pinned: Action = async (ports, call) => {
  const path = (call.request.url ?? '').split('?', 1)[0]?.replace(/^\/openai(?:\/v1)?\//, '/v1/') ?? '';
  const kind: ObjectKind = path.startsWith('/v1/files') ? 'files' : 'batches';
  const method = call.request.method ?? '';
  const arrived = await arrive(ports, call);
  const { key } = ports.admit(arrived.client, arrived.runtime);
  const ids = new ObjectIds(ports.objects, key?.id ?? '', kind);
  const { provider, below, search, raw } = pin(call, arrived, { kind, ids, path });
  // One list at the provider holds everybody's objects: a key sees those that came back to it.
  const shared = key !== undefined && method === 'GET' && below === '';
  const own = shared
    ? { owned: await ids.owned(provider.name), limit: wantedLimit(search, kind) }
    : undefined;
  const rewrite = (body: JsonObject): JsonObject =>
    own === undefined ? ids.wrapAll(body, provider.name) : ids.wrapOwn(body, provider.name, own);
  const creates = kind === 'batches' && method === 'POST' && below === '';
  await runDirect(ports, call, {
    arrived: { ...arrived, raw },
    format: `openai-${kind}`,
    operation: kind,
    free: !creates,
    target: {
      provider,
      method,
      path: `${provider.vendor.endpoints[kind]?.path ?? `/${kind}`}${below}`,
      search: shared ? wholePage(search, kind) : search,
      model: undefined,
      opaque: creates,
      // What a file holds is its owner's, also where it looks like an object.
      ...(path.endsWith('/content') ? {} : { rewrite }),
    },
  });
};
