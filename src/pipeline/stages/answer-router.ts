import { badRequest, SluiceError } from '../../core/errors/error.ts';
import type { Json, JsonObject } from '../../core/model/index.ts';
import { allowsModel } from '../../core/policy/policy.ts';
import { CLASSES, type ClassName, classify } from '../../core/routing/decision/classify.ts';
import { decide } from '../../core/routing/decision/decide.ts';
import { hashText } from '../../core/routing/decision/hash.ts';
import { matchesProvider } from '../../core/routing/decision/preferences.ts';
import type { Objective, Situation } from '../../core/routing/decision/types.ts';
import type { PromptScore } from '../../core/routing/model/types.ts';
import { extend, type Principal, type Slot } from '../exchange.ts';
import type { RouterAnswered, RouterCall } from '../router-call.ts';
import type { Routing } from '../routing.ts';
import { modelNotFound } from './authorize.ts';

type Asking = RouterCall & { principal: Principal; slot: Slot };

/** Morph's policies as our objectives. */
const OBJECTIVES: Readonly<Record<string, Objective>> = {
  balanced: 'balanced',
  cost_efficient: 'cost',
  capability_heavy: 'quality',
  domain_skills: 'balanced',
};
const MAX_MODELS = 64;

function inputOf(body: JsonObject): string {
  const { input } = body;
  if (typeof input !== 'string') throw badRequest('input', '`input` must be the prompt as a string.');
  return input;
}

function classesOf(body: JsonObject): readonly ClassName[] {
  const { classes } = body;
  if (classes === undefined || classes === null) return CLASSES;
  const sound = Array.isArray(classes) && classes.every((name) => CLASSES.includes(name as ClassName));
  if (!sound) throw badRequest('classes', `\`classes\` takes ${CLASSES.join(', ')}.`);
  return classes as unknown as readonly ClassName[];
}

function namesOf(value: Json | undefined, param: string): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  const sound = Array.isArray(value) && value.every((name) => typeof name === 'string' && name !== '');
  if (!sound || value.length > MAX_MODELS) {
    throw badRequest(param, `\`${param}\` must be a list of at most ${MAX_MODELS} names.`);
  }
  return value as readonly string[];
}

function scoreOf(routing: Routing, text: string): PromptScore {
  const { scorer } = routing;
  if (scorer === undefined) throw new SluiceError('internal', 'There is no prompt model.');
  return scorer.score({ text });
}

/** Models to choose among: those named, those of the providers named, else those of the routers and in use. */
function modelsOf(exchange: Asking, routing: Routing): readonly string[] {
  const { body, runtime, principal } = exchange;
  const providers = namesOf(body['allowed_providers'], 'allowed_providers');
  const named = namesOf(body['allowed_models'], 'allowed_models');
  const known = named ?? routing.usualModels();
  const all =
    known.length > 0 || providers === undefined ? known : runtime.listModels().map(({ name }) => name);
  const chosen = all.filter((name) => {
    const route = runtime.resolve(name);
    if (route === undefined) {
      if (named !== undefined) throw modelNotFound(runtime, name);
      return false;
    }
    if (!allowsModel(principal.policy, route.name)) return false;
    const [first] = route.deployments;
    const slugs = first === undefined ? [] : [first.provider.name, first.provider.vendor.id];
    return providers === undefined || matchesProvider(providers, slugs);
  });
  return chosen.slice(0, MAX_MODELS);
}

function situationOf(
  exchange: Asking,
  given: { score: PromptScore; objective: Objective; baseline: string },
): Situation {
  const { score, objective, baseline } = given;
  const date = new Date(exchange.startedAt);
  return {
    model: exchange.envelope.model,
    asked: exchange.envelope.model,
    reached: 'name',
    baseline,
    objective,
    tags: {},
    headers: {},
    metadata: {},
    key: { id: exchange.principal.key?.id ?? '', name: '', team: '' },
    time: { hour: date.getUTCHours(), minute: date.getUTCMinutes(), weekday: date.getUTCDay() || 7 },
    tokens: Math.ceil(exchange.raw.length / 4),
    tools: [],
    images: 0,
    stream: false,
    systemHash: '',
    output: 'text',
    reasoning: false,
    toolsHash: '',
    routeKey: '',
    toolLoop: false,
    callsPerTurn: 1,
    draw: 0,
    sessionHash: hashText(exchange.id),
    forbidden: [],
    down: [],
    score,
  };
}

function multimodel(exchange: Asking, routing: Routing, text: string): JsonObject {
  const { body, runtime } = exchange;
  const { policy = 'balanced', default_model: fallback } = body;
  const objective =
    typeof policy === 'string' && Object.hasOwn(OBJECTIVES, policy) ? OBJECTIVES[policy] : undefined;
  if (objective === undefined) {
    throw badRequest('policy', `\`policy\` takes ${Object.keys(OBJECTIVES).join(', ')}.`);
  }
  if (fallback !== undefined && typeof fallback !== 'string') {
    throw badRequest('default_model', '`default_model` must be a name.');
  }
  const models = modelsOf(exchange, routing);
  const [first] = models;
  if (first === undefined) {
    const message = 'There is no model to choose among. Name some in `allowed_models` that your key may use.';
    throw new SluiceError('model_not_found', message, { param: 'allowed_models' });
  }
  const score = scoreOf(routing, text);
  const plan = routing.planFor(models);
  const baseline = fallback !== undefined && models.includes(fallback) ? fallback : first;
  const decision = decide(plan, situationOf(exchange, { score, objective, baseline }));
  const verdicts = classify(score, text, CLASSES);
  const provider = runtime.resolve(decision.served)?.deployments[0]?.provider.name ?? '';
  return {
    model: decision.served,
    provider,
    difficulty: verdicts.difficulty?.label ?? score.tier,
    confidence: verdicts.difficulty?.confidence ?? 0,
    ambiguity: verdicts.ambiguity?.label ?? 'low',
    domain: verdicts.domain?.label ?? 'general',
  };
}

/** Answers Morph's two calls from the prompt model alone. */
export function createAnswerRouter(): (exchange: Asking) => RouterAnswered {
  return (exchange) => {
    const { routing } = exchange.runtime;
    if (routing === undefined) throw new SluiceError('internal', 'Routing is not set up.');
    const text = inputOf(exchange.body);
    const result: JsonObject =
      exchange.operation === 'multimodel'
        ? multimodel(exchange, routing, text)
        : {
            classifications: {
              ...classify(scoreOf(routing, text), text, classesOf(exchange.body)),
            } as JsonObject,
          };
    return extend(exchange, { result });
  };
}
