import { bytesOf, joinBytes } from './frames.ts';
import { good, goodSteps, type Scene, sent, wholeBody } from './scene.ts';
import { type Script, type Step, streamType } from './script.ts';

type Play = (scene: Scene) => Script;

function raw(steps: Iterable<Step>): Script {
  // The status is what a log should say of an answer that never had one.
  return { status: 0, headers: {}, steps, raw: true };
}

/** Something before the model answers, if anybody does: the model never hears of the call. */
function unasked(steps: Iterable<Step>): Script {
  return { ...raw(steps), unbilled: true };
}

/** Status line and headers as text, without the blank line. */
function headText(scene: Scene, extra: Readonly<Record<string, string>>): string {
  const { headers } = good(scene, []);
  const lines = Object.entries({ ...headers, ...extra }).map(([name, value]) => `${name}: ${value}`);
  return ['HTTP/1.1 200 OK', ...lines].join('\r\n');
}

/** The good body, whatever its framing, as one piece. */
function bodyBytes(scene: Scene): Uint8Array {
  const pieces: (string | Uint8Array)[] = [];
  for (const step of goodSteps(scene)) if (step.do === 'send') pieces.push(step.data);
  return joinBytes(pieces);
}

const BLANK = '\r\n\r\n';

function slowHeaders(scene: Scene): Script {
  // Written past the server, so that it cannot know when the connection is free again.
  const extra = { 'content-length': String(bodyBytes(scene).length), connection: 'close' };
  const lines = headText(scene, extra).split('\r\n');
  const ms = (scene.options.ms ?? scene.value ?? 5000) / lines.length;
  const steps = lines.flatMap((line): Step[] => [
    { do: 'send', data: `${line}\r\n` },
    { do: 'wait', ms },
  ]);
  return {
    ...raw([
      ...steps,
      { do: 'send', data: '\r\n' },
      { do: 'send', data: bodyBytes(scene), share: 1 },
      { do: 'fin' },
    ]),
    status: 200,
  };
}

/** Content-Length and Transfer-Encoding both: which one counts is what smuggling lives on (RFC 9112 §6.3). */
function bothLengths(scene: Scene): Script {
  const body = bodyBytes(scene);
  const head = headText(scene, { 'content-length': '5', 'transfer-encoding': 'chunked' });
  const chunk = [`${body.length.toString(16)}\r\n`, body, '\r\n0\r\n\r\n'];
  return raw([
    { do: 'send', data: joinBytes([head + BLANK, ...chunk]) },
    { do: 'wait', ms: 200 },
    { do: 'fin' },
  ]);
}

/** Says ten bytes less than it sends, so that the rest looks like the next answer. */
function shortLength(scene: Scene): Script {
  const body = bodyBytes(scene);
  const head = headText(scene, { 'content-length': String(Math.max(0, body.length - 10)) });
  return raw([{ do: 'send', data: joinBytes([head + BLANK, body]) }, { do: 'wait', ms: 200 }, { do: 'fin' }]);
}

function badChunk(scene: Scene): Script {
  const body = bodyBytes(scene);
  const half = body.subarray(0, body.length >> 1);
  const head = headText(scene, { 'transfer-encoding': 'chunked' });
  const pieces = [head + BLANK, `${half.length.toString(16)}\r\n`, half, '\r\nZZ\r\nnot a chunk\r\n'];
  return raw([{ do: 'send', data: joinBytes(pieces) }, { do: 'wait', ms: 200 }, { do: 'fin' }]);
}

function bigHeaders(scene: Scene): Script {
  const many = Array.from({ length: 300 }, (_, index) => [`x-filler-${index}`, 'f'.repeat(1024)] as const);
  const script = good(scene);
  return { ...script, headers: { ...script.headers, ...Object.fromEntries(many) } };
}

function hopHeaders(scene: Scene): Script {
  const script = good(scene);
  const theirs = {
    connection: 'keep-alive, x-internal-token',
    'x-internal-token': 'hop-secret',
    'proxy-authenticate': 'Basic realm="inner"',
    'set-cookie': 'session=upstream; Path=/',
    'access-control-allow-origin': '*',
    'openai-organization': 'org-upstream',
    server: 'upstream-server/1.0',
    'x-powered-by': 'upstream',
  };
  return { ...script, headers: { ...script.headers, ...theirs } };
}

function* drip(scene: Scene): Generator<Step> {
  let count = 0;
  for (const step of goodSteps(scene)) {
    if (step.do !== 'send') {
      yield step;
      continue;
    }
    for (const byte of bytesOf(step.data)) {
      yield {
        do: 'send',
        data: Uint8Array.of(byte),
        ...(step.share === undefined ? {} : { share: step.share }),
      };
      if (++count % 64 === 0) yield { do: 'wait', ms: 1 };
    }
  }
}

/** One gigabyte of blanks in a hundred gzip members; JSON allows blanks before a value. */
function bomb(scene: Scene): Script {
  const blanks = ' '.repeat(10 * 1024 * 1024);
  return { ...good(scene, sent(blanks)), codings: ['gzip'], repeatBody: 100 };
}

function delayed(scene: Scene, order: 'before' | 'after'): Script {
  const ms = scene.options.ms ?? scene.value ?? 1000;
  const start: Step[] = order === 'before' ? [] : [{ do: 'head' }];
  return good(
    scene,
    (function* () {
      yield* start;
      yield { do: 'wait', ms } as const;
      yield* goodSteps(scene);
    })(),
  );
}

/** A whole answer where a stream was asked for, and the other way round. */
function swapped(scene: Scene, toStream: boolean): Script {
  if (scene.facts.stream === toStream) return good(scene);
  const other = { ...scene, facts: { ...scene.facts, stream: toStream } };
  const type = toStream ? streamType(scene.telling.framing) : 'application/json';
  const steps = toStream ? goodSteps(other) : sent(wholeBody(scene), 1);
  return { status: 200, headers: { ...scene.facts.headers, 'content-type': type }, steps };
}

/** Faults of the connection and of HTTP itself, by mode. */
export const CONNECTION: Readonly<Record<string, Play>> = {
  rst: () => unasked([{ do: 'reset' }]),
  fin: () => unasked([{ do: 'fin' }]),
  'garbage-status': () => unasked([{ do: 'send', data: 'ICY 2OO what?\r\n\r\n\u0000\u0001' }, { do: 'fin' }]),
  hang: () => raw([{ do: 'wait', ms: Number.POSITIVE_INFINITY }]),
  'slow-headers': slowHeaders,
  ttfb: (scene) => delayed(scene, 'before'),
  ttft: (scene) => delayed(scene, 'after'),
  'cl-te': bothLengths,
  'bad-cl': shortLength,
  'bad-chunk': badChunk,
  'big-headers': bigHeaders,
  'hop-headers': hopHeaders,
  'info-1xx': (scene) => ({ ...good(scene), informational: [102, 103] }),
  gzip: (scene) => ({ ...good(scene), codings: ['gzip'] }),
  'gzip-chain': (scene) => ({ ...good(scene), codings: ['gzip', 'gzip', 'gzip'] }),
  'gzip-bomb': bomb,
  drip: (scene) => good(scene, drip(scene)),
  'json-for-sse': (scene) => swapped(scene, false),
  'sse-for-json': (scene) => swapped(scene, true),
  'wrong-ct': (scene) => {
    const script = good(scene);
    return { ...script, headers: { ...script.headers, 'content-type': 'text/plain' } };
  },
};
