import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { SluiceError } from '../../core/errors/error.ts';
import { type Journal, type JournalOptions, openJournal } from './journal.ts';
import { lockDirectory } from './lock.ts';
import { listSegments } from './segment.ts';

/** Processes that can share a data directory. */
const MAX_SLOTS = 32;

/** Where the process with this number keeps its journal. */
function journalDirectory(dataDir: string, slot: number): string {
  return join(dataDir, slot === 1 ? 'journal' : `journal-${slot}`);
}

/**
 * Opens the journal of the first number that no running process has.
 * @throws SluiceError `conflict` when all are taken, `ledger_unavailable` when the disk refuses
 */
export function openFreeJournal(
  dataDir: string,
  options: Omit<JournalOptions, 'directory' | 'slot'>,
): Journal {
  for (let slot = 1; ; slot++) {
    try {
      return openJournal({ ...options, directory: journalDirectory(dataDir, slot), slot });
    } catch (error) {
      const taken = error instanceof SluiceError && error.code === 'conflict';
      if (!taken || slot === MAX_SLOTS) throw error;
    }
  }
}

/** A journal whose process is gone. `release` must be called. */
export interface LeftJournal {
  readonly directory: string;
  readonly slot: number;
  /** Behind its last segment. */
  readonly firstSegment: number;
  release(): void;
}

/** Locks the journals of processes that are gone, one after the other; `own` is left alone. */
export function* leftJournals(dataDir: string, own: number): Generator<LeftJournal> {
  for (let slot = 1; slot <= MAX_SLOTS; slot++) {
    const directory = journalDirectory(dataDir, slot);
    if (slot === own || !existsSync(directory)) continue;
    let release: () => void;
    try {
      release = lockDirectory(directory);
    } catch {
      continue;
    }
    const last = listSegments(directory).at(-1) ?? 0;
    yield { directory, slot, firstSegment: last + 1, release };
  }
}
