/** Where a request may be processed. Absent: anywhere. All that is present must hold. */
export interface Bounds {
  /** Names of providers, as configured. */
  readonly providers?: ReadonlySet<string> | undefined;
  readonly regions?: ReadonlySet<string> | undefined;
  /** What the request itself asked for (`x-sluice-region`): it can only narrow. */
  readonly asked?: readonly string[] | undefined;
}

/** Where a deployment is. */
export interface Location {
  readonly provider: string;
  /** `undefined`: nobody knows, so no region can be promised. */
  readonly region: string | undefined;
}

/** Whether a region lies in another: `eu-west-1` in `eu-west-1` and in `eu`. Without regard to case. */
function liesIn(region: string, area: string): boolean {
  const [inner, outer] = [region.toLowerCase(), area.toLowerCase()];
  return inner === outer || (inner.startsWith(outer) && inner[outer.length] === '-');
}

function isIn(region: string | undefined, areas: Iterable<string>): boolean {
  if (region === undefined) return false;
  for (const area of areas) if (liesIn(region, area)) return true;
  return false;
}

/** What forbids sending a request there; `undefined` when nothing does. A hard constraint: nobody may weaken it later. */
export function forbiddenBy(
  bounds: Bounds,
  { provider, region }: Location,
): 'provider' | 'region' | undefined {
  const { providers, regions, asked } = bounds;
  if (providers !== undefined && !providers.has(provider)) return 'provider';
  if (regions !== undefined && !isIn(region, regions)) return 'region';
  if (asked !== undefined && !isIn(region, asked)) return 'region';
  return undefined;
}

/** Whether there is anything to check. */
export function isBounded({ providers, regions, asked }: Bounds): boolean {
  return providers !== undefined || regions !== undefined || asked !== undefined;
}
