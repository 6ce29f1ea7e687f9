import { awsEventMessage } from '../../formats/aws-event-stream.ts';
import type { Framing } from '../../formats/frame.ts';
import { sseEvent } from '../../formats/sse.ts';
import { awsStreamException, errorBody, type VendorError } from './errors.ts';
import { errorAs200 } from './fault-refusals.ts';
import { bytesOf, until } from './frames.ts';
import { good, goodSteps, type Scene, strikesAt, wholeBody } from './scene.ts';
import type { Script, Step } from './script.ts';

type Play = (scene: Scene) => Script;

/** What is sent of the answer before a fault strikes. A whole answer is cut in its bytes. */
function* before(scene: Scene): Generator<Step> {
  const percent = strikesAt(scene);
  if (scene.facts.stream) {
    yield* until(goodSteps(scene), percent);
    return;
  }
  const body = wholeBody(scene);
  yield { do: 'send', data: body.slice(0, Math.floor((body.length * percent) / 101)), share: percent / 100 };
}

function broken(scene: Scene, after: Iterable<Step>): Script {
  return good(
    scene,
    (function* () {
      yield* before(scene);
      yield* after;
    })(),
  );
}

const OVERLOADED: VendorError = { status: 503, message: 'The server is overloaded or not ready yet.' };

/** An error in the middle of a stream, as the owner of the format sends it (WIRE §2.4). */
export function errorEvent(scene: Scene, error: VendorError = OVERLOADED): string | Uint8Array {
  const { format } = scene.facts;
  const body = JSON.stringify(errorBody(format, error));
  switch (format) {
    case 'anthropic-messages':
      return sseEvent(body, 'error');
    case 'openai-responses': {
      const event = {
        type: 'error',
        code: 'server_error',
        message: error.message,
        param: null,
        sequence_number: 9999,
      };
      return sseEvent(JSON.stringify(event), 'error');
    }
    case 'bedrock-converse':
      return awsEventMessage(awsStreamException(error.status), body, 'exception');
    case 'cohere': {
      const delta = { finish_reason: 'ERROR', error: error.message };
      return sseEvent(JSON.stringify({ type: 'message-end', delta }), 'message-end');
    }
    case 'ollama':
      return `${body}\n`;
    default:
      return scene.telling.framing === 'json-array' ? `,\n${body}\n]` : sseEvent(body);
  }
}

function midError(scene: Scene): Script {
  if (!scene.facts.stream) return errorAs200(scene);
  return broken(scene, [{ do: 'send', data: errorEvent(scene) }, { do: 'end' }]);
}

function firstError(scene: Scene): Script {
  if (!scene.facts.stream) return errorAs200(scene);
  return good(scene, [{ do: 'send', data: errorEvent(scene) }, { do: 'end' }]);
}

/** Heart-beats without progress. */
function ping(scene: Scene): string | Uint8Array {
  const beats: Readonly<Record<Framing, string | Uint8Array>> = {
    sse:
      scene.facts.format === 'anthropic-messages' ? 'event: ping\ndata: {"type": "ping"}\n\n' : ': ping\n\n',
    ndjson: '\n',
    'json-array': '\n',
    'aws-event-stream': awsEventMessage('ping', '{}'),
  };
  return scene.facts.stream ? beats[scene.telling.framing] : ' ';
}

function* pings(scene: Scene): Generator<Step> {
  const ms = scene.options.ms ?? 1000;
  for (;;) {
    yield { do: 'wait', ms };
    yield { do: 'send', data: ping(scene) };
  }
}

/** Pauses for `ms` and goes on, or for ever. */
function stall(scene: Scene): Script {
  const { ms } = scene.options;
  if (ms === undefined) return broken(scene, [{ do: 'wait', ms: Number.POSITIVE_INFINITY }]);
  const percent = strikesAt(scene) / 100;
  return good(
    scene,
    (function* () {
      let waits = true;
      for (const step of goodSteps(scene)) {
        if (waits && step.do === 'send' && step.share !== undefined && step.share > percent) {
          yield { do: 'wait', ms } as const;
          waits = false;
        }
        yield step;
      }
    })(),
  );
}

/** Half of the next event, then the end. */
function cutInEvent(scene: Scene): Script {
  const sentSteps = [...before(scene)];
  const all = scene.facts.stream ? [...goodSteps(scene)] : [];
  const next = all[sentSteps.length];
  const half: Step[] = [];
  if (next?.do === 'send') {
    const bytes = bytesOf(next.data);
    half.push({ do: 'send', data: bytes.subarray(0, Math.max(1, bytes.length >> 1)) });
  }
  return good(scene, [...sentSteps, ...half, { do: 'end' }]);
}

/** One event in the middle is damaged, the others are sound. */
function damaged(scene: Scene, damage: (data: string | Uint8Array) => string | Uint8Array): Script {
  if (!scene.facts.stream) {
    return good(scene, [{ do: 'send', data: damage(wholeBody(scene)), share: 1 }, { do: 'end' }]);
  }
  const percent = strikesAt(scene) / 100;
  return good(
    scene,
    (function* () {
      let isDue = true;
      for (const step of goodSteps(scene)) {
        const strikes = isDue && step.do === 'send' && (step.share ?? 0) >= percent;
        if (strikes) isDue = false;
        yield strikes ? { ...step, data: damage(step.data) } : step;
      }
    })(),
  );
}

/** Takes the last brace away, which no JSON text survives. */
function breakJson(data: string | Uint8Array): string | Uint8Array {
  if (typeof data === 'string') return data.replace(/\}(?=[^}]*$)/, ',');
  const copy = Uint8Array.from(data);
  // The payload of an AWS frame ends before its checksum; the frame is damaged as well.
  copy[Math.max(0, copy.length - 5)] = 0x2c;
  return copy;
}

/** Puts bytes that are not UTF-8 into the middle of the text. */
function breakUtf8(data: string | Uint8Array): Uint8Array {
  const bytes = Uint8Array.from(bytesOf(data));
  const at = bytes.length >> 1;
  bytes.set([0xc3, 0x28], Math.min(at, bytes.length - 2));
  return bytes;
}

/** Faults in the middle of an answer, by mode. */
export const STREAM: Readonly<Record<string, Play>> = {
  stall,
  'stall-ping': (scene) => broken(scene, pings(scene)),
  cut: (scene) => broken(scene, [{ do: 'reset' }]),
  'cut-fin': (scene) => broken(scene, [{ do: 'fin' }]),
  'cut-clean': (scene) => broken(scene, [{ do: 'end' }]),
  'cut-mid-event': cutInEvent,
  'mid-error': midError,
  'err200-sse': firstError,
  'bad-json': (scene) => damaged(scene, breakJson),
  'bad-utf8': (scene) => damaged(scene, breakUtf8),
};
