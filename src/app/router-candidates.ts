import { listRate } from '../core/routing/decision/choose.ts';
import type { Candidate } from '../core/routing/decision/types.ts';
import type { Deployment, ModelRoute } from '../pipeline/runtime.ts';

const STRUCTURED = { none: 0, json_object: 1, json_schema: 2 } as const;

function dearest(deployments: readonly Deployment[]): Candidate['price'] {
  let most: Candidate['price'];
  for (const { price } of deployments) {
    if (price !== undefined && (most === undefined || listRate(price) > listRate({ price: most })))
      most = price.price;
  }
  return most;
}

/** The larger of what all deployments tell; `undefined` as soon as one is not known to have a limit. */
function widest(values: readonly (number | undefined)[]): number | undefined {
  let most = 0;
  for (const value of values) {
    if (value === undefined) return undefined;
    most = Math.max(most, value);
  }
  return most === 0 ? undefined : most;
}

/** A model as a router sees it: what at least one of its deployments can do, at the price of the dearest. */
export function candidateOf(route: ModelRoute): Candidate {
  const { deployments } = route;
  const profiles = deployments.map(({ profile }) => profile);
  const contextTokens = widest(profiles.map((profile) => profile.contextTokens));
  const maxOutputTokens = widest(profiles.map((profile) => profile.maxOutputTokens));
  const [first] = profiles;
  return {
    model: route.name,
    price: dearest(deployments),
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
    tools: profiles.some(({ tools }) => tools),
    vision: profiles.some(({ input }) => input.includes('image')),
    structuredOutput: profiles
      .map(({ structuredOutput }) => structuredOutput)
      .reduce((best, one) => (STRUCTURED[one] > STRUCTURED[best] ? one : best), 'none'),
    reasoning: profiles.some(({ reasoning }) => reasoning.kind !== 'none'),
    refuses: (first?.refuses ?? []).filter((name) => profiles.every(({ refuses }) => refuses.includes(name))),
    regions: [...new Set(deployments.map(({ provider }) => provider.region ?? ''))],
    providers: [...new Set(deployments.flatMap(({ provider }) => [provider.name, provider.vendor.id]))],
  };
}

/** Cheapest first. */
export function byRate(candidates: readonly Candidate[]): readonly Candidate[] {
  return [...candidates].sort((a, b) => {
    const [one, other] = [listRate(a), listRate(b)];
    return one === other ? 0 : one - other;
  });
}
