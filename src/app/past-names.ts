import type { ModelNames } from '../control/spent-before.ts';
import type { Config } from './config/index.ts';
import { matchesPattern } from './config/known.ts';

interface Place {
  /** As `Deployment.id`. */
  readonly id: string;
  /** `provider/model`, as the log knows it. */
  readonly deployment: string;
  readonly model: string;
}

function placesOf(model: Config['models'][string], asked: string): readonly Place[] {
  return model.deployments.map((entry) => {
    const name = entry.model.replace('*', () => asked);
    const deployment = `${entry.provider}/${name}`;
    return {
      id: entry.region === undefined ? deployment : `${deployment}@${entry.region}`,
      deployment,
      model: name,
    };
  });
}

function modelOf(deployment: string): string {
  return deployment.slice(deployment.indexOf('/') + 1);
}

/** How a name may say what is favoured; it is another spelling of the same model. */
const OBJECTIVE_SUFFIX = /:(?:cost|fast|quality)$/;

/**
 * The names that requests of the past count under, by the configuration that is in force: as the data plane does it for new
 * ones (`pipeline/budget-finder`). What answered although the asked name does not lead to it was chosen by a router or a
 * fallback, and counts under every model of the configuration that leads there.
 */
export function pastNames(config: Config): ModelNames {
  const patterns = Object.entries(config.models).filter(([name]) => name.includes('*'));
  const leadingTo = new Map<string, Set<string>>();
  const aliases = new Map<string, Set<string>>();
  for (const [name, model] of Object.entries(config.models)) {
    if (name.includes('*')) continue;
    const places = placesOf(model, name);
    for (const { deployment } of places) {
      const names = leadingTo.get(deployment) ?? new Set();
      leadingTo.set(deployment, names.add(name));
      aliases.set(deployment, (aliases.get(deployment) ?? new Set()).add(name));
      for (const { id, model: upstream } of places) names.add(id).add(upstream);
    }
  }
  const configured = (name: string): readonly Place[] | undefined => {
    const model = Object.hasOwn(config.models, name)
      ? config.models[name]
      : patterns.find(([pattern]) => matchesPattern(pattern, name))?.[1];
    return model && placesOf(model, name);
  };
  return (asked, deployment) => {
    const bare = asked.replace(OBJECTIVE_SUFFIX, '');
    const names = new Set([asked, bare]);
    const places = configured(bare);
    for (const { id, model } of places ?? []) names.add(id).add(model);
    if (deployment === undefined) return [...names];
    const direct =
      places === undefined
        ? deployment === bare || modelOf(deployment) === bare
        : places.some((place) => place.deployment === deployment);
    names.add(deployment).add(modelOf(deployment));
    // A route that stands in no configuration carries the configured names it serves.
    const others = direct ? aliases : leadingTo;
    if (!direct || places === undefined) for (const name of others.get(deployment) ?? []) names.add(name);
    return [...names];
  };
}
