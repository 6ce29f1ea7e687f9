import { isModelName, type Tree, whole } from './draft.ts';
import type { Importing, TaggedModels } from './litellm-models.ts';
import type { Part } from './source.ts';

const STRATEGIES: Readonly<Record<string, readonly [ours: string, why?: string]>> = {
  'simple-shuffle': ['weighted'],
  'least-busy': ['least_busy'],
  'latency-based-routing': ['lowest_latency'],
  'cost-based-routing': ['lowest_cost'],
  'usage-based-routing': ['least_busy', 'the least busy deployment is taken instead of the least used one.'],
  'usage-based-routing-v2': [
    'least_busy',
    'the least busy deployment is taken instead of the least used one.',
  ],
};

const FALLBACKS: readonly (readonly [theirs: string, ours: readonly string[]])[] = [
  ['fallbacks', ['fallbacks']],
  ['context_window_fallbacks', ['fallbacks_on', 'context_overflow']],
  ['content_policy_fallbacks', ['fallbacks_on', 'content_filter']],
];

const SETTINGS_LEFT_OUT: Readonly<Record<string, string>> = {
  callbacks: 'logs go to the exchange log, `/metrics` and `telemetry.otlp_endpoint`.',
  success_callback: 'logs go to the exchange log, `/metrics` and `telemetry.otlp_endpoint`.',
  failure_callback: 'logs go to the exchange log, `/metrics` and `telemetry.otlp_endpoint`.',
  drop_params: 'not needed: what a vendor cannot take is left out and named in `x-sluice-dropped`.',
  modify_params: 'not needed: requests are translated as a whole.',
  set_verbose: 'use `log.level`.',
  json_logs: 'logs are JSON lines already.',
  redis_host: 'shared state is not built yet; one node keeps its own.',
  redis_port: 'shared state is not built yet; one node keeps its own.',
  redis_password: 'shared state is not built yet; one node keeps its own.',
  redis_url: 'shared state is not built yet; one node keeps its own.',
  enable_pre_call_checks: 'always on: a deployment whose context is too short is passed over.',
  retry_policy: 'tries are decided by cause of failure; see docs/guides/failover.md.',
  allowed_fails_policy: 'circuits count by cause of failure; see docs/guides/failover.md.',
  model_group_retry_policy: 'tries are decided by cause of failure; see docs/guides/failover.md.',
  turn_off_message_logging: 'content is not logged by default; see `log.content`.',
  default_team_settings: 'give teams their settings with `sluice apply`.',
  guardrails: 'write them anew under `guardrails`; see docs/guides/.',
  routing_strategy_args: 'strategies have no settings of their own; see `strategy`.',
  telemetry: 'nothing is sent to anybody.',
  max_internal_user_budget: 'give users budgets with `sluice apply` (scope user, `*` for each).',
  internal_user_budget_duration: 'give users budgets with `sluice apply` (scope user, `*` for each).',
  default_internal_user_params: 'give users and teams their policies and budgets with `sluice apply`.',
  upperbound_key_generate_params: 'a team’s policy and budget bound the keys made in it.',
  default_key_generate_params: 'a team’s policy and budget bound the keys made in it.',
  max_end_user_budget: 'give end users a budget with `sluice apply` (scope end_user, `*` for each).',
  max_parallel_requests: 'see `limits.concurrency` of a provider, or a rate limit of a scope.',
  cache_params: 'answers are kept in this process.',
  redact_user_api_key_info: 'keys never stand in logs.',
  langfuse_default_tags: 'logs go to the exchange log, `/metrics` and `telemetry.otlp_endpoint`.',
  service_callback: 'logs go to the exchange log, `/metrics` and `telemetry.otlp_endpoint`.',
  s3_callback_params: 'logs go to the exchange log, `/metrics` and `telemetry.otlp_endpoint`.',
  force_ipv4: 'addresses are tried as the system orders them.',
  ssl_verify: 'certificates are always checked; add a private authority with NODE_EXTRA_CA_CERTS.',
  enable_tag_filtering: 'tags of deployments become a router; see docs/guides/importing.md.',
  stream_timeout: 'see `timeouts.first_byte_ms` and `timeouts.idle_ms`.',
  disable_cooldowns: 'see `circuit`.',
};

const GENERAL_LEFT_OUT: Readonly<Record<string, string>> = {
  database_url: 'data is kept in the data folder; keys and teams come along from an export of /key/list.',
  database_connection_pool_limit: 'there is no such pool.',
  store_model_in_db: 'models stand in this file; changes through the API are admin overrides.',
  alerting: 'budgets tell their thresholds in log and portal; there is no Slack sender.',
  alerting_threshold: 'see `timeouts` for slow answers.',
  proxy_batch_write_at: 'see `storage.batch_max_wait_ms`.',
  disable_spend_logs: 'every exchange is billed and logged; see `log.content` for what is kept.',
  ui_access_mode: 'who sees what is decided by roles.',
  enable_jwt_auth: 'see `sign_in` in the configuration reference.',
  litellm_jwtauth: 'see `sign_in` in the configuration reference.',
  background_health_checks: 'health is judged by real traffic.',
  health_check_interval: 'health is judged by real traffic.',
  custom_auth: 'custom code is not run.',
  max_parallel_requests: 'see `limits.concurrency` of a provider, or a rate limit of a scope.',
  max_request_size_mb: 'see `server.max_body_mb`.',
  budget_rescheduler: 'budgets begin anew by themselves.',
  proxy_budget_rescheduler_min_time: 'budgets begin anew by themselves.',
  proxy_budget_rescheduler_max_time: 'budgets begin anew by themselves.',
  enforce_user_param: 'a policy can require tags; see docs/guides/identity.md.',
  allowed_routes: 'keys and policies allow operations; see docs/guides/identity.md.',
  use_redis_transaction_buffer: 'shared state is not built yet; one node keeps its own.',
  key_management_system: 'secrets can stand in a secret store; see docs/guides/secrets.md.',
  key_management_settings: 'secrets can stand in a secret store; see docs/guides/secrets.md.',
  coordination: 'shared state is not built yet; one node keeps its own.',
  service_callback: 'logs go to the exchange log, `/metrics` and `telemetry.otlp_endpoint`.',
  custom_ui_sso_sign_in_handler: 'custom code is not run; see `sign_in`.',
  alert_types: 'budgets tell their thresholds in log and portal; there is no Slack sender.',
  alert_to_webhook_url: 'budgets tell their thresholds in log and portal; there is no Slack sender.',
  enforced_params: 'a policy can require tags; see docs/guides/identity.md.',
  disable_end_user_cost_tracking: 'every exchange is billed and logged; see `log.content` for what is kept.',
  pass_through_endpoints: 'every provider can be reached under /passthrough/NAME/.',
};

/** A list of single-entry maps, `[{ model: [others] }]`, or one map. */
function pairsOf(value: unknown): [string, readonly unknown[]][] {
  const maps = Array.isArray(value) ? value : [value];
  return maps.flatMap((map) =>
    typeof map === 'object' && map !== null && !Array.isArray(map)
      ? Object.entries(map).flatMap(([name, list]): [string, readonly unknown[]][] =>
          Array.isArray(list) ? [[name, list]] : [],
        )
      : [],
  );
}

function addFallbacks(
  { draft, ledger }: Importing,
  part: Part,
  [theirs, ours]: (typeof FALLBACKS)[number],
): void {
  if (!part.has(theirs)) return;
  for (const [name, list] of pairsOf(part.take(theirs))) {
    const at = `${part.at(theirs)}.${name}`;
    const model = Object.hasOwn(draft.models, name) ? draft.models[name] : undefined;
    const known = list.filter(
      (other): other is string =>
        typeof other === 'string' && Object.hasOwn(draft.models, other) && other !== name,
    );
    if (model === undefined) ledger.unmapped(at, 'is for a model that `model_list` does not have.');
    else if (known.length < list.length) {
      ledger.unmapped(at, `${list.length - known.length} of its models are not in \`model_list\` as models.`);
    }
    if (model === undefined || known.length === 0) continue;
    const [first = '', second] = ours;
    if (second === undefined) model[first] = known;
    else model[first] = { ...(model[first] as Tree | undefined), [second]: known };
    ledger.mapped(at, `models.${name}.${ours.join('.')}`);
  }
}

/** The fallback every model has. A model never falls back to itself or back in a circle. */
function addDefaultFallbacks({ draft, ledger }: Importing, part: Part): void {
  const wanted = part.texts('default_fallbacks');
  if (wanted === undefined) return;
  const known = wanted.filter((name) => Object.hasOwn(draft.models, name));
  if (known.length < wanted.length)
    ledger.unmapped(part.at('default_fallbacks'), 'names models that `model_list` does not have.');
  for (const [name, model] of Object.entries(draft.models)) {
    if (model['fallbacks'] === undefined && !known.includes(name) && known.length > 0)
      model['fallbacks'] = known;
  }
  if (known.length > 0) ledger.mapped(part.at('default_fallbacks'), 'models.*.fallbacks');
}

function addTimers({ draft, ledger }: Importing, part: Part): void {
  const upstream = (draft.sections['upstream'] ?? {}) as Tree;
  const attempts = part.number('num_retries');
  const seconds = part.number('request_timeout') ?? part.number('timeout');
  const fails = whole(part.number('allowed_fails'), 0, 1e6);
  const cooldown = whole(part.number('cooldown_time'), 1, 3600);
  const tries = whole(attempts, 0, 10);
  if (tries !== undefined) {
    upstream['retries'] = { attempts: tries };
    ledger.mapped(part.at('num_retries'), 'upstream.retries.attempts');
  } else if (attempts !== undefined) ledger.unmapped(part.at('num_retries'), 'lies outside 0 to 10.');
  const total = seconds === undefined ? undefined : whole(seconds * 1000, 1, 86_400_000);
  if (total !== undefined) {
    const short = { first_byte_ms: Math.min(60_000, total), connect_ms: Math.min(5000, total) };
    upstream['timeouts'] = { ...(total < 60_000 ? short : {}), total_ms: total };
    ledger.mapped(
      part.has('request_timeout') ? part.at('request_timeout') : part.at('timeout'),
      'upstream.timeouts.total_ms',
    );
  }
  const circuit = {
    ...((upstream['circuit'] as Tree | undefined) ?? {}),
    // LiteLLM tolerates so many failures; ours opens at a count.
    ...(fails === undefined ? {} : { failures: fails + 1 }),
    ...(cooldown === undefined
      ? {}
      : { open_s: cooldown, ...(cooldown > 300 ? { max_open_s: cooldown } : {}) }),
  };
  if (fails !== undefined)
    ledger.approximated(
      part.at('allowed_fails'),
      'upstream.circuit.failures',
      'counts failures in a row, not per minute.',
    );
  if (cooldown !== undefined) ledger.mapped(part.at('cooldown_time'), 'upstream.circuit.open_s');
  if (Object.keys(circuit).length > 0) upstream['circuit'] = circuit;
  if (Object.keys(upstream).length > 0) draft.sections['upstream'] = upstream;
}

function addStrategy({ draft, ledger }: Importing, part: Part): void {
  const given = part.text('routing_strategy');
  if (given === undefined) return;
  const found = Object.hasOwn(STRATEGIES, given) ? STRATEGIES[given] : undefined;
  if (found === undefined) {
    ledger.unmapped(part.at('routing_strategy'), 'is no strategy Sluice has; models stay `weighted`.');
    return;
  }
  const [ours, why] = found;
  for (const model of Object.values(draft.models)) model['strategy'] = ours;
  if (why === undefined) ledger.mapped(part.at('routing_strategy'), 'models.*.strategy');
  else ledger.approximated(part.at('routing_strategy'), 'models.*.strategy', why);
}

function addAliases({ draft, ledger }: Importing, part: Part): void {
  const aliases = part.part('model_group_alias');
  for (const alias of aliases?.keys ?? []) {
    if (aliases === undefined) continue;
    const value = aliases.take(alias);
    const target = typeof value === 'object' && value !== null ? (value as { model?: unknown }).model : value;
    const model =
      typeof target === 'string' && Object.hasOwn(draft.models, target) ? draft.models[target] : undefined;
    if (model === undefined)
      ledger.unmapped(aliases.at(alias), 'is an alias of a model that `model_list` does not have.');
    else if (Object.hasOwn(draft.models, alias) || !isModelName(alias))
      ledger.unmapped(aliases.at(alias), 'is a model’s name already, or cannot be one.');
    else {
      draft.models[alias] = structuredClone(model);
      ledger.mapped(aliases.at(alias), `models.${alias}`);
    }
  }
}

function addCache({ draft, ledger }: Importing, part: Part): void {
  const enabled = part.flag('cache');
  const params = part.part('cache_params');
  const ttl = whole(params?.number('ttl'), 1, 31_536_000);
  const type = params?.text('type');
  params?.rest({
    host: 'answers are kept in this process.',
    port: 'answers are kept in this process.',
    password: 'answers are kept in this process.',
    similarity_threshold: 'the semantic cache is not built yet.',
  });
  if (enabled !== true) return;
  draft.sections['cache'] = {
    exact: { enabled: true, ...(ttl === undefined ? {} : { ttl_s: ttl }), only_deterministic: false },
  };
  const semantic = type?.includes('semantic') === true;
  const why = semantic
    ? 'equal requests only; the semantic cache is not built yet.'
    : 'kept in this process’s memory, apart for each team.';
  ledger.approximated(part.at('cache'), 'cache.exact', why);
}

/** `litellm_settings` and `router_settings`, which share most of their keys. */
export function importSettings(importing: Importing, part: Part): void {
  for (const kind of FALLBACKS) addFallbacks(importing, part, kind);
  addDefaultFallbacks(importing, part);
  addTimers(importing, part);
  addStrategy(importing, part);
  addAliases(importing, part);
  addCache(importing, part);
  const budget = part.number('max_budget');
  const window = part.text('budget_duration');
  if (budget !== undefined && budget > 0) {
    addBudget(importing, part, { limit: budget, window: windowOf(window) });
  }
  part.rest(SETTINGS_LEFT_OUT);
}

/** `1h`, `24h`, `7d`, `1mo`, `30d` as our windows; the nearest for others. */
export function windowOf(text: string | undefined): 'hour' | 'day' | 'week' | 'month' | 'total' {
  const [, count = '', unit = ''] = /^(\d+)\s*(s|m|h|d|w|mo)$/.exec(text ?? '') ?? [];
  if (unit === '') return 'total';
  const hours = Number(count) * ({ s: 1 / 3600, m: 1 / 60, h: 1, d: 24, w: 168, mo: 720 }[unit] ?? 1);
  if (hours <= 1) return 'hour';
  if (hours <= 24) return 'day';
  return hours <= 168 ? 'week' : 'month';
}

function addBudget(
  { draft, ledger }: Importing,
  part: Part,
  budget: { readonly limit: number; readonly window: string },
): void {
  const budgets = (draft.sections['budgets'] ?? []) as Tree[];
  draft.sections['budgets'] = [
    ...budgets,
    {
      name: 'imported',
      scope: 'organization',
      scope_id: 'org_default',
      limit_usd: budget.limit,
      window: budget.window,
    },
  ];
  ledger.mapped(part.at('max_budget'), 'budgets[0]');
}

/** `general_settings`. */
export function importGeneral({ draft, ledger }: Importing, part: Part): void {
  const master = part.text('master_key');
  if (master !== undefined) {
    const variable = /^os\.environ\/([A-Za-z_][A-Za-z0-9_]*)$/.exec(master)?.[1];
    const key =
      variable === undefined
        ? draft.moved('SLUICE_ADMIN_KEY', 'secret', part.at('master_key'))
        : draft.variable(variable, 'secret');
    draft.sections['access'] = { mode: 'keys', admin_key: key };
    ledger.approximated(
      part.at('master_key'),
      'access.admin_key',
      'is for the control plane; calls need a virtual key.',
    );
  }
  const server: Tree = {};
  const inFlight = whole(part.number('global_max_parallel_requests'), 1, 1e6);
  if (inFlight !== undefined) {
    server['max_in_flight'] = inFlight;
    ledger.mapped(part.at('global_max_parallel_requests'), 'server.max_in_flight');
  }
  const body = whole(part.number('max_request_size_mb'), 1, 1024);
  if (body !== undefined) {
    server['max_body_mb'] = body;
    ledger.mapped(part.at('max_request_size_mb'), 'server.max_body_mb');
  }
  const days = /^(\d+)d$/.exec(part.text('maximum_spend_logs_retention_period') ?? '')?.[1];
  if (days !== undefined && Number(days) > 0) {
    draft.sections['log'] = { retention_days: Math.min(Number(days), 36_500) };
    ledger.mapped(part.at('maximum_spend_logs_retention_period'), 'log.retention_days');
  }
  if (Object.keys(server).length > 0) draft.sections['server'] = server;
  part.rest(GENERAL_LEFT_OUT);
}

/** Deployments for some tags only: a model for each tag, and a router of the model's name that looks at the tag. */
export function importTags({ draft, ledger }: Importing, tagged: TaggedModels, filtering: boolean): void {
  for (const [name, byTag] of tagged) {
    const model = draft.model(name);
    if (!filtering) {
      const all = new Set([...(model['deployments'] as Tree[]), ...[...byTag.values()].flat()]);
      model['deployments'] = [...all];
      ledger.unmapped(
        `model_list: ${name}: tags`,
        'deployments have no tags; the log names each exchange’s deployment.',
      );
      continue;
    }
    const rules = [...byTag].map(([tag, deployments]) => {
      const own = `${name}.${tag.replaceAll(/[^A-Za-z0-9._-]/g, '-')}`;
      draft.models[own] = { ...model, deployments };
      return { when: `tags.tag == ${JSON.stringify(tag)}`, use: own };
    });
    const first = rules[0]?.use ?? name;
    const bare = (model['deployments'] as Tree[]).length === 0;
    if (bare) model['deployments'] = draft.models[first]?.['deployments'];
    draft.routers[`${name}-by-tag`] = { mode: 'on', baseline: name, rules };
    ledger.approximated(
      `model_list: ${name}: tags`,
      `routers.${name}-by-tag`,
      'clients ask for the router and send `x-sluice-tags: tag=NAME`; others get the model itself.',
    );
  }
}
