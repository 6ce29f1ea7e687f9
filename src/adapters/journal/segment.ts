import { closeSync, fstatSync, openSync, readdirSync, readSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { decodeLine, type JournalLine } from './line.ts';

/** A place in the journal: everything before `offset` bytes of that segment, and all of the segments before it. */
export interface JournalPosition {
  readonly segment: number;
  readonly offset: number;
}

const NAME = /^(\d{16})\.journal$/;
const NEWLINE = 0x0a;
const CHUNK_BYTES = 1 << 18;
/** A line longer than this is taken for damage; records are bounded far below it. */
const MAX_LINE_BYTES = 1 << 26;

/** Path of a segment. Sixteen digits, so that names sort like numbers. */
export function segmentPath(directory: string, segment: number): string {
  return join(directory, `${String(segment).padStart(16, '0')}.journal`);
}

/** Numbers of the segments there are, ascending. */
export function listSegments(directory: string): number[] {
  const numbers: number[] = [];
  for (const name of readdirSync(directory)) {
    const match = NAME.exec(name);
    if (match !== null) {
      numbers.push(Number(match[1]));
    }
  }
  return numbers.sort((left, right) => left - right);
}

/** Deletes a segment; one that is gone already is fine. */
export function deleteSegment(directory: string, segment: number): void {
  rmSync(segmentPath(directory, segment), { force: true });
}

/** What reading came to: `line` is undefined for a damaged one, `end` is the offset behind it. */
export interface ScannedLine {
  readonly line: JournalLine | undefined;
  readonly end: number;
}

/**
 * Reads the lines of a segment between two offsets (`to` absent: to the end of the file). A last line without newline
 * is not there: a crash tore it, or it is still being written. A segment that is gone reads as empty.
 */
export function* scanSegment(path: string, from: number, to?: number): Generator<ScannedLine> {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return;
    }
    throw error;
  }
  try {
    const limit = to ?? fstatSync(file).size;
    let buffer = Buffer.allocUnsafe(CHUNK_BYTES);
    let offset = from;
    while (offset < limit) {
      const filled = fill(file, buffer.subarray(0, Math.min(buffer.length, limit - offset)), offset);
      const used = yield* linesOf(buffer.subarray(0, filled), offset);
      offset += used;
      if (used === 0) {
        if (filled < buffer.length || buffer.length >= MAX_LINE_BYTES) {
          return;
        }
        buffer = Buffer.allocUnsafe(buffer.length * 2);
      }
    }
  } finally {
    closeSync(file);
  }
}

/** Yields the whole lines of a chunk; returns how many bytes they took. */
function* linesOf(chunk: Buffer, offset: number): Generator<ScannedLine, number> {
  let start = 0;
  for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
    const line = decodeLine(chunk, start, end);
    start = end + 1;
    yield { line, end: offset + start };
  }
  return start;
}

function fill(file: number, target: Buffer, at: number): number {
  let filled = 0;
  while (filled < target.length) {
    const read = readSync(file, target, filled, target.length - filled, at + filled);
    if (read === 0) {
      break;
    }
    filled += read;
  }
  return filled;
}
