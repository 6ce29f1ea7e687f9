// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax this file reads.
/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A `${…}` that could not be replaced. */
export interface InterpolationFailure {
  readonly problem: string;
  readonly remedy: string;
}

/** A text after replacement. */
export interface Interpolated {
  readonly value: string;
  /** Values that came from the environment; they must not be shown. */
  readonly taken: readonly string[];
  readonly failures: readonly InterpolationFailure[];
}

const PATTERN = /\$\$\{|\$\{([^{}]*)(\}?)/g;
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/**
 * Replaces `${NAME}` and `${NAME:-default}`; `$${` stands for a plain `${`. A variable that is unset or empty takes
 * its default, and is a failure without one: an empty key is nearly always a mistake.
 */
export function interpolate(text: string, environment: Environment): Interpolated {
  const taken: string[] = [];
  const failures: InterpolationFailure[] = [];
  const value = text.replace(
    PATTERN,
    (whole: string, inside: string | undefined, close: string | undefined) => {
      if (whole === '$${') return '${';
      if (close !== '}' || inside === undefined) {
        failures.push({
          problem: 'has a `${` without its `}`.',
          remedy: 'Write ${NAME}, or $${ for a plain ${.',
        });
        return '';
      }
      return replaceOne(inside, environment, { taken, failures });
    },
  );
  return { value, taken, failures };
}

interface Outcome {
  readonly taken: string[];
  readonly failures: InterpolationFailure[];
}

function replaceOne(inside: string, environment: Environment, outcome: Outcome): string {
  const separator = inside.indexOf(':-');
  const name = separator < 0 ? inside : inside.slice(0, separator);
  if (!NAME.test(name)) {
    outcome.failures.push({
      problem: 'has a `${…}` that names no environment variable.',
      remedy:
        'Write ${NAME} or ${NAME:-default} with letters, digits and _ in the name, or $${ for a plain ${.',
    });
    return '';
  }
  const found = Object.hasOwn(environment, name) ? environment[name] : undefined;
  if (found !== undefined && found !== '') {
    outcome.taken.push(found);
    return found;
  }
  if (separator >= 0) return inside.slice(separator + 2);
  outcome.failures.push({
    problem: `needs the environment variable ${name}, which is ${found === '' ? 'empty' : 'not set'}.`,
    remedy: `Set ${name} before starting, or give a default with \${${name}:-…}.`,
  });
  return '';
}
