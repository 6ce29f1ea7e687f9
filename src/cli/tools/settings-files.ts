import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { CliFailure } from '../failure.ts';
import { type GatewayFacts, type SettingsFile, UnreadableSettings } from './tool.ts';

/** What would become of a file. An empty `after` means that the file goes. */
export interface Change {
  readonly path: string;
  readonly before: string;
  readonly after: string;
  /** The copy of what stood there before us, made by the first change and used by the way back. */
  readonly backup: string;
}

/** A file that a symlink leads to is changed itself: dotfiles are often kept elsewhere. */
function targetOf(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function backupOf(path: string): string {
  return `${path}.before-sluice`;
}

function editing<T>(file: SettingsFile, edit: () => T): T {
  try {
    return edit();
  } catch (error) {
    if (!(error instanceof UnreadableSettings)) throw error;
    throw new CliFailure(
      'bad_file',
      `${file.path} ${error.message}; nothing was changed. Mend it by hand first.`,
    );
  }
}

/** What `apply` makes of a file. Throws {@link CliFailure} for one that cannot be changed. */
export function planApply(file: SettingsFile, facts: GatewayFacts): Change {
  const path = targetOf(file.path);
  const before = read(path);
  return { path, before, after: editing(file, () => file.apply(before, facts)), backup: backupOf(path) };
}

/** The key that stands in a file already. Throws {@link CliFailure} for a file that cannot be read. */
export function keyIn(file: SettingsFile): string | undefined {
  return editing(file, () => file.keyIn?.(read(file.path)));
}

/** What the way back makes of a file that was changed before; `undefined` for one that was not. */
export function planRemove(file: SettingsFile): Change | undefined {
  const path = targetOf(file.path);
  const backup = backupOf(path);
  if (!existsSync(backup)) return undefined;
  const before = read(path);
  return { path, before, after: editing(file, () => file.remove(before, read(backup))), backup };
}

/** Replaces a file in one step, so that the tool never reads half of it. */
function replace(path: string, text: string, mode: number): void {
  const fresh = `${path}.sluice-new`;
  writeFileSync(fresh, text, { mode });
  chmodSync(fresh, mode);
  renameSync(fresh, path);
}

/** Carries a change out. The first one leaves the backup, an empty one where there was no file. */
export function carryOutApply({ path, before, after, backup }: Change): void {
  if (before === after) return;
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (!existsSync(backup)) writeFileSync(backup, before, { mode: 0o600 });
  // It holds a key now: nobody else reads it.
  replace(path, after, 0o600);
}

/** Carries the way back out; the backup is not needed any more. */
export function carryOutRemove({ path, before, after, backup }: Change): void {
  if (after === '') rmSync(path, { force: true });
  else if (after !== before) replace(path, after, statSync(path).mode & 0o777);
  rmSync(backup, { force: true });
}
