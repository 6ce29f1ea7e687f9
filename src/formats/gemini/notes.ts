/** What an encoder leaves out, each named once, for `x-sluice-dropped`. */
export class Notes {
  readonly #names = new Set<string>();

  add(...names: readonly string[]): void {
    for (const name of names) this.#names.add(name);
  }

  /** Names what was asked for, if it was. */
  when(asked: boolean, name: string): void {
    if (asked) this.#names.add(name);
  }

  get list(): readonly string[] {
    return [...this.#names];
  }
}
