// biome-ignore-all lint/suspicious/noTemplateCurlyInString: ${NAME} is the syntax of sluice.yaml.
import { MODEL_NAME } from '../config/sections/scalars.ts';

/** A JSON-like map under construction. */
export type Tree = Record<string, unknown>;

/** What an environment variable holds, so that the result can be checked before it is set. */
export type VariableUse = 'secret' | 'url' | 'text';

/** An environment variable the new file needs. */
export interface NeededVariable {
  readonly name: string;
  readonly use: VariableUse;
  /** Where its value stands in the foreign file as plain text; absent when that used a variable already. */
  readonly valueAt?: string;
}

/** What makes one provider entry different from another. */
export interface ProviderWish {
  /** Our vendor id. */
  readonly type: string;
  /** Name wanted for the entry; its type when absent. */
  readonly name?: string | undefined;
  readonly settings: Tree;
}

/** A `sluice.yaml` being written by an importer. */
export class Draft {
  readonly providers: Record<string, Tree> = {};
  readonly models: Record<string, Tree> = {};
  readonly routers: Record<string, Tree> = {};
  /** Everything else, by section. */
  readonly sections: Record<string, unknown> = {};
  readonly #variables = new Map<string, NeededVariable>();
  readonly #signatures = new Map<string, string>();
  readonly #reserved: ReadonlySet<string>;

  /** @param reserved variables the foreign file reads itself: nothing else may be moved into them */
  constructor(reserved: Iterable<string> = []) {
    this.#reserved = new Set(reserved);
  }

  get variables(): readonly NeededVariable[] {
    return [...this.#variables.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** `${NAME}`; several places may need the same variable. */
  variable(name: string, use: VariableUse): string {
    if (!this.#variables.has(name)) this.#variables.set(name, { name, use });
    return `\${${name}}`;
  }

  /** A value that stands in the foreign file as plain text is moved into a variable: it is not copied. */
  moved(wanted: string, use: VariableUse, valueAt: string): string {
    let name = wanted;
    const taken = () => this.#variables.has(name) || this.#reserved.has(name);
    for (let n = 2; taken(); n++) name = `${wanted}_${n}`;
    this.#variables.set(name, { name, use, valueAt });
    return `\${${name}}`;
  }

  /** The entry's name; equal wishes share one entry. */
  provider({ type, name: wanted, settings }: ProviderWish): string {
    const signature = JSON.stringify([type, wanted, settings]);
    const known = this.#signatures.get(signature);
    if (known !== undefined) return known;
    const base = providerName(wanted ?? type);
    let name = base;
    for (let n = 2; Object.hasOwn(this.providers, name); n++) name = `${base}-${n}`;
    this.providers[name] = { ...(name === type ? {} : { type }), ...settings };
    this.#signatures.set(signature, name);
    return name;
  }

  model(name: string): Tree {
    this.models[name] ??= { deployments: [] };
    return this.models[name];
  }

  /** The file as a tree, empty sections left out. */
  tree(): Tree {
    const { providers, models, routers } = this;
    const filled = Object.entries({ providers, models, routers }).filter(
      ([, section]) => Object.keys(section).length > 0,
    );
    return { version: 1, ...this.sections, ...Object.fromEntries(filled) };
  }
}

/** A name as `providers` takes it. */
export function providerName(wanted: string): string {
  const name = wanted
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .replace(/-+$/, '')
    .slice(0, 56);
  return name === '' ? 'provider' : name;
}

/** Whether `models` and `routers` take this name. */
export function isModelName(name: string): boolean {
  return MODEL_NAME.test(name) && !/:(cost|fast|quality)$/.test(name);
}

/** A name as an environment variable may have it. */
export function variableName(text: string): string {
  const name = text
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, 100);
  return /^[A-Z]/.test(name) ? name : `X_${name}`;
}

/** US dollars per token as US dollars per million tokens, without the dust of binary fractions. */
export function perMillion(perToken: number): number {
  return Number((perToken * 1e6).toPrecision(12));
}

/** A whole number within bounds; `undefined` where it does not fit. */
export function whole(value: number | undefined, min: number, max: number): number | undefined {
  if (value === undefined) return undefined;
  const rounded = Math.round(value);
  return rounded >= min && rounded <= max ? rounded : undefined;
}
