/** Lines of a dotenv file, as far as variables are set in them. */
function nameOf(line: string): string | undefined {
  return /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=/.exec(line)?.[1];
}

/** The value of a variable as it is written, the last one if it is set twice; `undefined` when it is not set. */
export function variableIn(text: string, name: string): string | undefined {
  const line = text.split(/\r?\n/).findLast((one) => nameOf(one) === name);
  return line === undefined
    ? undefined
    : line
        .slice(line.indexOf('=') + 1)
        .trim()
        .replace(/^(["'])(.*)\1$/, '$2');
}

/** Sets variables of a dotenv file where they stand, else at its end; `undefined` takes one away. */
export function setVariables(text: string, values: Readonly<Record<string, string | undefined>>): string {
  const left = new Map(Object.entries(values));
  const lines = text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/);
  const kept = lines.flatMap((line) => {
    const name = nameOf(line);
    if (name === undefined || !Object.hasOwn(values, name)) return [line];
    const value = left.get(name);
    left.delete(name);
    // Set twice, the second line would win: only the first stays.
    return value === undefined ? [] : [`${name}=${value}`];
  });
  for (const [name, value] of left) if (value !== undefined) kept.push(`${name}=${value}`);
  return kept.length === 0 ? '' : `${kept.join('\n')}\n`;
}
