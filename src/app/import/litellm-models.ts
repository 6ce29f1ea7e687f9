import { type Draft, isModelName, perMillion, type Tree, variableName, whole } from './draft.ts';
import type { Ledger, Part } from './source.ts';
import { keyVariable, needsAddress, vendorOf, vendorOfModel } from './vendors.ts';

/** What the parts of this importer share. */
export interface Importing {
  readonly draft: Draft;
  readonly ledger: Ledger;
}

/** Deployments that only some tags may use, by model. */
export type TaggedModels = Map<string, Map<string, Tree[]>>;

/** What people write where a key is asked for and none is needed. */
const NO_KEY = /^(none|null|empty|dummy|fake(-?key)?|anything|not-needed|no-key|sk-1234|-+)$/i;

const ENVIRONMENT = /^os\.environ\/([A-Za-z_][A-Za-z0-9_]*)$/;

/** Settings of a deployment that a gateway of ours does not keep, and what is there instead. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  temperature: 'Sluice sends what the client sent; a policy can bound parameters.',
  top_p: 'Sluice sends what the client sent; a policy can bound parameters.',
  max_tokens: 'Sluice sends what the client sent; a policy can set `max_output_tokens`.',
  max_completion_tokens: 'Sluice sends what the client sent; a policy can set `max_output_tokens`.',
  drop_params: 'not needed: what a vendor cannot take is left out and named in `x-sluice-dropped`.',
  max_retries: 'tries belong to a model here; see `models.NAME.retries`.',
  num_retries: 'tries belong to a model here; see `models.NAME.retries`.',
  mock_response: 'use the simulator (`sluice simulate`) instead.',
  use_in_pass_through: 'every provider can be reached under /passthrough/NAME/.',
  cache_control_injection_points: 'prompt-cache marks are the client’s.',
  litellm_credential_name:
    'credentials of its database are not in this file; give the provider an `api_key`.',
  aws_role_name: 'roles are not assumed; give keys, or let the environment sign.',
  aws_session_name: 'roles are not assumed; give keys, or let the environment sign.',
  aws_profile_name: 'profiles are not read; give keys, or let the environment sign.',
  tenant_id: 'Entra ID sign-in is not built; use the resource’s key.',
  client_id: 'Entra ID sign-in is not built; use the resource’s key.',
  client_secret: 'Entra ID sign-in is not built; use the resource’s key.',
  azure_ad_token: 'Entra ID sign-in is not built; use the resource’s key.',
  model_info: 'is kept for LiteLLM’s own pages.',
};

/** `provider/model` taken apart; the vendor is ours, or the reason why there is none. */
function readModel(params: Part): { vendor: string; model: string } | { why: string } {
  const full = params.text('model') ?? '';
  const custom = params.text('custom_llm_provider');
  if (full === '') return { why: 'names no `model`.' };
  const slash = full.indexOf('/');
  const prefix = custom ?? (slash > 0 ? full.slice(0, slash) : undefined);
  const named = prefix === undefined ? undefined : vendorOf(prefix);
  if (named !== undefined) {
    const rest = full.startsWith(`${prefix}/`) ? full.slice(slash + 1) : full;
    // `bedrock/converse/…`, `bedrock/us-east-1/…` and `azure/responses/…` hold a route besides the model.
    return { vendor: named, model: rest.replace(/^(converse|invoke|responses|chat)\//, '') };
  }
  const made = vendorOfModel(full);
  if (made !== undefined) return { vendor: made, model: full };
  return {
    why:
      prefix === undefined
        ? 'names no provider, and the model’s maker is not known; write it as provider/model.'
        : 'names a provider Sluice does not have; if it speaks OpenAI’s API, use `openai/` with `api_base`.',
  };
}

/** A text that may name a variable; a literal secret is moved into one. */
function reference(
  { draft }: Importing,
  part: Part,
  want: { readonly key: string; readonly use: 'secret' | 'url' | 'text'; readonly name: string },
): string | undefined {
  const text = part.text(want.key);
  if (text === undefined) return undefined;
  const variable = ENVIRONMENT.exec(text)?.[1];
  if (variable !== undefined) return draft.variable(variable, want.use);
  if (want.use === 'secret' && NO_KEY.test(text)) return undefined;
  if (want.use !== 'secret') return text.replaceAll('${', '$${');
  return draft.moved(want.name, 'secret', part.at(want.key));
}

const AWS: readonly (readonly [theirs: string, ours: string, use: 'secret' | 'text'])[] = [
  ['aws_access_key_id', 'access_key_id', 'secret'],
  ['aws_secret_access_key', 'secret_access_key', 'secret'],
  ['aws_session_token', 'session_token', 'secret'],
  ['vertex_project', 'project', 'text'],
];

function credentialsOf(importing: Importing, params: Part): Tree | undefined {
  const found: Tree = {};
  for (const [theirs, ours, use] of AWS) {
    const value = reference(importing, params, { key: theirs, use, name: variableName(theirs) });
    if (value !== undefined) found[ours] = value;
  }
  const vertex = params.take('vertex_credentials');
  if (typeof vertex === 'string' && vertex !== '') {
    const variable = ENVIRONMENT.exec(vertex)?.[1];
    if (variable !== undefined) {
      found['service_account_json'] = importing.draft.variable(variable, 'secret');
    } else if (vertex.trimStart().startsWith('{')) {
      const at = params.at('vertex_credentials');
      found['service_account_json'] = importing.draft.moved('GOOGLE_SERVICE_ACCOUNT_JSON', 'secret', at);
    } else found['service_account_file'] = vertex;
  } else if (vertex !== undefined && vertex !== null) {
    const at = params.at('vertex_credentials');
    found['service_account_json'] = importing.draft.moved('GOOGLE_SERVICE_ACCOUNT_JSON', 'secret', at);
  }
  return Object.keys(found).length === 0 ? undefined : found;
}

/** Where the vendor's own address is given explicitly, it is still the vendor. */
function typeFor(vendor: string, base: string | undefined, version: string | undefined): string {
  const dated = version === undefined ? undefined : DATED_SURFACES.get(vendor);
  if (dated !== undefined) return dated;
  const foreign = base !== undefined && !base.includes('api.openai.com');
  return OPEN_APIS.has(vendor) && foreign ? 'openai-compatible' : vendor;
}

/** Vendors whose surface with dated versions is an entry of its own. */
const DATED_SURFACES: ReadonlyMap<string, string> = new Map([['azure', 'azure-deployments']]);

/** Vendors whose API others speak: with another address it is one of those. */
const OPEN_APIS: ReadonlySet<string> = new Set(['openai']);

/** Hosts on private networks need a word of their own. */
const PRIVATE_HOST =
  /^https?:\/\/(\[?::1\]?|localhost|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|[a-z0-9-]+(:\d+)?(\/|$)|[^/]+\.(local|internal|svc|lan)(:|\/|$)|host\.docker\.internal)/i;

/** The provider entry of a deployment; `undefined`, with a note, where it cannot be reached. */
function providerOf(importing: Importing, params: Part, vendor: string): string | undefined {
  const { draft, ledger } = importing;
  const base =
    reference(importing, params, { key: 'api_base', use: 'url', name: '' }) ??
    reference(importing, params, { key: 'base_url', use: 'url', name: '' });
  const version = reference(importing, params, { key: 'api_version', use: 'text', name: '' });
  const type = typeFor(vendor, base, version);
  if (base === undefined && needsAddress(type)) {
    ledger.unmapped(params.at('api_base'), 'is missing, and this provider has no address of its own.');
    return undefined;
  }
  const usual = keyVariable(type);
  const key = reference(importing, params, {
    key: 'api_key',
    use: 'secret',
    name: usual ?? `${variableName(type)}_API_KEY`,
  });
  const credentials = credentialsOf(importing, params);
  const region =
    reference(importing, params, { key: 'aws_region_name', use: 'text', name: '' }) ??
    reference(importing, params, { key: 'vertex_location', use: 'text', name: '' }) ??
    reference(importing, params, { key: 'region_name', use: 'text', name: '' });
  const headers = headersOf(importing, params);
  const apiKey =
    key ?? (usual === undefined || credentials !== undefined ? undefined : draft.variable(usual, 'secret'));
  const settings: Tree = {
    ...(base === undefined ? {} : { base_url: base.replace(/\/+$/, '') }),
    ...(apiKey === undefined ? {} : { api_key: apiKey }),
    ...(credentials === undefined ? {} : { credentials }),
    ...(region === undefined ? {} : { region }),
    ...(version === undefined ? {} : { api_version: version }),
    ...(headers === undefined ? {} : { headers }),
    ...(base !== undefined && PRIVATE_HOST.test(base) ? { allow_private_network: true } : {}),
  };
  if (version !== undefined) {
    ledger.approximated(
      params.at('api_version'),
      'providers.NAME.api_version',
      'kept; the surface has its own dated version.',
    );
  }
  return draft.provider({ type, settings });
}

function headersOf(importing: Importing, params: Part): Tree | undefined {
  const headers: Tree = {};
  const organization = params.text('organization');
  if (organization !== undefined && !ENVIRONMENT.test(organization))
    headers['openai-organization'] = organization;
  const extra = params.part('extra_headers') ?? params.part('headers');
  for (const name of extra?.keys ?? []) {
    const value = extra?.text(name);
    if (extra === undefined || value === undefined) continue;
    const variable = ENVIRONMENT.exec(value)?.[1];
    headers[name] =
      variable === undefined
        ? importing.draft.moved(variableName(`HEADER_${name}`), 'secret', extra.at(name))
        : importing.draft.variable(variable, 'secret');
  }
  return Object.keys(headers).length === 0 ? undefined : headers;
}

function limitsOf(params: Part): Tree | undefined {
  const limits = {
    rpm: whole(params.number('rpm'), 1, 1e9),
    tpm: whole(params.number('tpm'), 1, 1e12),
    concurrency: whole(params.number('max_parallel_requests'), 1, 1e9),
  };
  const set = Object.entries(limits).filter(([, value]) => value !== undefined);
  return set.length === 0 ? undefined : Object.fromEntries(set);
}

const PRICES: readonly (readonly [theirs: string, ours: string])[] = [
  ['input_cost_per_token', 'input_usd_per_mtok'],
  ['output_cost_per_token', 'output_usd_per_mtok'],
  ['cache_read_input_token_cost', 'cache_read_usd_per_mtok'],
  ['cache_creation_input_token_cost', 'cache_write_usd_per_mtok'],
  ['input_cost_per_character', 'input_usd_per_mchar'],
];

function priceOf(params: Part, info: Part | undefined): Tree | undefined {
  const price: Tree = {};
  for (const [theirs, ours] of PRICES) {
    const own = params.number(theirs);
    const told = info?.number(theirs);
    const cost = own ?? told;
    if (cost !== undefined && cost >= 0 && cost < 1) price[ours] = perMillion(cost);
  }
  const second = params.number('input_cost_per_second') ?? info?.number('input_cost_per_second');
  if (second !== undefined && second >= 0 && second < 1)
    price['audio_usd_per_minute'] = perMillion((second * 60) / 1e6);
  return Object.keys(price).length === 0 ? undefined : price;
}

function timeoutsOf(params: Part): Tree | undefined {
  const total = whole((params.number('timeout') ?? Number.NaN) * 1000, 1, 86_400_000);
  const first = whole((params.number('stream_timeout') ?? Number.NaN) * 1000, 1, 86_400_000);
  if (total === undefined && first === undefined) return undefined;
  const bounded = first ?? (total !== undefined && total < 60_000 ? total : undefined);
  return {
    ...(total === undefined ? {} : { total_ms: Math.max(total, first ?? 0) }),
    ...(bounded === undefined ? {} : { first_byte_ms: bounded }),
    ...(total !== undefined && total < 5000 ? { connect_ms: total } : {}),
  };
}

/** What `model_info` says about the model as a whole. */
function readInfo(entry: Part, model: Tree, { ledger }: Importing): Part | undefined {
  const info = entry.part('model_info');
  if (info === undefined) return undefined;
  const context = whole(info.number('max_input_tokens'), 1, 1e9);
  const output = whole(info.number('max_output_tokens') ?? info.number('max_tokens'), 1, 1e9);
  if (context !== undefined) model['context_window_tokens'] = context;
  if (output !== undefined) model['max_output_tokens'] = output;
  if (context !== undefined) ledger.mapped(info.at('max_input_tokens'), 'models.NAME.context_window_tokens');
  info.take('id');
  info.take('mode');
  info.take('max_tokens');
  return info;
}

/** A name with a provider's wildcard: every model of a provider is reachable as `provider/model` without an entry. */
function wildcard(
  { draft, ledger }: Importing,
  entry: Part,
  { name, provider }: { readonly name: string; readonly provider: string },
): boolean {
  if (!name.includes('/') || !name.endsWith('/*')) return false;
  const wanted = name.slice(0, -2);
  const settings = draft.providers[provider];
  if (wanted === provider) {
    ledger.mapped(entry.at('model_name'), `providers.${provider}: all of its models as ${provider}/MODEL`);
  } else if (
    settings !== undefined &&
    /^[a-z0-9][a-z0-9._-]{0,63}$/.test(wanted) &&
    draft.providers[wanted] === undefined
  ) {
    draft.providers[wanted] = { type: settings['type'] ?? provider, ...settings };
    ledger.mapped(entry.at('model_name'), `providers.${wanted}: all of its models as ${wanted}/MODEL`);
  } else {
    ledger.approximated(
      entry.at('model_name'),
      `providers.${provider}`,
      `its models are ${provider}/MODEL here.`,
    );
  }
  return true;
}

interface EntryParts {
  readonly params: Part;
  readonly entry: Part;
  /** What is told of the model as a whole is put here. */
  readonly model: Tree;
}

function deploymentOf(importing: Importing, { params, entry, model }: EntryParts): Tree | undefined {
  const read = readModel(params);
  if ('why' in read) {
    importing.ledger.unmapped(params.at('model'), read.why);
    return undefined;
  }
  const provider = providerOf(importing, params, read.vendor);
  if (provider === undefined) return undefined;
  const info = readInfo(entry, model, importing);
  const weight = params.number('weight');
  const order = whole(params.number('order'), 0, 1e6);
  const limits = limitsOf(params);
  const price = priceOf(params, info);
  const timeouts = timeoutsOf(params);
  info?.rest({
    base_model: 'prices come from the catalog by the model’s own name; set `price` on the deployment.',
    access_groups: 'groups of models are not kept; give keys and teams a list of `models`.',
    supports_vision: 'is known from the catalog.',
    supports_function_calling: 'is known from the catalog.',
  });
  return {
    provider,
    model: read.model.endsWith('*') ? '*' : read.model,
    ...(weight !== undefined && weight > 0 ? { weight } : {}),
    ...(order === undefined ? {} : { priority: order }),
    ...(limits === undefined ? {} : { limits }),
    ...(price === undefined ? {} : { price }),
    ...(timeouts === undefined ? {} : { timeouts }),
  };
}

/** One entry of `model_list`. */
function importEntry(importing: Importing, entry: Part, tagged: TaggedModels): void {
  const { draft, ledger } = importing;
  const name = entry.text('model_name');
  const params = entry.part('litellm_params');
  if (name === undefined || params === undefined) {
    ledger.unmapped(entry.path, `has no \`${name === undefined ? 'model_name' : 'litellm_params'}\`.`);
    return;
  }
  if (!isModelName(name)) {
    ledger.unmapped(
      entry.at('model_name'),
      'is no model name here: letters, digits and . _ : / @ + - are taken.',
    );
    return;
  }
  const about: Tree = {};
  const deployment = deploymentOf(importing, { params, entry, model: about });
  const tags = params.texts('tags') ?? [];
  params.rest(LEFT_OUT);
  entry.rest();
  if (deployment === undefined) return;
  if (wildcard(importing, entry, { name, provider: String(deployment['provider']) })) return;
  if (String(deployment['model']).includes('*') !== name.includes('*')) {
    ledger.unmapped(
      entry.at('model_name'),
      'joins a pattern with a single model; write both with * or both without.',
    );
    return;
  }
  const model = draft.model(name);
  Object.assign(model, about);
  ledger.mapped(entry.path, `models.${name}`);
  if (tags.length === 0 || tags.includes('default')) (model['deployments'] as Tree[]).push(deployment);
  for (const tag of tags.filter((one) => one !== 'default')) {
    const byTag = tagged.get(name) ?? new Map<string, Tree[]>();
    tagged.set(name, byTag.set(tag, [...(byTag.get(tag) ?? []), deployment]));
  }
}

/** `model_list`: names, deployments, providers, prices and limits. */
export function importModels(importing: Importing, root: Part): TaggedModels {
  const tagged: TaggedModels = new Map();
  for (const entry of root.parts('model_list') ?? []) importEntry(importing, entry, tagged);
  return tagged;
}
