// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax this page explains.
import { ENVIRONMENT_VARIABLES } from './environment.ts';
import { alternatives, configJsonSchema, type SchemaNode, writePlace } from './schema-tree.ts';

/** The reference page of `sluice.yaml`, Markdown; the same schema gives the same text. */
export function referencePage(): string {
  const root = configJsonSchema();
  const sections = Object.entries(root.properties ?? {}).filter(([, node]) => !isLeaf(node));
  const top = Object.entries(root.properties ?? {}).filter(([, node]) => isLeaf(node));
  const body = sections.flatMap(([name, node]) => [
    `## ${name}`,
    '',
    node.description ?? '',
    '',
    ...tables([name], node),
  ]);
  return [...INTRODUCTION, ...table([], top), '', ...body, ...environmentTable()]
    .join('\n')
    .trimEnd()
    .concat('\n');
}

/** The JSON Schema file, for editors. */
export function schemaFile(): string {
  return `${print({ title: 'sluice.yaml', ...configJsonSchema() }, '', 0)}\n`;
}

const LINE_WIDTH = 110;

/** JSON as the formatter writes it, so that formatting leaves the file alone: short lists on one line. `used`: columns before. */
function print(value: unknown, indent: string, used: number): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const deeper = `${indent}  `;
  if (Array.isArray(value)) {
    const items = value.map((item) => print(item, deeper, deeper.length));
    const flat = `[${items.join(', ')}]`;
    const fits = !flat.includes('\n') && used + flat.length + 1 <= LINE_WIDTH;
    return fits ? flat : `[\n${items.map((item) => deeper + item).join(',\n')}\n${indent}]`;
  }
  const lines = Object.entries(value).map(([key, inner]) => {
    const start = `${deeper}${JSON.stringify(key)}: `;
    return start + print(inner, deeper, start.length);
  });
  return lines.length === 0 ? '{}' : `{\n${lines.join(',\n')}\n${indent}}`;
}

const INTRODUCTION = [
  '# Configuration reference',
  '',
  'Generated from `src/app/config/schema.ts` by `scripts/generate-config-docs.ts`; do not edit.',
  '',
  'One file, `sluice.yaml`. A commented one to start from is `sluice.example.yaml`; editors that know JSON Schema can',
  'use `docs/reference/sluice.schema.json`. `sluice check` prints every problem as path, problem, remedy.',
  '',
  '**Units** stand last in a name: `_ms` milliseconds, `_s` seconds, `_mb` and `_kb` megabytes and kilobytes, `_usd`',
  'US dollars. **Unknown keys** are errors that name the nearest known key.',
  '',
  '**Variables.** `${NAME}` in a value takes it from the environment, `${NAME:-default}` with a default; `$${` is a',
  'plain `${`. A variable that is unset or empty and has no default is a problem. Inside `{ }` and `[ ]`, quote it.',
  'Keys are not replaced.',
  '',
  '**Layers.** Later wins: the file, environment variables (last section), command-line flags, overrides set through',
  'the admin API. Maps merge key by key, lists and values replace, `null` in an override removes a key (RFC 7396).',
  'Without any `providers` in these, the ones whose keys stand in the environment are used.',
  '',
  '**Reload.** A changed file and SIGHUP reload it; a file with problems leaves the old configuration in force.',
  '',
  '## Top level',
  '',
];

function isLeaf(node: SchemaNode): boolean {
  return alternatives(node).every(
    (option) => option.properties === undefined && option.items === undefined && !isRecord(option),
  );
}

function isRecord(node: SchemaNode): boolean {
  return typeof node.additionalProperties === 'object';
}

/** One table per map of fixed keys, in the schema's order; deeper maps follow under their own heading. */
function tables(place: readonly string[], node: SchemaNode): string[] {
  return alternatives(node).flatMap((option) => {
    if (option.items !== undefined) return tables([...place, '[]'], option.items);
    if (typeof option.additionalProperties === 'object')
      return tables([...place, '*'], option.additionalProperties);
    if (option.properties === undefined) return [];
    const entries = Object.entries(option.properties);
    const heading = place.length > 1 ? [`### ${headingOf(place, option)}`, '', ...about(option, node)] : [];
    const inner = entries
      .filter(([, child]) => !isLeaf(child) && !isPlainList(child))
      .flatMap(([key, child]) => tables([...place, key], child));
    return [...heading, ...table(option.required ?? [], entries), '', ...inner];
  });
}

function headingOf(place: readonly string[], option: SchemaNode): string {
  const type = option.properties?.['type']?.const;
  return `\`${writePlace(place)}\`${type === undefined ? '' : ` with \`type: ${type}\``}`;
}

function about(option: SchemaNode, node: SchemaNode): string[] {
  const text =
    option.properties?.['type']?.const === undefined
      ? option.description
      : option.properties['type'].description;
  const shown = text ?? node.description;
  return shown === undefined ? [] : [shown, ''];
}

/** A list or map of scalars needs no table of its own. */
function isPlainList(node: SchemaNode): boolean {
  return alternatives(node).every((option) => {
    const inner =
      option.items ??
      (typeof option.additionalProperties === 'object' ? option.additionalProperties : undefined);
    return option.properties === undefined && (inner === undefined || isLeaf(inner));
  });
}

function table(required: readonly string[], entries: readonly (readonly [string, SchemaNode])[]): string[] {
  const rows = entries.map(([key, node]) => {
    const cells = [`\`${key}\``, kindOf(node), defaultOf(key, node, required), node.description ?? ''];
    return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  });
  return ['| key | kind | default | what it does |', '|---|---|---|---|', ...rows];
}

function kindOf(node: SchemaNode): string {
  return [...new Set(alternatives(node).map(oneKind))].join(' or ');
}

function oneKind(node: SchemaNode): string {
  if (node.enum !== undefined) return node.enum.map((word) => `\`${word}\``).join(', ');
  if (node.const !== undefined) return `\`${node.const}\``;
  if (node.writeOnly === true) return 'secret';
  if (node.items !== undefined) return `list of ${kindOf(node.items)}`;
  if (isRecord(node)) return 'map by name';
  if (node.type === 'object') return 'keys';
  if (node.type === 'integer' || node.type === 'number') return numberKind(node);
  return node.type === 'boolean' ? '`true`, `false`' : 'text';
}

function numberKind(node: SchemaNode): string {
  const word = node.type === 'integer' ? 'whole number' : 'number';
  if (node.exclusiveMinimum !== undefined) return `${word} above ${node.exclusiveMinimum}`;
  if (node.minimum === undefined || node.maximum === undefined) return word;
  if (node.maximum >= 1_000_000_000) return `${word}, at least ${node.minimum}`;
  return `${word}, ${node.minimum} to ${node.maximum}`;
}

function defaultOf(key: string, node: SchemaNode, required: readonly string[]): string {
  if (required.includes(key)) return 'required';
  const value = node.default;
  if (value === undefined || JSON.stringify(value) === '{}') return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function environmentTable(): string[] {
  const rows = ENVIRONMENT_VARIABLES.map(
    ({ name, path, kind }) =>
      `| \`${name}\` | \`${path.join('.')}\` | ${kind === 'list' ? 'comma-separated' : ''} |`,
  );
  return [
    '## Environment variables',
    '',
    'Each overrides one key. An empty variable counts as unset.',
    '',
    '| variable | key | form |',
    '|---|---|---|',
    ...rows,
  ];
}
