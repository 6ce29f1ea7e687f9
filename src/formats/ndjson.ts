import { SluiceError } from '../core/errors/error.ts';
import type { JsonObject } from '../core/model/index.ts';
import { type Frame, type FrameReader, MAX_FRAME_BYTES } from './frame.ts';
import { createUtf8Decoder } from './utf8.ts';

function isWhole(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/**
 * Reads newline-delimited JSON: one frame per line that is not blank, LF or CRLF, split anywhere. A last line
 * without its line end is returned if it is whole JSON; half a line is left out, and the codec then finds the
 * answer unfinished.
 */
export function createNdjsonReader(limit = MAX_FRAME_BYTES): FrameReader {
  const decode = createUtf8Decoder();
  /** Text of an unfinished line. */
  let rest = '';

  function add(line: string, out: Frame[]): void {
    const data = line.trim();
    if (data !== '') out.push({ event: undefined, data });
  }

  function read(text: string, out: Frame[]): void {
    let start = 0;
    for (;;) {
      const end = text.indexOf('\n', start);
      if (end < 0) break;
      add(rest + text.slice(start, end), out);
      rest = '';
      start = end + 1;
    }
    rest += text.slice(start);
    if (rest.length > limit) {
      throw new SluiceError('upstream_too_large', 'The provider sent one stream line above the size limit.');
    }
  }

  return {
    push(chunk) {
      const out: Frame[] = [];
      read(decode(chunk), out);
      return out;
    },
    end() {
      const out: Frame[] = [];
      read(decode(), out);
      if (isWhole(rest)) add(rest, out);
      rest = '';
      return out;
    },
  };
}

/** One line as bytes-to-be. */
export function ndjsonLine(value: JsonObject): string {
  return `${JSON.stringify(value)}\n`;
}
