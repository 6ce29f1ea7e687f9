import { isMap } from '../config/paths.ts';
import { breakCircles } from './circles.ts';
import { Draft, isModelName, providerName, type Tree, variableName, whole } from './draft.ts';
import type { Imported } from './litellm.ts';
import { conditionOf } from './portkey-conditions.ts';
import { ImportFault, Ledger, Part } from './source.ts';
import { keyVariable, needsAddress, vendorOf, vendorOfModel, vendorWithin } from './vendors.ts';

/** Which vendor a virtual key or `@slug` belongs to, where its name does not tell. */
export type VendorHints = ReadonlyMap<string, string>;

interface Work {
  readonly draft: Draft;
  readonly ledger: Ledger;
  readonly hints: VendorHints;
}

const LEFT_OUT: Readonly<Record<string, string>> = {
  on_status_codes:
    'what is tried again and where follows from the cause of the failure; see docs/guides/failover.md.',
  strategy: 'is read where it has a `mode`.',
  input_guardrails: 'write them anew under `guardrails`.',
  output_guardrails: 'write them anew under `guardrails`.',
  before_request_hooks: 'write them anew under `guardrails`.',
  after_request_hooks: 'write them anew under `guardrails`.',
  forward_headers: 'clients’ headers are not forwarded; give the provider `headers`.',
  metadata: 'clients send `x-sluice-metadata` and `x-sluice-tags`.',
  trace_id: 'clients send `x-request-id`.',
  custom_host: 'belongs to a target: it is no target’s here.',
  virtual_key: 'belongs to a target: it is no target’s here.',
  resource_name: 'the address of an Azure resource stands in `base_url`.',
  deployment_id: 'a deployment of Azure is its `model` here.',
  aws_bedrock_guardrail: 'write it anew under `guardrails`.',
  strict_open_ai_compliance: 'answers keep to the client’s dialect always.',
};

/** Nesting taken. */
const MAX_DEPTH = 8;

/** A provider's slug: `virtual_key`, or `provider` written as `@slug`. */
function slugOf(target: Part): string | undefined {
  const provider = target.text('provider');
  const key = target.text('virtual_key');
  return key ?? provider;
}

function providerOf(work: Work, target: Part, model: string | undefined): string | undefined {
  const { draft, ledger, hints } = work;
  const slug = slugOf(target)?.replace(/^@/, '');
  const plain = slug?.split('/')[0];
  if (plain === undefined) {
    ledger.unmapped(target.path || '(file)', 'names no `provider` and no `virtual_key`.');
    return undefined;
  }
  const type =
    hints.get(plain) ??
    vendorOf(plain) ??
    vendorWithin(plain) ??
    (model === undefined ? undefined : vendorOfModel(model));
  const host = target.text('custom_host');
  const vendor = type ?? (host === undefined ? undefined : 'openai-compatible');
  if (vendor === undefined || (needsAddress(vendor) && host === undefined)) {
    const why =
      vendor === undefined
        ? `its vendor is not known from the name; say it with --provider ${providerName(plain)}=VENDOR.`
        : 'this vendor has no address of its own, and there is no `custom_host`.';
    ledger.unmapped(target.at(target.has('virtual_key') ? 'virtual_key' : 'provider'), why);
    return undefined;
  }
  const name = vendorOf(plain) === undefined ? plain : undefined;
  const usual = keyVariable(vendor);
  const own = name === undefined ? usual : `${variableName(plain)}_API_KEY`;
  const literal = target.text('api_key');
  const apiKey =
    literal !== undefined
      ? draft.moved(own ?? `${variableName(plain)}_API_KEY`, 'secret', target.at('api_key'))
      : usual === undefined
        ? undefined
        : draft.variable(own ?? usual, 'secret');
  const { credentials, region } = awsOf(work, target);
  return draft.provider({
    type: vendor,
    name,
    settings: {
      ...(host === undefined ? {} : { base_url: host.replace(/\/+$/, '') }),
      ...(credentials === undefined ? (apiKey === undefined ? {} : { api_key: apiKey }) : { credentials }),
      ...(region === undefined ? {} : { region }),
    },
  });
}

/** What a target says of its AWS account; secrets become variables. */
function awsOf(
  { draft }: Work,
  target: Part,
): { readonly credentials: Tree | undefined; readonly region: string | undefined } {
  const found: Tree = {};
  for (const name of ['access_key_id', 'secret_access_key', 'session_token']) {
    const key = `aws_${name}`;
    if (target.text(key) !== undefined)
      found[name] = draft.moved(variableName(key), 'secret', target.at(key));
  }
  return {
    credentials: Object.keys(found).length === 0 ? undefined : found,
    region: target.text('aws_region'),
  };
}

interface Flat {
  readonly deployment: Tree;
  readonly priority: number;
}

/** Turns a target into a deployment; `undefined` for one that cannot be mapped. */
type Leaf = (target: Part, place: { readonly weight: number; readonly priority: number }) => Tree | undefined;

function modeOf(part: Part): string {
  const strategy = part.part('strategy');
  const mode = strategy?.text('mode');
  strategy?.take('conditions');
  strategy?.take('default');
  strategy?.rest(LEFT_OUT);
  return mode ?? 'single';
}

interface Place {
  readonly weight: number;
  readonly priority: number;
  readonly depth: number;
  readonly leaf: Leaf;
}

/** Nested targets as one list of deployments: weights inside a group, groups one after the other. */
function flatten(work: Work, part: Part, place: Place): readonly Flat[] {
  const targets = part.parts('targets');
  if (targets === undefined) {
    const deployment = place.leaf(part, place);
    return deployment === undefined ? [] : [{ deployment, priority: place.priority }];
  }
  work.ledger.approximated(
    part.at('targets'),
    'models.NAME.deployments',
    'one list with weights and priorities: what is left of a lower priority takes over for all that is above it.',
  );
  if (place.depth >= MAX_DEPTH) {
    work.ledger.unmapped(part.path, `targets are nested more than ${MAX_DEPTH} levels deep.`);
    return [];
  }
  const falls = modeOf(part) === 'fallback';
  const sum = targets.reduce((total, target) => total + weightOf(target), 0) || 1;
  let priority = place.priority;
  return targets.flatMap((target) => {
    const weight = falls ? place.weight : (place.weight * weightOf(target)) / sum;
    const { depth, leaf } = place;
    const found = weight <= 0 ? [] : flatten(work, target, { weight, priority, depth: depth + 1, leaf });
    if (weight <= 0) work.ledger.mapped(target.at('weight'), 'left out: its weight is 0');
    // A target that could not be mapped leaves no gap: the next one takes its place.
    if (falls && found.length > 0) priority = Math.max(...found.map((one) => one.priority)) + 1;
    return found;
  });
}

function weightOf(target: Part): number {
  const weight = target.number('weight');
  return weight === undefined || weight < 0 ? 1 : weight;
}

/** `retry`, `cache` and `request_timeout`, which may stand at the top or at a target. */
function readControls(work: Work, part: Part, model: Tree): void {
  const { draft, ledger } = work;
  const retry = part.part('retry');
  const attempts = whole(retry?.number('attempts'), 0, 10);
  retry?.rest(LEFT_OUT);
  if (attempts !== undefined && retry !== undefined) {
    model['retries'] = { attempts };
    ledger.mapped(retry.at('attempts'), 'models.NAME.retries.attempts');
  }
  const timeout = whole(part.number('request_timeout'), 1, 86_400_000);
  if (timeout !== undefined) {
    const short = { first_byte_ms: Math.min(timeout, 60_000), connect_ms: Math.min(timeout, 5000) };
    model['timeouts'] = { ...(timeout < 60_000 ? short : {}), total_ms: timeout };
    ledger.mapped(part.at('request_timeout'), 'models.NAME.timeouts.total_ms');
  }
  const cache = part.part('cache');
  const mode = cache?.text('mode') ?? part.text('cache');
  const age = whole(cache?.number('max_age'), 1, 31_536_000);
  cache?.rest();
  if (mode === undefined) return;
  draft.sections['cache'] = {
    exact: { enabled: true, ...(age === undefined ? {} : { ttl_s: age }), only_deterministic: false },
  };
  const why =
    mode === 'semantic'
      ? 'equal requests only; the semantic cache is not built yet.'
      : 'for every model, apart for each team.';
  ledger.approximated(part.at('cache'), 'cache.exact', why);
}

function deploymentOf(
  work: Work,
  target: Part,
  { weight, priority }: { readonly weight: number; readonly priority: number },
): Tree | undefined {
  const override = target.part('override_params');
  const given = override?.text('model');
  override?.rest({
    max_tokens: 'Sluice sends what the client sent; a policy can set `max_output_tokens`.',
    temperature: 'Sluice sends what the client sent; a policy can bound parameters.',
  });
  // `@slug/model` names the provider once more.
  const model = given?.replace(/^@[^/]+\//, '');
  const provider = providerOf(work, target, model);
  target.take('name');
  target.take('weight');
  if (provider === undefined) return undefined;
  if (model !== undefined && !isModelName(model)) {
    work.ledger.unmapped(target.at('override_params'), 'its model is no model name.');
    return undefined;
  }
  return { provider, model: model ?? '*', weight: Number(weight.toPrecision(6)), priority };
}

/** One plain configuration as one model. Answers the model's name. */
function importModel(work: Work, part: Part, name: string): string | undefined {
  const { draft, ledger } = work;
  const mode = modeOf(part);
  const known = ['single', 'loadbalance', 'fallback'].includes(mode);
  if (!known) {
    ledger.unmapped(part.at('strategy'), 'is no strategy Sluice has here.');
    return undefined;
  }
  const model: Tree = {};
  readControls(work, part, model);
  const leaf: Leaf = (target, place) => {
    if (target !== part) readControls(work, target, model);
    const deployment = deploymentOf(work, target, place);
    target.rest(LEFT_OUT);
    return deployment;
  };
  const deployments = flattenTop(work, part, { mode, leaf }).map(({ deployment }) => deployment);
  part.rest(LEFT_OUT);
  const passing = deployments.filter((deployment) => deployment['model'] === '*').length;
  if (deployments.length === 0) return undefined;
  const own = passing > 0 ? '*' : name;
  if (passing > 0 && passing < deployments.length) {
    ledger.unmapped(
      part.path || '(file)',
      'some targets name a model and some take the client’s; only those that name one are kept.',
    );
  }
  const kept =
    passing > 0 && passing < deployments.length
      ? deployments.filter((one) => one['model'] !== '*')
      : deployments;
  const final = kept === deployments ? own : name;
  if (Object.hasOwn(draft.models, final)) {
    ledger.unmapped(
      part.path || '(file)',
      'only one configuration can take whatever model clients name; give the others an `override_params.model`.',
    );
    return undefined;
  }
  draft.models[final] = {
    deployments: kept,
    strategy: mode === 'fallback' && !hasGroups(kept) ? 'priority' : 'weighted',
    ...model,
  };
  ledger.mapped(part.path || '(file)', `models.${final}`);
  return final;
}

/** Whether several deployments share a priority and one of them is not alone. */
function hasGroups(deployments: readonly Tree[]): boolean {
  return new Set(deployments.map((one) => one['priority'])).size < deployments.length;
}

function flattenTop(
  work: Work,
  part: Part,
  { mode, leaf }: { readonly mode: string; readonly leaf: Leaf },
): readonly Flat[] {
  const targets = part.parts('targets');
  if (targets === undefined) return flatten(work, part, { weight: 1, priority: 1, depth: 0, leaf });
  if (mode === 'single') {
    for (const extra of targets.slice(1))
      work.ledger.unmapped(extra.path, 'is never used: the strategy is `single`.');
  }
  const used = mode === 'single' ? targets.slice(0, 1) : targets;
  const sum = used.reduce((total, target) => total + weightOf(target), 0) || 1;
  let priority = 1;
  return used.flatMap((target) => {
    const weight = mode === 'loadbalance' ? (weightOf(target) / sum) * 100 : 1;
    if (weight <= 0) {
      work.ledger.unmapped(target.path, 'has the weight 0 and gets no traffic.');
      return [];
    }
    const found = flatten(work, target, { weight, priority, depth: 1, leaf });
    if (mode === 'fallback' && found.length > 0)
      priority = Math.max(priority, ...found.map((one) => one.priority)) + 1;
    return found;
  });
}

/** A conditional configuration as a router over one model for each target. */
function importConditional(work: Work, part: Part, name: string): void {
  const { draft, ledger } = work;
  const strategy = part.part('strategy');
  const byName = new Map<string, string>();
  for (const [index, target] of (part.parts('targets') ?? []).entries()) {
    const own = target.text('name') ?? `target-${index + 1}`;
    const made = importModel(work, target, `${name}.${providerName(own)}`);
    if (made !== undefined && made !== '*') byName.set(own, made);
    else if (made === '*') {
      delete draft.models['*'];
      ledger.unmapped(target.path, 'names no model (`override_params.model`), which a router needs.');
    }
  }
  const rules = (strategy?.parts('conditions') ?? []).flatMap((condition) => {
    const then = condition.text('then');
    const use = then === undefined ? undefined : byName.get(then);
    const when = conditionOf(condition.take('query'));
    condition.rest();
    if (use !== undefined && typeof when === 'string') return [{ when, use }];
    ledger.unmapped(
      condition.path,
      use === undefined ? 'leads to a target that could not be mapped.' : when.toString(),
    );
    return [];
  });
  const fallback = byName.get(strategy?.text('default') ?? '') ?? [...byName.values()][0];
  strategy?.take('mode');
  strategy?.rest(LEFT_OUT);
  readControls(work, part, {});
  part.rest(LEFT_OUT);
  if (fallback === undefined) {
    ledger.unmapped(part.path || '(file)', 'no target could be mapped.');
    return;
  }
  draft.routers[name] = { mode: 'on', baseline: fallback, rules };
  ledger.mapped(part.at('strategy'), `routers.${name}`);
}

function importOne(work: Work, part: Part, name: string): void {
  const strategy = part.has('strategy') ? part.take('strategy') : undefined;
  if (isMap(strategy) && strategy['mode'] === 'conditional') importConditional(work, part, name);
  else importModel(work, part, name);
}

/** What several configurations in one file are called. */
function configsOf(root: Part, name: string): readonly { part: Part; name: string }[] {
  const list = root.parts('configs') ?? root.parts('data');
  if (list === undefined) return [{ part: root.part('config') ?? root, name }];
  return list.flatMap((entry, index) => {
    const own = entry.text('slug') ?? entry.text('name') ?? entry.text('id') ?? `${name}-${index + 1}`;
    const inner = entry.part('config') ?? entry;
    for (const key of entry.keys) if (key !== 'config' && inner !== entry) entry.take(key);
    return [{ part: inner, name: own }];
  });
}

function readVirtualKeys(root: Part, given: VendorHints): VendorHints {
  const hints = new Map(given);
  for (const key of root.parts('virtual_keys') ?? []) {
    const slug = key.text('slug') ?? key.text('name');
    const vendor = vendorOf(
      key.text('provider') ?? key.text('ai_provider_name') ?? key.text('ai_provider_id') ?? '',
    );
    if (slug !== undefined && vendor !== undefined) hints.set(slug, vendor);
    for (const field of key.keys) key.take(field);
  }
  return hints;
}

/**
 * A Portkey configuration (`strategy`, `targets`, `retry`, `cache`), several under `configs`, and with them a list of
 * `virtual_keys`. Throws {@link ImportFault} for anything else.
 * @param name what the configuration is called when it does not say
 */
export function importPortkey(tree: unknown, name: string, hints: VendorHints): Imported {
  const ledger = new Ledger();
  const draft = new Draft();
  const root = Part.root(Array.isArray(tree) ? { configs: tree } : tree, ledger, 'Portkey configuration');
  const all = { draft, ledger, hints: readVirtualKeys(root, hints) };
  const configs = configsOf(root, name);
  const telling = ['strategy', 'targets', 'provider', 'virtual_key', 'retry', 'cache', 'api_key'];
  if (!configs.some(({ part }) => telling.some((key) => part.has(key)))) {
    throw new ImportFault(
      'This is no Portkey configuration: it has no strategy, targets, provider or virtual_key.',
    );
  }
  for (const { part, name: own } of configs) {
    const safe = isModelName(own) && !own.includes('*') ? own : providerName(own);
    importOne(all, part, safe);
  }
  if (configs[0]?.part !== root) root.rest();
  breakCircles(draft, ledger);
  return { draft, ledger };
}
