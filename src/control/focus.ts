import { nanoToUsd } from '../core/cost/money.ts';
import { DAY_MS, HOUR_MS } from '../core/durations.ts';
import type { SpendDimension, SpendRow } from '../ports/store.ts';
import type { CsvCell } from './csv.ts';
import type { SpendNames } from './spend-names.ts';

// Columns of the FinOps Open Cost and Usage Specification 1.0 (focus.finops.org), plus our own, which it wants to begin with
// `x_`. A key is the resource, a model of a provider the SKU, a team the sub account and an organization the billing account.

/** What a charge is told apart by. */
export const FOCUS_DIMENSIONS: readonly SpendDimension[] = [
  'organization',
  'team',
  'project',
  'key',
  'provider',
  'model',
];

/** Who made the service available where no provider did; the specification allows no null. */
const OURSELVES = 'Sluice';
const NO_MODEL = '(no model)';
/** How the specification writes times: RFC 3339, UTC, whole seconds. */
const at = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

type Columns = Readonly<Record<string, CsvCell>>;

function columnsOf(row: SpendRow, names: SpendNames, step: 'hour' | 'day'): Columns {
  const of = (dimension: string) => row.group[dimension] ?? null;
  const nameOf = (dimension: string) => names[dimension]?.[of(dimension) ?? ''] ?? of(dimension);
  const start = row.start ?? 0;
  const day = new Date(start);
  const month = (offset: number) => at(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + offset));
  const cost = { decimal: nanoToUsd(row.costNano) };
  // What has no tokens (images, refusals) is counted as calls: a quantity must be above zero.
  const tokens = row.inputTokens + row.cacheReadTokens + row.cacheWriteTokens + row.outputTokens;
  const [quantity, unit] = tokens > 0 ? [tokens, 'Tokens'] : [row.requests, 'Requests'];
  // Refusals and answers from the cache come from the gateway itself.
  const provider = of('provider') ?? OURSELVES;
  const sku = `${provider}/${of('model') ?? NO_MODEL}`;
  return {
    BilledCost: cost,
    BillingAccountId: of('organization'),
    BillingAccountName: nameOf('organization'),
    BillingCurrency: 'USD',
    BillingPeriodEnd: month(1),
    BillingPeriodStart: month(0),
    ChargeCategory: 'Usage',
    ChargeClass: null,
    ChargeDescription: `${of('model') ?? 'no model'} by ${of('provider') ?? 'no provider'}`,
    ChargeFrequency: 'Usage-Based',
    ChargePeriodEnd: at(start + (step === 'day' || row.wholeDay === true ? DAY_MS : HOUR_MS)),
    ChargePeriodStart: at(start),
    CommitmentDiscountCategory: null,
    CommitmentDiscountId: null,
    CommitmentDiscountName: null,
    CommitmentDiscountStatus: null,
    CommitmentDiscountType: null,
    ConsumedQuantity: quantity,
    ConsumedUnit: unit,
    ContractedCost: cost,
    EffectiveCost: cost,
    InvoiceIssuerName: provider,
    ListCost: cost,
    PricingCategory: 'Standard',
    PricingQuantity: quantity,
    PricingUnit: unit,
    ProviderName: provider,
    PublisherName: provider,
    RegionId: null,
    RegionName: null,
    ResourceId: of('key'),
    ResourceName: nameOf('key'),
    ResourceType: of('key') === null ? null : 'Virtual key',
    ServiceCategory: 'AI and Machine Learning',
    ServiceName: of('model') ?? NO_MODEL,
    SkuId: sku,
    // There is no price list, so a SKU is its own price.
    SkuPriceId: sku,
    SubAccountId: of('team'),
    SubAccountName: nameOf('team'),
    Tags: JSON.stringify(of('project') === null ? {} : { 'sluice/project': nameOf('project') }),
    x_ProjectId: of('project'),
    x_Requests: row.requests,
    x_UnpricedRequests: row.unpriced,
    x_InputTokens: row.inputTokens,
    x_CacheReadTokens: row.cacheReadTokens,
    x_CacheWriteTokens: row.cacheWriteTokens,
    x_OutputTokens: row.outputTokens,
  };
}

const NOTHING: SpendRow = {
  group: {},
  requests: 0,
  errors: 0,
  costNano: 0,
  inputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  latencyMs: 0,
  unpriced: 0,
  refused: 0,
  abandoned: 0,
};

/** The header of the table. */
export const FOCUS_COLUMNS: readonly string[] = Object.keys(columnsOf(NOTHING, {}, 'day'));

/** A charge, in the order of `FOCUS_COLUMNS`. */
export function focusRow(row: SpendRow, names: SpendNames, step: 'hour' | 'day'): CsvCell[] {
  return Object.values(columnsOf(row, names, step));
}
