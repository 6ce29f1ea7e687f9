import { checkModelName, checkProviderName, type Judge } from './cross-check-models.ts';
import { type KnownNames, OBJECTIVE_SUFFIX } from './known.ts';
import type { ConfigPath, Report } from './paths.ts';
import type { Config, RouterConfig } from './schema.ts';

/** Headers that hold credentials: a condition over them would copy secrets into receipts. */
const SECRET_HEADERS: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'proxy-authorization',
  'x-api-key',
  'x-goog-api-key',
]);

/** Routers: the models they name, their conditions and splits, and names that clients cannot ask for. */
export function checkRouters(config: Config, known: KnownNames | undefined, report: Report): void {
  const judge = { known, report };
  checkHeaders(config, report);
  const { embedder } = config.routing;
  if (embedder !== undefined)
    checkProviderName(config, ['routing', 'embedder', 'provider'], embedder.provider, judge);
  for (const [name, router] of Object.entries(config.routers)) {
    const path = ['routers', name];
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
    checkExperiments(router, path, report);
    checkChoice(router, path, report);
    if (router.cascade !== undefined && router.cascade.max_escalations >= router.cascade.models.length) {
      report.warn({
        path: [...path, 'cascade', 'max_escalations'],
        problem: 'is more than the list allows.',
        remedy: `Use at most ${router.cascade.models.length - 1}.`,
      });
    }
  }
}

function checkHeaders(config: Config, report: Report): void {
  for (const [index, name] of config.routing.headers.entries()) {
    if (!SECRET_HEADERS.has(name)) continue;
    report.problem({
      path: ['routing', 'headers', index],
      problem: 'holds credentials, which conditions may not read.',
      remedy: 'Use tags, or a header of your own.',
    });
  }
}

/** Every model a router names, and where. */
function modelsOf(router: RouterConfig): [ConfigPath, string][] {
  const named: [ConfigPath, string | undefined][] = [
    [['baseline'], router.baseline],
    [['shadow', 'judge'], router.shadow.judge],
    [['cascade', 'judge', 'model'], router.cascade?.judge?.model],
    ...Object.entries(router.tiers ?? {}).map(([tier, model]): [ConfigPath, string | undefined] => [
      ['tiers', tier],
      model,
    ]),
    ...router.models.map((model, index): [ConfigPath, string] => [['models', index], model]),
    ...router.rules.map((rule, index): [ConfigPath, string] => [['rules', index, 'use'], rule.use]),
    ...router.intents.map((intent, index): [ConfigPath, string] => [['intents', index, 'use'], intent.use]),
    ...router.experiments.flatMap((experiment, index) =>
      experiment.arms.map((arm, at): [ConfigPath, string] => [
        ['experiments', index, 'arms', at, 'model'],
        arm.model,
      ]),
    ),
    ...(router.cascade?.models ?? []).map((model, index): [ConfigPath, string] => [
      ['cascade', 'models', index],
      model,
    ]),
  ];
  return named.flatMap(([place, model]) => (model === undefined ? [] : [[place, model]]));
}

function conditionsOf(router: RouterConfig): [ConfigPath, string][] {
  return [
    ...router.rules.map((rule, index): [ConfigPath, string] => [['rules', index, 'when'], rule.when]),
    ...router.experiments.flatMap((experiment, index): [ConfigPath, string][] =>
      experiment.when === undefined ? [] : [[['experiments', index, 'when'], experiment.when]],
    ),
  ];
}

function checkConditions(router: RouterConfig, path: ConfigPath, { known, report }: Judge): void {
  for (const [place, condition] of conditionsOf(router)) {
    const fault = known?.checkCondition?.(condition);
    if (fault === undefined) continue;
    const { problem, remedy } =
      typeof fault === 'string'
        ? { problem: fault, remedy: 'Write a condition such as tags.feature == "support-bot".' }
        : fault;
    report.problem({ path: [...path, ...place], problem: `is no valid condition: ${problem}.`, remedy });
  }
}

function checkExperiments(router: RouterConfig, path: ConfigPath, report: Report): void {
  const seen = new Set<string>();
  for (const [index, { name, arms }] of router.experiments.entries()) {
    const place = [...path, 'experiments', index];
    const sum = arms.reduce((total, { percent }) => total + percent, 0);
    if (sum > 100) {
      report.problem({
        path: [...place, 'arms'],
        problem: `adds up to ${sum} percent.`,
        remedy: 'Use 100 at most; what is left is routed as usual.',
      });
    }
    if (seen.has(name)) {
      report.problem({ path: [...place, 'name'], problem: 'is used twice.', remedy: 'Rename one of them.' });
    }
    seen.add(name);
  }
}

/** Whether there is anything to choose among. */
function checkChoice(router: RouterConfig, path: ConfigPath, report: Report): void {
  const models = new Set(
    modelsOf(router).flatMap(([place, model]) => (place.includes('judge') ? [] : [model])),
  );
  if (models.size > 1) return;
  report.warn({
    path,
    problem: 'names one model only, so there is nothing to choose.',
    remedy: 'Add `tiers`, `models`, `rules` or a `cascade`.',
  });
}
