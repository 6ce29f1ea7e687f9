/** A TOML text cut where tables begin: what stands before the first one, then each table with its header line. */
export interface TomlParts {
  readonly top: readonly string[];
  readonly tables: readonly { readonly name: string; readonly lines: readonly string[] }[];
}

/** Whether a line leaves a string of several lines open that it began, or ends the one it stands in. */
function openAfter(line: string, open: string | undefined): string | undefined {
  let quote = open;
  for (const [mark] of line.matchAll(/"""|'''/g)) {
    if (quote === undefined) quote = mark;
    else if (quote === mark) quote = undefined;
  }
  return quote;
}

/** Cuts a text at its table headers; nothing is lost. A header inside a string of several lines is none. */
export function cutToml(text: string): TomlParts {
  const top: string[] = [];
  const tables: { name: string; lines: string[] }[] = [];
  let open: string | undefined;
  for (const line of text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/)) {
    const header = open === undefined ? /^\s*\[\[?\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$/.exec(line) : null;
    open = openAfter(line, open);
    if (header !== null) tables.push({ name: header[1] ?? '', lines: [line] });
    else (tables.at(-1)?.lines ?? top).push(line);
  }
  return { top, tables };
}

/** The parts as one text again. */
export function joinToml({ top, tables }: TomlParts): string {
  const lines = [...top, ...tables.flatMap((table) => table.lines)];
  return lines.length === 0 ? '' : `${lines.join('\n').replace(/^\n+/, '')}\n`;
}

/** A string of TOML (basic strings escape as JSON does). */
export function tomlString(value: string): string {
  return JSON.stringify(value);
}

function isKey(line: string, name: string): boolean {
  return new RegExp(`^\\s*(?:${name}|"${name}"|'${name}')\\s*=`).test(line);
}

/** The line that sets a key before the first table. */
export function topLine({ top }: TomlParts, name: string): string | undefined {
  return top.find((line) => isKey(line, name));
}

/** Sets the line of a key before the first table, in its place or first of all; `undefined` takes it away. */
export function setTopLine(parts: TomlParts, name: string, line: string | undefined): TomlParts {
  const at = parts.top.findIndex((one) => isKey(one, name));
  const top = [...parts.top];
  if (at >= 0) top.splice(at, 1, ...(line === undefined ? [] : [line]));
  else if (line !== undefined) {
    // Comments at the head of a file belong to the file.
    const head = top.findIndex((one) => !/^\s*(?:#|$)/.test(one));
    const place = head >= 0 ? head : top.length;
    top.splice(place, 0, line, ...(head < 0 && parts.tables.length > 0 ? [''] : []));
  }
  return { ...parts, top };
}

/** Replaces a table, those below it too, or puts it last; `undefined` takes it away. */
export function setTable(parts: TomlParts, name: string, lines: readonly string[] | undefined): TomlParts {
  const same = (one: string) => one.replaceAll(/["'\s]/g, '') === name;
  const below = (one: string) => one.replaceAll(/["'\s]/g, '').startsWith(`${name}.`);
  const at = parts.tables.findIndex((table) => same(table.name));
  const others = parts.tables.filter((table) => !same(table.name) && !below(table.name));
  if (lines === undefined) return { ...parts, tables: others };
  const place = at < 0 ? others.length : at;
  // An empty line before our table, but not one more each time.
  const before = place === 0 ? parts.top : (others[place - 1]?.lines ?? []);
  const gap = before.length > 0 && before.at(-1)?.trim() !== '' ? [''] : [];
  const after = place < others.length ? [''] : [];
  const tables = [...others];
  if (place > 0) {
    const previous = others[place - 1];
    if (previous !== undefined) tables[place - 1] = { ...previous, lines: [...previous.lines, ...gap] };
  }
  tables.splice(place, 0, { name, lines: [...lines, ...after] });
  return { top: place === 0 ? [...parts.top, ...gap] : parts.top, tables };
}

/** Lines of a table, its header included; `undefined` when there is none. */
export function tableLinesOf(parts: TomlParts, name: string): readonly string[] | undefined {
  return parts.tables.find((table) => table.name.replaceAll(/["'\s]/g, '') === name)?.lines;
}
