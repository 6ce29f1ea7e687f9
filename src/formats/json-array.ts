import { SluiceError } from '../core/errors/error.ts';
import { type Frame, type FrameReader, MAX_FRAME_BYTES } from './frame.ts';
import { createUtf8Decoder } from './utf8.ts';

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

function isBlank(unit: number): boolean {
  return unit === 32 || unit === 9 || unit === 10 || unit === 13 || unit === 44 || unit === 0xfeff;
}

/**
 * Reads a body that is one JSON array of objects, element by element as they complete: Gemini's stream
 * without `alt=sse` (WIRE §2.1 "stream flag"). A body that is one object, such as an error, gives one frame.
 * An element the body broke off in is returned as it is, so that the decoder finds it unreadable.
 */
export function createJsonArrayReader(limit = MAX_FRAME_BYTES): FrameReader {
  const decode = createUtf8Decoder();
  /** Text of the unfinished element. */
  let rest = '';
  let depth = 0;
  let inString = false;
  let escaped = false;
  /** Whether an element is being read; between elements only commas, brackets and white space may stand. */
  let inside = false;
  let listed = false;
  let closed = false;

  function tooLarge(): SluiceError {
    return new SluiceError('upstream_too_large', 'The provider sent one stream event above the size limit.');
  }

  /** Follows strings and nesting by one unit; true when the element has just closed. */
  function follow(unit: number): boolean {
    if (escaped) escaped = false;
    else if (inString) {
      if (unit === BACKSLASH) escaped = true;
      else if (unit === QUOTE) inString = false;
    } else if (unit === QUOTE) inString = true;
    else if (unit === OPEN_OBJECT || unit === OPEN_LIST) depth++;
    else if (unit === CLOSE_OBJECT || unit === CLOSE_LIST) return --depth === 0;
    return false;
  }

  /** A unit between elements; true when an element begins with it. */
  function between(unit: number): boolean {
    if (isBlank(unit)) return false;
    if (unit === OPEN_LIST && !listed) {
      listed = true;
      return false;
    }
    if (unit === CLOSE_LIST && listed && !closed) {
      closed = true;
      return false;
    }
    if (unit === OPEN_OBJECT && !closed) return true;
    throw new SluiceError(
      'upstream_malformed',
      'The provider sent a stream that is not a list of JSON objects.',
    );
  }

  function read(text: string, out: Frame[]): void {
    let start = inside ? 0 : -1;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (!inside) {
        if (!between(unit)) continue;
        inside = true;
        start = at;
        depth = 1;
      } else if (follow(unit)) {
        out.push({ event: undefined, data: rest + text.slice(start, at + 1) });
        rest = '';
        inside = false;
        start = -1;
      }
    }
    if (start >= 0) rest += text.slice(start);
    if (rest.length > limit) throw tooLarge();
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
      if (rest !== '') out.push({ event: undefined, data: rest });
      rest = '';
      return out;
    },
  };
}

/** Writes elements of a JSON array one after another. */
export interface JsonArrayWriter {
  /** The bytes-to-be of one element, given as JSON text. */
  element(json: string): string;
  /** Closes the array; an empty one if nothing was written. */
  end(): string;
}

/** See {@link JsonArrayWriter}; spaced as Google does. */
export function createJsonArrayWriter(): JsonArrayWriter {
  let begun = false;
  return {
    element(json) {
      const text = begun ? `,\r\n${json}` : `[${json}`;
      begun = true;
      return text;
    },
    end() {
      return begun ? ']\r\n' : '[]\r\n';
    },
  };
}
