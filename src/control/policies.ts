import type { z } from 'zod';
import type { Policy } from '../core/policy/policy.ts';
import type { PlaceLimits } from '../core/policy/virtual-key.ts';
import type { policyInput } from './contracts/place-shapes.ts';

type PolicyView = z.output<typeof policyInput>;

/** Without the properties that are `undefined`, which stored shapes do not allow. */
export function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}

/** A policy as the API takes it, as it is kept. */
export function policyOf(input: PolicyView): Policy {
  return present({
    models: input.models,
    providers: input.providers,
    regions: input.regions,
    operations: input.operations,
    cidrs: input.cidrs,
    maxOutputTokens: input.max_output_tokens,
    tools: input.tools,
    parameters:
      input.parameters === undefined
        ? undefined
        : Object.fromEntries(Object.entries(input.parameters).map(([name, rule]) => [name, present(rule)])),
    requiredTags: input.required_tags,
    systemPrompt: input.system_prompt,
    approvals: input.approvals,
    limits: input.limits === undefined ? undefined : (present(input.limits) as PlaceLimits),
  }) as Policy;
}

/** A policy as the API shows it. */
export function policyView(policy: Policy): PolicyView {
  return present({
    models: copy(policy.models),
    providers: copy(policy.providers),
    regions: copy(policy.regions),
    operations: copy(policy.operations),
    cidrs: copy(policy.cidrs),
    max_output_tokens: policy.maxOutputTokens,
    tools: copy(policy.tools),
    parameters: policy.parameters === undefined ? undefined : { ...policy.parameters },
    required_tags: copy(policy.requiredTags),
    system_prompt: policy.systemPrompt,
    approvals: copy(policy.approvals),
    limits: policy.limits === undefined ? undefined : { ...policy.limits },
  });
}

function copy(list: readonly string[] | undefined): string[] | undefined {
  return list === undefined ? undefined : [...list];
}
