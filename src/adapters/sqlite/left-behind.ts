import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { listSegments } from '../journal/segment.ts';
import { leftJournals } from '../journal/slots.ts';
import { Ingestor } from './ingest.ts';
import { forgetProcess } from './processes.ts';

/**
 * Takes in the journals of processes that share the database and are gone, and charges their open holds, so that what they
 * held does not stay held. Returns how many there were.
 */
export function takeOverLeft(raw: DatabaseSync, own: { directory: string; slot: number }): number {
  let count = 0;
  for (const left of leftJournals(dirname(own.directory), own.slot)) {
    try {
      const running = raw.prepare('SELECT 1 FROM processes WHERE slot = ?').get(left.slot);
      if (listSegments(left.directory).length === 0 && running === undefined) continue;
      new Ingestor(raw, left).recover();
      forgetProcess(raw, left.slot);
      count += 1;
    } finally {
      left.release();
    }
  }
  return count;
}
