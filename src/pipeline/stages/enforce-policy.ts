import { SluiceError } from '../../core/errors/error.ts';
import { type EffectivePolicy, type Policy, UNRESTRICTED } from '../../core/policy/policy.ts';
import {
  checkPolicy,
  mayReach,
  type PolicyFacts,
  type PolicyVerdict,
  whoForbids,
} from '../../core/policy/policy-check.ts';
import type { Scope } from '../../core/policy/scope.ts';
import type { ApprovalDesk } from '../../ports/approval-desk.ts';
import { approvalWish } from '../approval-wish.ts';
import { extend } from '../exchange.ts';
import { helperToApprove, refuseHelpers } from '../helper-rules.ts';
import { needsApproval } from '../may-use.ts';
import { type Granted, policyFacts, reachOf } from '../policy-facts.ts';
import type { ModelRoute, Runtime } from '../runtime.ts';

export interface EnforcePolicyPorts {
  readonly approvals: ApprovalDesk;
  /** What a place says itself; to name who forbids. */
  readonly policyOf: (scope: Scope) => Policy | undefined;
}

/** Whether anything is left to check after authentication and `allowsModel`. */
function concerns(policy: EffectivePolicy): boolean {
  return (
    policy !== UNRESTRICTED &&
    (policy.providers !== undefined ||
      policy.regions !== undefined ||
      policy.maxOutputTokens !== undefined ||
      policy.tools.length > 0 ||
      policy.parameters.size > 0 ||
      policy.requiredTags.length > 0 ||
      policy.systemPrompts.length > 0 ||
      policy.approvals.length > 0)
  );
}

/** Policies are compiled with the snapshot, so what they concern is found once. */
const CONCERNS = new WeakMap<EffectivePolicy, boolean>();

function isConcerned(policy: EffectivePolicy): boolean {
  let known = CONCERNS.get(policy);
  if (known === undefined) {
    known = concerns(policy);
    CONCERNS.set(policy, known);
  }
  return known;
}

const RESTRICTED = new WeakMap<Runtime, WeakMap<EffectivePolicy, Runtime>>();

/**
 * The runtime without the places a policy does not allow. Everything that asks it for a model on behalf of the request
 * (fallbacks, routers, judges) stays inside.
 */
function restrict(runtime: Runtime, policy: EffectivePolicy): Runtime {
  if (policy.providers === undefined && policy.regions === undefined) return runtime;
  let known = RESTRICTED.get(runtime);
  if (known === undefined) {
    known = new WeakMap();
    RESTRICTED.set(runtime, known);
  }
  let restricted = known.get(policy);
  if (restricted === undefined) {
    restricted = within(runtime, policy);
    known.set(policy, restricted);
  }
  return restricted;
}

function within(runtime: Runtime, policy: EffectivePolicy): Runtime {
  const narrowed = new WeakMap<ModelRoute, ModelRoute>();
  const narrow = (route: ModelRoute | undefined): ModelRoute | undefined => {
    if (route === undefined) return undefined;
    let found = narrowed.get(route);
    if (found === undefined) {
      found = narrowRoute(route, policy);
      narrowed.set(route, found);
    }
    return found.deployments.length === 0 ? undefined : found;
  };
  const providers = [...runtime.providers].filter(([, { name, region }]) =>
    mayReach(policy, { provider: name, region }),
  );
  return {
    ...runtime,
    providers: new Map(providers),
    resolve: (name) => narrow(runtime.resolve(name)),
    reach: (provider, model) => narrow(runtime.reach(provider, model)),
  };
}

function narrowRoute(route: ModelRoute, policy: EffectivePolicy): ModelRoute {
  const deployments = route.deployments.filter((deployment) => mayReach(policy, reachOf(deployment)));
  return deployments.length === route.deployments.length ? route : { ...route, deployments };
}

function refusal(
  ports: EnforcePolicyPorts,
  exchange: Granted,
  found: { readonly facts: PolicyFacts; readonly field: string; readonly problem: string },
): SluiceError {
  const { principal } = exchange;
  const sources = principal.scopes.map((scope) => ({ scope, policy: ports.policyOf(scope) }));
  const scope = whoForbids(sources, found.facts);
  const who = scope === undefined ? 'this key and its places together' : `${scope.kind} \`${scope.id}\``;
  const subject =
    found.field === 'model' ? `\`${exchange.envelope.model.slice(0, 200)}\`` : `\`${found.field}\``;
  return new SluiceError(
    found.field === 'model' ? 'model_forbidden' : 'forbidden',
    `${subject} ${found.problem}, by the policy of ${who}.`,
    {
      param: found.field,
      details: {
        field: found.field,
        scope: scope === undefined ? null : scope.kind,
        scope_id: scope?.id ?? null,
      },
    },
  );
}

/** What a lawful request still needs: fewer places, a length, a prompt in front. */
function adjust(
  exchange: Granted,
  policy: EffectivePolicy,
  { maxOutputTokens, systemPrompt }: Extract<PolicyVerdict, { allowed: true }>,
): void {
  const { grant, envelope } = exchange;
  const runtime = restrict(exchange.runtime, policy);
  if (runtime !== exchange.runtime) {
    extend(exchange, { runtime, grant: { ...grant, route: narrowRoute(grant.route, policy) } });
  }
  if (maxOutputTokens !== undefined) extend(exchange, { envelope: { ...envelope, maxOutputTokens } });
  if (systemPrompt !== undefined) extend(exchange, { systemPrompt });
  if (policy.regions === undefined && systemPrompt === undefined) return;
  exchange.facts.ruling = {
    ...exchange.facts.ruling,
    ...(policy.regions === undefined ? {} : { regions: [...policy.regions] }),
    ...(systemPrompt === undefined ? {} : { systemPrompt: true }),
  };
}

/**
 * Enforces what the places of a key say about data and requests: providers, regions, parameters, length, tools, tags, the
 * system prompt, approvals, and models that the vendor is to call besides. Throws `forbidden` or `model_forbidden`, naming
 * the field and who forbids, or `approval_required`.
 */
export function createEnforcePolicy(
  ports: EnforcePolicyPorts,
): <E extends Granted>(exchange: E) => E | Promise<E> {
  return (exchange) => {
    const { policy } = exchange.principal;
    refuseHelpers(exchange);
    if (!isConcerned(policy)) return exchange;
    const whole = policy.parameters.size > 0 || (policy.tools.length > 0 && exchange.envelope.tools > 0);
    const facts = policyFacts(exchange, whole);
    const verdict = checkPolicy(policy, facts);
    if (!verdict.allowed) throw refusal(ports, exchange, { ...verdict, facts });
    adjust(exchange, policy, verdict);
    return policy.approvals.length > 0 ? approved(ports, exchange, policy) : exchange;
  };
}

/** Waits for a yes where the model needs one, or another that its vendor is to call. */
async function approved<E extends Granted>(
  ports: EnforcePolicyPorts,
  exchange: E,
  policy: EffectivePolicy,
): Promise<E> {
  const { model } = exchange.envelope;
  const what = needsApproval(policy, model, exchange.grant.route)
    ? `A call of \`${model.slice(0, 200)}\``
    : helperToApprove(exchange);
  if (what === undefined) return exchange;
  const id = await ports.approvals.pass(
    approvalWish(exchange, { subject: `${what}, which needs an approval.`, details: {} }),
  );
  exchange.facts.ruling = { ...exchange.facts.ruling, approval: id };
  return exchange;
}
