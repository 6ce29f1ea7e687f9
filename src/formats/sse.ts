import { SluiceError } from '../core/errors/error.ts';
import { type Frame, type FrameReader, MAX_FRAME_BYTES } from './frame.ts';
import { createUtf8Decoder } from './utf8.ts';

const LF = 10;
const CR = 13;

/**
 * Reads server-sent events (WHATWG HTML §9.2.6): LF, CRLF and CR line ends, BOM, comments, optional space after the colon,
 * multi-line data, `event:` before or after `data:`. More lenient than the standard in one point: a last event without
 * its blank line is returned, because several vendors end so (WIRE §2.3).
 */
export function createSseReader(limit = MAX_FRAME_BYTES): FrameReader {
  const decode = createUtf8Decoder();
  /** Text of an unfinished line. */
  let rest = '';
  let event: string | undefined;
  let data: string | undefined;
  let lastWasCr = false;
  let size = 0;

  function endLine(line: string, out: Frame[]): void {
    if (line === '') {
      if (data !== undefined) out.push({ event, data });
      event = undefined;
      data = undefined;
      size = 0;
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const from = colon < 0 ? line.length : line.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1;
    if (field === 'data') {
      const value = line.slice(from);
      size += value.length;
      data = data === undefined ? value : `${data}\n${value}`;
    } else if (field === 'event') {
      event = line.slice(from);
    }
  }

  function read(text: string, out: Frame[]): void {
    let start = 0;
    let index = 0;
    if (lastWasCr && text.length > 0) {
      if (text.charCodeAt(0) === LF) start = index = 1;
      lastWasCr = false;
    }
    for (;;) {
      const lf = text.indexOf('\n', index);
      const cr = text.indexOf('\r', index);
      const end = cr >= 0 && (lf < 0 || cr < lf) ? cr : lf;
      if (end < 0) break;
      const line = rest === '' ? text.slice(start, end) : rest + text.slice(start, end);
      rest = '';
      endLine(line, out);
      start = end + 1;
      if (text.charCodeAt(end) === CR) {
        if (start === text.length) lastWasCr = true;
        else if (text.charCodeAt(start) === LF) start++;
      }
      index = start;
    }
    rest += start === 0 ? text : text.slice(start);
    if (rest.length + size > limit) {
      throw new SluiceError('upstream_too_large', 'The provider sent one stream event above the size limit.');
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
      if (rest !== '') endLine(rest, out);
      rest = '';
      endLine('', out);
      return out;
    },
  };
}

/** One event as bytes-to-be. `data` must hold no line break, which JSON text never does. */
export function sseEvent(data: string, event?: string): string {
  return event === undefined ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`;
}
