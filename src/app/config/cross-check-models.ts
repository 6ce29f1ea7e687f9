import { type KnownNames, matchesPattern, OBJECTIVE_SUFFIX } from './known.ts';
import { type ConfigPath, quoteName, type Report } from './paths.ts';
import type { Config, ModelConfig, RouterConfig } from './schema.ts';
import { nearest } from './suggest.ts';

/** Deployments, fallbacks and names of models. */
export function checkModels(config: Config, known: KnownNames | undefined, report: Report): void {
  for (const [name, model] of Object.entries(config.models)) {
    const path = ['models', name];
    if (OBJECTIVE_SUFFIX.test(name)) {
      report.problem({
        path,
        at: 'key',
        problem: 'ends in :cost, :fast or :quality, which clients add to ask for an objective.',
        remedy: 'Choose a name without that ending.',
      });
    }
    checkDeployments(config, { name, model }, { known, report });
    const lists = { fallbacks: model.fallbacks };
    for (const [key, list] of Object.entries(lists))
      checkList(config, { path: [...path, key], list }, { known, report });
    for (const [cause, list] of Object.entries(model.fallbacks_on)) {
      checkList(config, { path: [...path, 'fallbacks_on', cause], list }, { known, report });
    }
  }
  checkCycles(config, ['fallbacks'], report);
  checkCycles(config, ['fallbacks_on', 'context_overflow'], report);
  checkCycles(config, ['fallbacks_on', 'content_filter'], report);
}

interface Judge {
  readonly known: KnownNames | undefined;
  readonly report: Report;
}

interface NamedModel {
  readonly name: string;
  readonly model: ModelConfig;
}

function checkDeployments(config: Config, { name, model }: NamedModel, judge: Judge): void {
  const seen = new Set<string>();
  for (const [index, deployment] of model.deployments.entries()) {
    const path = ['models', name, 'deployments', index];
    checkProviderName(config, [...path, 'provider'], deployment.provider, judge);
    const same = JSON.stringify([deployment.provider, deployment.model, deployment.region]);
    if (seen.has(same)) {
      judge.report.warn({
        path,
        problem: 'repeats a deployment above it.',
        remedy: 'Remove it, or give the other a greater `weight`.',
      });
    }
    seen.add(same);
    if (deployment.model !== '*' && deployment.model.includes('*')) {
      judge.report.problem({
        path: [...path, 'model'],
        problem: 'holds a * among other letters.',
        remedy: 'Write the vendor’s model name, or a lone "*" to pass the asked name on.',
      });
    }
  }
}

/** A provider named as a value must be configured or be a vendor. */
export function checkProviderName(
  config: Config,
  path: ConfigPath,
  name: string,
  { known, report }: Judge,
): void {
  if (Object.hasOwn(config.providers, name)) return;
  const configured = Object.keys(config.providers);
  if (known === undefined) return;
  if (known.providers.has(name)) {
    report.warn({
      path,
      problem: `names ${quoteName(name)}, which is not under \`providers\`.`,
      remedy: `Add \`${name}\` under \`providers\` with its key.`,
    });
    return;
  }
  const near = nearest(name, [...configured, ...known.providers.keys()]);
  report.problem({
    path,
    problem: `names ${quoteName(name)}, which is neither under \`providers\` nor a known vendor.`,
    remedy:
      near === undefined
        ? 'Add it under `providers`, or correct the name.'
        : `Did you mean ${quoteName(near)}?`,
  });
}

interface NamedList {
  readonly path: ConfigPath;
  readonly list: readonly string[];
}

function checkList(config: Config, { path, list }: NamedList, judge: Judge): void {
  const seen = new Set<string>();
  for (const [index, name] of list.entries()) {
    checkModelName(config, [...path, index], name, judge);
    if (seen.has(name)) {
      judge.report.warn({ path: [...path, index], problem: 'is listed twice.', remedy: 'Keep the first.' });
    }
    seen.add(name);
  }
}

/** A model named as a value must be configured, be `provider/model`, or stand in the catalog. */
export function checkModelName(
  config: Config,
  path: ConfigPath,
  name: string,
  { known, report }: Judge,
): void {
  const bare = name.replace(OBJECTIVE_SUFFIX, '');
  if (Object.hasOwn(config.models, bare)) return;
  if (bare.includes('*')) {
    report.problem({ path, problem: 'is a pattern.', remedy: 'Name one model here.' });
    return;
  }
  if (Object.hasOwn(config.routers, bare)) {
    report.problem({
      path,
      problem: 'names a router.',
      remedy: 'Name a model; a router cannot stand in its place here.',
    });
    return;
  }
  if (known === undefined || Object.keys(config.models).some((pattern) => matchesPattern(pattern, bare)))
    return;
  const slash = bare.indexOf('/');
  const vendor = slash > 0 ? bare.slice(0, slash) : '';
  if (Object.hasOwn(config.providers, vendor) || known.providers.has(vendor) || known.hasModel(bare)) return;
  const near = nearest(bare, Object.keys(config.models));
  report.problem({
    path,
    problem: `names ${quoteName(bare)}, which is no known model.`,
    remedy:
      near === undefined
        ? 'Add it under `models`, or write it as provider/model.'
        : `Did you mean ${quoteName(near)}?`,
  });
}

/** Follows one kind of fallback from every model; each cycle is reported once, at the entry that closes it. */
function checkCycles(
  config: Config,
  keys: readonly ['fallbacks'] | readonly ['fallbacks_on', FallbackCause],
  report: Report,
): void {
  const next = (name: string): readonly string[] => {
    const model = Object.hasOwn(config.models, name) ? config.models[name] : undefined;
    if (model === undefined) return [];
    const list = keys[0] === 'fallbacks' ? model.fallbacks : model.fallbacks_on[keys[1]];
    return list.map((entry) => entry.replace(OBJECTIVE_SUFFIX, ''));
  };
  const done = new Set<string>();
  const follow = (name: string, trail: readonly string[]): void => {
    for (const [index, target] of next(name).entries()) {
      const start = [...trail, name].indexOf(target);
      if (start >= 0) {
        const round = [...trail, name].slice(start).concat(target).map(quoteName);
        report.problem({
          path: ['models', name, ...keys, index],
          problem: `closes a circle of fallbacks: ${round.join(' → ')}.`,
          remedy: 'Remove one of these fallbacks; a request must come to an end.',
        });
      } else if (!done.has(target)) follow(target, [...trail, name]);
    }
    done.add(name);
  };
  for (const name of Object.keys(config.models)) if (!done.has(name)) follow(name, []);
}

type FallbackCause = keyof ModelConfig['fallbacks_on'];

/** Routers: the models they name, their conditions, and names that clash with models. */
export function checkRouters(config: Config, known: KnownNames | undefined, report: Report): void {
  const judge = { known, report };
  for (const [name, router] of Object.entries(config.routers)) {
    const path = ['routers', name];
    if (Object.hasOwn(config.models, name)) {
      report.problem({
        path,
        at: 'key',
        problem: 'has the name of a model.',
        remedy: 'Rename the router or the model.',
      });
    }
    if (name.includes('*') || OBJECTIVE_SUFFIX.test(name)) {
      report.problem({
        path,
        at: 'key',
        problem: 'has a name clients cannot ask for.',
        remedy: 'Use neither * nor an ending such as :cost.',
      });
    }
    for (const [place, model] of modelsOf(router)) checkModelName(config, [...path, ...place], model, judge);
    checkConditions(router, path, judge);
    if (router.cascade !== undefined && router.cascade.max_escalations >= router.cascade.models.length) {
      report.warn({
        path: [...path, 'cascade', 'max_escalations'],
        problem: 'is more than the list allows.',
        remedy: `Use at most ${router.cascade.models.length - 1}.`,
      });
    }
  }
}

function modelsOf(router: RouterConfig): [ConfigPath, string][] {
  const named: [ConfigPath, string | undefined][] = [
    [['baseline'], router.baseline],
    [['shadow', 'judge'], router.shadow.judge],
    ...Object.entries(router.tiers).map(([tier, model]): [ConfigPath, string | undefined] => [
      ['tiers', tier],
      model,
    ]),
    ...router.rules.map((rule, index): [ConfigPath, string] => [['rules', index, 'use'], rule.use]),
    ...(router.cascade?.models ?? []).map((model, index): [ConfigPath, string] => [
      ['cascade', 'models', index],
      model,
    ]),
  ];
  return named.flatMap(([place, model]) => (model === undefined ? [] : [[place, model]]));
}

function checkConditions(router: RouterConfig, path: ConfigPath, { known, report }: Judge): void {
  for (const [index, rule] of router.rules.entries()) {
    const fault = known?.checkCondition?.(rule.when);
    if (fault === undefined) continue;
    report.problem({
      path: [...path, 'rules', index, 'when'],
      problem: `is no valid condition: ${fault}`,
      remedy: 'Write a condition such as tags.feature == "support-bot".',
    });
  }
}
