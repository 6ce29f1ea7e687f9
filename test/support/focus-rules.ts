// Rules of the FinOps Open Cost and Usage Specification 1.0 for rows of usage, as far as a table can be held against them:
// which columns must be there, which may be empty, what values and types they take, and what must agree with what. Written
// from the column definitions of the specification (FOCUS_Spec, `specification/columns`) in our own words.

type Row = Readonly<Record<string, string>>;
type Kind = 'text' | 'decimal' | 'time' | 'json' | readonly string[];

interface Column {
  readonly kind: Kind;
  /** Whether an empty cell is allowed for a charge of the category Usage that is no correction. */
  readonly empty: boolean;
  /** Whether a table may leave the column out: what it is about is something not every provider has. */
  readonly conditional?: true;
  readonly least?: number;
}

const SERVICE_CATEGORIES = [
  'AI and Machine Learning',
  'Analytics',
  'Business Applications',
  'Compute',
  'Databases',
  'Developer Tools',
  'Multicloud',
  'Identity',
  'Integration',
  'Internet of Things',
  'Management and Governance',
  'Media',
  'Migration',
  'Mobile',
  'Networking',
  'Security',
  'Storage',
  'Web',
  'Other',
];

const cost: Column = { kind: 'decimal', empty: false };
const name: Column = { kind: 'text', empty: false };
const absent: Column = { kind: 'text', empty: true, conditional: true };

const COLUMNS: Readonly<Record<string, Column>> = {
  AvailabilityZone: absent,
  BilledCost: cost,
  BillingAccountId: name,
  BillingAccountName: { ...name, empty: true },
  BillingCurrency: { kind: ['USD'], empty: false },
  BillingPeriodEnd: { kind: 'time', empty: false },
  BillingPeriodStart: { kind: 'time', empty: false },
  ChargeCategory: { kind: ['Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment'], empty: false },
  ChargeClass: { kind: ['Correction'], empty: true },
  ChargeDescription: name,
  ChargeFrequency: { kind: ['One-Time', 'Recurring', 'Usage-Based'], empty: false },
  ChargePeriodEnd: { kind: 'time', empty: false },
  ChargePeriodStart: { kind: 'time', empty: false },
  CommitmentDiscountCategory: { kind: ['Spend', 'Usage'], empty: true, conditional: true },
  CommitmentDiscountId: absent,
  CommitmentDiscountName: absent,
  CommitmentDiscountStatus: { kind: ['Used', 'Unused'], empty: true, conditional: true },
  CommitmentDiscountType: absent,
  ConsumedQuantity: { kind: 'decimal', empty: false, conditional: true, least: Number.MIN_VALUE },
  ConsumedUnit: { kind: 'text', empty: false, conditional: true },
  ContractedCost: cost,
  ContractedUnitPrice: { kind: 'decimal', empty: false, conditional: true, least: 0 },
  EffectiveCost: cost,
  InvoiceIssuerName: name,
  ListCost: cost,
  ListUnitPrice: { kind: 'decimal', empty: false, conditional: true, least: 0 },
  PricingCategory: { kind: ['Standard', 'Dynamic', 'Committed', 'Other'], empty: false, conditional: true },
  PricingQuantity: { kind: 'decimal', empty: false },
  PricingUnit: name,
  ProviderName: name,
  PublisherName: name,
  RegionId: absent,
  RegionName: absent,
  ResourceId: absent,
  ResourceName: absent,
  ResourceType: absent,
  ServiceCategory: { kind: SERVICE_CATEGORIES, empty: false },
  ServiceName: name,
  SkuId: { ...name, conditional: true },
  SkuPriceId: { ...name, conditional: true },
  SubAccountId: absent,
  SubAccountName: absent,
  Tags: { kind: 'json', empty: true, conditional: true },
};

const TIME = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;
/** No separators, no signs of currency; an exponent is allowed. */
const DECIMAL = /^-?\d+(?:\.\d+)?(?:E-?\d+)?$/;

function cellProblem(value: string, { kind, least }: Column): string | undefined {
  if (typeof kind !== 'string') return kind.includes(value) ? undefined : 'not an allowed value';
  switch (kind) {
    case 'decimal':
      if (!DECIMAL.test(value)) return 'not a decimal';
      return least !== undefined && Number(value) < least ? 'too small' : undefined;
    case 'time':
      return TIME.test(value) && !Number.isNaN(Date.parse(value)) ? undefined : 'not a UTC time';
    case 'json':
      return isTags(value) ? undefined : 'not key-value pairs';
    default:
      return value.trim() === '' ? 'blank' : undefined;
  }
}

/** An object without objects in it. */
function isTags(text: string): boolean {
  try {
    const found: unknown = JSON.parse(text);
    return (
      typeof found === 'object' &&
      found !== null &&
      !Array.isArray(found) &&
      Object.values(found).every((value) => value === null || typeof value !== 'object')
    );
  } catch {
    return false;
  }
}

/** What must agree within a row. */
function relations(row: Row): string[] {
  const problems: string[] = [];
  const when = (wrong: boolean, problem: string) => {
    if (wrong) problems.push(problem);
  };
  const of = (column: string) => row[column] ?? '';
  const at = (column: string) => Date.parse(of(column));
  when(at('ChargePeriodStart') >= at('ChargePeriodEnd'), 'a charge ends before it begins');
  when(at('BillingPeriodStart') >= at('BillingPeriodEnd'), 'a billing period ends before it begins');
  when(
    at('ChargePeriodStart') < at('BillingPeriodStart') || at('ChargePeriodEnd') > at('BillingPeriodEnd'),
    'a charge for usage lies outside its billing period',
  );
  for (const kind of ['Category', 'Name', 'Status', 'Type']) {
    when(
      of(`CommitmentDiscount${kind}`) !== '' && of('CommitmentDiscountId') === '',
      `CommitmentDiscount${kind} without the discount`,
    );
  }
  when(of('ResourceName') !== '' && of('ResourceId') === '', 'ResourceName without ResourceId');
  when((of('ResourceType') === '') !== (of('ResourceId') === ''), 'ResourceType and ResourceId');
  when(of('SubAccountName') !== '' && of('SubAccountId') === '', 'SubAccountName without SubAccountId');
  when(of('RegionName') !== '' && of('RegionId') === '', 'RegionName without RegionId');
  when((of('ConsumedQuantity') === '') !== (of('ConsumedUnit') === ''), 'ConsumedQuantity and ConsumedUnit');
  when((of('PricingQuantity') === '') !== (of('PricingUnit') === ''), 'PricingQuantity and PricingUnit');
  when(of('PricingCategory') === 'Committed' && of('CommitmentDiscountId') === '', 'Committed to what');
  for (const [price, total] of [
    ['ListUnitPrice', 'ListCost'],
    ['ContractedUnitPrice', 'ContractedCost'],
  ] as const) {
    if (of(price) === '') continue;
    const product = Number(of(price)) * Number(of('PricingQuantity'));
    when(Math.abs(product - Number(of(total))) > 1e-9, `${price} times PricingQuantity is not ${total}`);
  }
  return problems;
}

/** What is wrong with a table, a line each; none when it conforms. */
export function focusProblems(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const problems = header
    .filter((column) => COLUMNS[column] === undefined && !column.startsWith('x_'))
    .map((column) => `column ${column} is neither of the specification nor marked as our own`);
  if (new Set(header).size !== header.length) problems.push('a column comes twice');
  for (const [column, { conditional }] of Object.entries(COLUMNS)) {
    if (conditional !== true && !header.includes(column)) problems.push(`column ${column} is missing`);
  }
  for (const [index, cells] of rows.entries()) {
    if (cells.length !== header.length) problems.push(`row ${index} has ${cells.length} cells`);
    const row = Object.fromEntries(header.map((column, at) => [column, cells[at] ?? '']));
    for (const [column, value] of Object.entries(row)) {
      const rule = COLUMNS[column];
      if (rule === undefined) continue;
      const problem = value === '' ? (rule.empty ? undefined : 'empty') : cellProblem(value, rule);
      if (problem !== undefined)
        problems.push(`row ${index}, ${column} ${JSON.stringify(value)}: ${problem}`);
    }
    for (const problem of relations(row)) problems.push(`row ${index}: ${problem}`);
  }
  return problems;
}

/** The cells of a CSV text, read as RFC 4180 says: quotes undone, line breaks within quotes kept. */
export function cellsOf(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    let cell = '';
    if (text[at] === '"') {
      at += 1;
      for (;;) {
        const end = text.indexOf('"', at);
        if (end < 0) throw new Error('a quote is not closed');
        cell += text.slice(at, end);
        at = end + 1;
        if (text[at] !== '"') break;
        cell += '"';
        at += 1;
      }
    } else {
      const end = /,|\r\n/.exec(text.slice(at))?.index ?? text.length - at;
      cell = text.slice(at, at + end);
      if (/["\r\n]/.test(cell)) throw new Error(`a cell needs quotes: ${JSON.stringify(cell)}`);
      at += end;
    }
    row.push(cell);
    if (text[at] === ',') {
      at += 1;
      if (at === text.length) row.push('');
    } else {
      if (text.slice(at, at + 2) !== '\r\n') throw new Error('a row does not end with CR LF');
      at += 2;
      rows.push(row);
      row = [];
    }
  }
  return rows;
}
