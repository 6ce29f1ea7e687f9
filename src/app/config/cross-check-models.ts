import { nearest } from '../../core/nearest.ts';
import { type KnownNames, matchesPattern, OBJECTIVE_SUFFIX } from './known.ts';
import { type ConfigPath, quoteName, type Report } from './paths.ts';
import type { Config, ModelConfig } from './schema.ts';

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

/** What names are checked with, and where findings go. */
export interface Judge {
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
  // A router may take over a model's name; inside, the name is the model's.
  if (Object.hasOwn(config.routers, bare) && known?.hasModel(bare) !== true) {
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
