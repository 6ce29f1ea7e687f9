import { breakCircles } from './circles.ts';
import { Draft, type Tree } from './draft.ts';
import { importKeys, isKeyExport } from './litellm-keys.ts';
import { importModels } from './litellm-models.ts';
import { importGeneral, importSettings, importTags } from './litellm-settings.ts';
import { ImportFault, Ledger, Part } from './source.ts';

/** What an importer makes of a foreign file. */
export interface Imported {
  readonly draft: Draft;
  readonly ledger: Ledger;
  /** Teams, users and keys as files for `sluice apply`; absent when the file held none. */
  readonly state?: Tree | undefined;
}

const TOP: Readonly<Record<string, string>> = {
  environment_variables: 'set them in the environment of the gateway; values are not copied.',
  include: 'other files are not read; import the merged configuration.',
  callback_settings: 'logs go to the exchange log, `/metrics` and `telemetry.otlp_endpoint`.',
  guardrails: 'write them anew under `guardrails`.',
  general_settings: 'is read setting by setting.',
  litellm_license: 'nothing here needs a licence.',
  search_tools: 'search tools are not proxied.',
  agent_list: 'agents are not proxied.',
  mcp_servers: 'tools servers are not proxied.',
  vector_store_registry: 'vector stores are not proxied.',
  prompts: 'prompt templates are not kept.',
  credential_list: 'give each provider its `api_key`.',
  finetune_settings: 'fine-tuning goes through /passthrough/.',
  files_settings: 'files are pinned to one provider; see docs/reference.',
};

/**
 * LiteLLM's `config.yaml` (`model_list`, `litellm_settings`, `router_settings`, `general_settings`), or the JSON that
 * `/key/list` and `/team/list` answer. Throws {@link ImportFault} for anything else.
 */
export function importLitellm(tree: unknown): Imported {
  const ledger = new Ledger();
  const draft = new Draft(variablesIn(tree));
  if (isKeyExport(tree)) return { draft, ledger, state: importKeys(tree, ledger) };
  const root = Part.root(tree, ledger, 'LiteLLM configuration');
  if (
    !['model_list', 'litellm_settings', 'router_settings', 'general_settings'].some((key) => root.has(key))
  ) {
    throw new ImportFault(
      'This is no LiteLLM configuration: it has none of model_list, litellm_settings, router_settings and general_settings.',
    );
  }
  const importing = { draft, ledger };
  const tagged = importModels(importing, root);
  const router = root.part('router_settings');
  const filtering = router?.flag('enable_tag_filtering') === true;
  importTags(importing, tagged, filtering);
  dropEmptyModels(draft, ledger);
  const settings = root.part('litellm_settings');
  if (settings !== undefined) importSettings(importing, settings);
  if (router !== undefined) importSettings(importing, router);
  const general = root.part('general_settings');
  if (general !== undefined) importGeneral(importing, general);
  breakCircles(draft, ledger);
  // Extensions of YAML users: they hold anchors for the rest.
  for (const key of root.keys) if (key.startsWith('x-')) root.take(key);
  root.rest(TOP);
  return { draft, ledger };
}

/** A model whose deployments all fell away is none; nothing may fall back to it. */
function dropEmptyModels(draft: Draft, ledger: Ledger): void {
  for (const [name, model] of Object.entries(draft.models)) {
    if ((model['deployments'] as unknown[]).length > 0) continue;
    delete draft.models[name];
    ledger.unmapped(`models.${name}`, 'has no deployment that could be mapped.');
  }
}

/** Names after `os.environ/`, wherever they stand. */
function variablesIn(tree: unknown): readonly string[] {
  const text = JSON.stringify(tree) ?? '';
  return [...text.matchAll(/"os\.environ\/([A-Za-z_][A-Za-z0-9_]*)"/g)].map((match) => match[1] ?? '');
}
