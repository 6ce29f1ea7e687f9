import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exchange, hold, lineOf, systemClock } from '../../../test/contract/ledger-samples.ts';
import { decodeExchange } from './exchange-text.ts';
import { type Journal, type JournalOptions, openJournal } from './journal.ts';
import { decodeLine } from './line.ts';
import { listSegments, scanSegment, segmentPath } from './segment.ts';
import { type SegmentFiles, systemFiles } from './writer.ts';

let directory: string;
let open: Journal[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-journal-'));
  open = [];
});
afterEach(async () => {
  for (const journal of open) await journal.close().catch(() => undefined);
  rmSync(directory, { recursive: true });
});

function journalOf(options: Partial<JournalOptions> = {}): Journal {
  const journal = openJournal({ directory, clock: systemClock, ...options });
  open.push(journal);
  return journal;
}

/** `H:id` and `S:id` of every readable line on disk. */
function onDisk(): string[] {
  return listSegments(directory).flatMap((segment) =>
    [...scanSegment(segmentPath(directory, segment), 0)].map(({ line }) =>
      line === undefined ? 'damaged' : `${line.kind === 'hold' ? 'H' : 'S'}:${line.id}`,
    ),
  );
}

/** A disk that refuses while `full`; with `halfway` it takes some bytes first. */
function fullDisk(halfway: boolean, canTruncate = true) {
  const state = { full: false, writes: 0 };
  const refuse = () => Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  const files: SegmentFiles = {
    ...systemFiles,
    write(file, bytes, offset) {
      state.writes += 1;
      if (state.full) {
        if (halfway && offset === 0) return systemFiles.write(file, bytes.subarray(0, bytes.length - 9), 0);
        throw refuse();
      }
      return systemFiles.write(file, bytes, offset);
    },
    truncate(file, length) {
      if (!canTruncate) throw refuse();
      systemFiles.truncate(file, length);
    },
  };
  return { files, state };
}

const unavailable = expect.objectContaining({ code: 'ledger_unavailable' });

test('a line is read back, whatever is in it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const line = lineOf('settle', exchange('exc_1', { model: text }));
      expect(line.indexOf('\n')).toBe(line.length - 1);
      const bytes = Buffer.from(line);
      const read = decodeLine(bytes, 0, bytes.length - 1);
      expect(decodeExchange('exc_1', read?.text ?? '').model).toBe(text);
    }),
  );
});

test('a line altered anywhere is not read', () => {
  const line = Buffer.from(lineOf('hold', hold('exc_1')).slice(0, -1));
  fc.assert(
    fc.property(fc.nat(line.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const altered = Buffer.from(line);
      altered[at] = (altered[at] ?? 0) ^ flip;
      expect(decodeLine(altered, 0, altered.length)).toBeUndefined();
      // Torn, at the end of what there is and before another line.
      expect(decodeLine(line.subarray(0, at), 0, at)).toBeUndefined();
      expect(decodeLine(Buffer.concat([line.subarray(0, at), line]), 0, at)).toBeUndefined();
    }),
  );
});

test('what is appended in one turn shares one write, in order', async () => {
  const { files, state } = fullDisk(false);
  const journal = journalOf({ files });
  const ids = Array.from({ length: 64 }, (_, index) => `exc_${index}`);
  await Promise.all(ids.map((id) => journal.hold(hold(id))));
  expect(state.writes).toBe(1);
  expect(onDisk()).toEqual(ids.map((id) => `H:${id}`));
  expect(journal.position().offset).toBe(statSync(segmentPath(directory, journal.firstSegment)).size);
});

test('files and directory are for the owner alone', async () => {
  const journal = journalOf();
  await journal.hold(hold('exc_1'));
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  expect(statSync(segmentPath(directory, journal.firstSegment)).mode & 0o777).toBe(0o600);
});

test('a second process is kept out, also one that opens in this process, until the first is done', async () => {
  const journal = journalOf();
  expect(() => journalOf()).toThrowError(expect.objectContaining({ code: 'conflict' }));
  await journal.close();
  expect(journalOf().firstSegment).toBeGreaterThan(journal.firstSegment);
});

test('a segment that has grown is followed by another', async () => {
  const journal = journalOf({ segmentBytes: 300 });
  for (let index = 0; index < 5; index += 1) await journal.hold(hold(`exc_${index}`));
  expect(listSegments(directory).length).toBeGreaterThan(1);
  expect(onDisk()).toEqual([0, 1, 2, 3, 4].map((index) => `H:exc_${index}`));
});

test.each([
  ['nothing', false, true],
  ['a part', true, true],
  ['a part it cannot take back', true, false],
])(
  'a full disk that takes %s refuses holds, keeps settles, and recovers',
  async (_, halfway, canTruncate) => {
    const { files, state } = fullDisk(halfway, canTruncate);
    const journal = journalOf({ files });
    await journal.hold(hold('exc_1'));
    state.full = true;
    await expect(journal.hold(hold('exc_2'))).rejects.toThrowError(unavailable);
    const before = journal.position();
    await expect(journal.settle(exchange('exc_1'))).rejects.toThrowError(unavailable);
    if (canTruncate) expect(journal.position()).toEqual(before);
    state.full = false;
    await journal.hold(hold('exc_3'));
    const lines = onDisk();
    expect(lines).toContain('H:exc_3');
    expect(lines.filter((line) => line === 'S:exc_1')).toHaveLength(1);
    if (canTruncate) expect(lines).toEqual(['H:exc_1', 'S:exc_1', 'H:exc_3']);
  },
);

test('a kept settle is written without new traffic', async () => {
  const { files, state } = fullDisk(false);
  const journal = journalOf({ files });
  state.full = true;
  await expect(journal.settle(exchange('exc_1'))).rejects.toThrowError(unavailable);
  state.full = false;
  await expect.poll(onDisk).toEqual(['S:exc_1']);
});

test('the backlog is bounded, and giving it up is said at the end', async () => {
  const { files, state } = fullDisk(false);
  const line = lineOf('settle', exchange('exc_1')).length;
  const journal = journalOf({ files, maxBacklogBytes: line * 3 });
  state.full = true;
  for (const id of ['exc_1', 'exc_2', 'exc_3', 'exc_4'])
    await journal.settle(exchange(id)).catch(() => undefined);
  await expect(journal.close()).rejects.toThrowError(unavailable);
  state.full = false;
  expect(onDisk()).toEqual([]);
  await expect(journal.hold(hold('exc_5'))).rejects.toThrowError(unavailable);
});

test('appends beyond the bound are refused as overload', async () => {
  const journal = journalOf({ maxPendingBytes: 1000 });
  const results = await Promise.allSettled(
    Array.from({ length: 50 }, (_, n) => journal.hold(hold(`exc_${n}`))),
  );
  const refused = results.filter((result) => result.status === 'rejected');
  expect(refused.length).toBeGreaterThan(0);
  for (const { reason } of refused) expect(reason).toMatchObject({ code: 'overloaded' });
  await journal.hold(hold('exc_later'));
});

test('durability "disk" waits for the disk, and a failed sync refuses', async () => {
  let failing = false;
  let syncs = 0;
  const files: SegmentFiles = {
    ...systemFiles,
    sync(file) {
      syncs += 1;
      return failing
        ? Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }))
        : systemFiles.sync(file);
    },
  };
  const journal = journalOf({ files, durability: 'disk' });
  await Promise.all(Array.from({ length: 20 }, (_, n) => journal.hold(hold(`exc_${n}`))));
  expect(syncs).toBe(1);
  failing = true;
  await expect(journal.hold(hold('exc_a'))).rejects.toThrowError(unavailable);
  failing = false;
  await journal.hold(hold('exc_b'));
  expect(listSegments(directory)).toHaveLength(2);
});

test('an append nobody waits for fails quietly', async () => {
  const { files, state } = fullDisk(false);
  const journal = journalOf({ files });
  state.full = true;
  void journal.hold(hold('exc_1'));
  await journal.drain();
  state.full = false;
  await journal.hold(hold('exc_2'));
  expect(onDisk()).toEqual(['H:exc_2']);
});

test('an id with white space is refused', async () => {
  const held = journalOf().hold(hold('a b'));
  await expect(held).rejects.toThrowError(expect.objectContaining({ code: 'internal' }));
});

test('a torn last line is not there, a damaged one in the middle is passed over', () => {
  const path = join(directory, '0000000000000001.journal');
  const lines = ['exc_1', 'exc_2', 'exc_3'].map((id) => lineOf('hold', hold(id)));
  writeFileSync(path, `${lines[0]}${lines[1]?.replace('gpt', 'gpu')}${lines[2]?.slice(0, -5)}`);
  const read = [...scanSegment(path, 0)];
  expect(read.map(({ line }) => line?.id)).toEqual(['exc_1', undefined]);
  expect(read.at(-1)?.end).toBe((lines[0]?.length ?? 0) + (lines[1]?.length ?? 0));
});

test('lines longer than a chunk are read, from any line on', () => {
  const path = join(directory, '0000000000000001.journal');
  const long = lineOf('settle', exchange('exc_long', { metadata: 'x'.repeat(700_000) }));
  const short = lineOf('hold', hold('exc_short'));
  writeFileSync(path, short + long + short);
  expect([...scanSegment(path, 0)].map(({ line }) => line?.id)).toEqual([
    'exc_short',
    'exc_long',
    'exc_short',
  ]);
  expect([...scanSegment(path, short.length)].map(({ line }) => line?.id)).toEqual(['exc_long', 'exc_short']);
  expect([...scanSegment(path, 0, short.length)].map(({ line }) => line?.id)).toEqual(['exc_short']);
  expect(existsSync(join(directory, 'gone'))).toBe(false);
  expect([...scanSegment(join(directory, 'gone'), 0)]).toEqual([]);
  expect(readFileSync(path).length).toBeGreaterThan(700_000);
});
