import { closeSync, fdatasync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { type JournalPosition, segmentPath } from './segment.ts';

/** The calls a segment needs. */
export interface SegmentFiles {
  open(path: string): number;
  /** Returns how many bytes it took. */
  write(file: number, bytes: Buffer, offset: number): number;
  truncate(file: number, length: number): void;
  sync(file: number): Promise<void>;
  close(file: number): void;
}

/** The operating system's files. A segment is never opened twice for writing. */
export const systemFiles: SegmentFiles = {
  open: (path) => openSync(path, 'ax', 0o600),
  write: (file, bytes, offset) => writeSync(file, bytes, offset),
  truncate: ftruncateSync,
  sync: (file) =>
    new Promise((resolve, reject) => {
      fdatasync(file, (error) => (error === null ? resolve() : reject(error)));
    }),
  close: closeSync,
};

/** Appends to the newest segment. An append that fails leaves nothing behind that a reader would take for a line. */
export class SegmentWriter {
  readonly #files: SegmentFiles;
  readonly #directory: string;
  readonly #maxBytes: number;
  #segment: number;
  #file: number;
  #length = 0;
  /** The end of the file is not where `#length` says: go on in a new one. */
  #damaged = false;

  constructor(files: SegmentFiles, directory: string, size: { first: number; maxBytes: number }) {
    this.#files = files;
    this.#directory = directory;
    this.#maxBytes = size.maxBytes;
    this.#segment = size.first;
    this.#file = files.open(segmentPath(directory, size.first));
  }

  position(): JournalPosition {
    return { segment: this.#segment, offset: this.#length };
  }

  /** Writes all of the bytes, or throws and takes back what was written of them. */
  append(bytes: Buffer): void {
    if (this.#damaged || this.#length >= this.#maxBytes) {
      this.#rotate();
    }
    let written = 0;
    try {
      while (written < bytes.length) {
        written += this.#files.write(this.#file, bytes, written);
      }
    } catch (error) {
      this.#takeBack(written);
      throw error;
    }
    this.#length += bytes.length;
  }

  /** Rejects when the disk may not have everything; the segment is given up then, as its state is unknown. */
  async sync(): Promise<void> {
    try {
      await this.#files.sync(this.#file);
    } catch (error) {
      this.#damaged = true;
      throw error;
    }
  }

  close(): void {
    this.#files.close(this.#file);
  }

  #rotate(): void {
    const next = this.#files.open(segmentPath(this.#directory, this.#segment + 1));
    this.#files.close(this.#file);
    this.#file = next;
    this.#segment += 1;
    this.#length = 0;
    this.#damaged = false;
  }

  #takeBack(written: number): void {
    try {
      this.#files.truncate(this.#file, this.#length);
    } catch {
      this.#damaged = written > 0;
    }
  }
}
