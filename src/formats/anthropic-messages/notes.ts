import type { Extensions, FormatId } from '../../core/model/index.ts';
import { FORMAT } from './names.ts';

/** Collects what an encoder leaves out, each thing once, for `x-sluice-dropped`. */
export class Notes {
  readonly #seen = new Set<string>();

  add(note: string): void {
    this.#seen.add(note);
  }

  addAll(notes: Iterable<string>): void {
    for (const note of notes) this.#seen.add(note);
  }

  /** Names the fields that other formats left for themselves. */
  addForeign(extensions: Extensions | undefined, where = ''): void {
    if (extensions === undefined) return;
    for (const format of Object.keys(extensions) as FormatId[]) {
      if (format === FORMAT) continue;
      for (const key of Object.keys(extensions[format] ?? {})) this.#seen.add(where + key);
    }
  }

  list(): readonly string[] {
    return [...this.#seen];
  }
}
