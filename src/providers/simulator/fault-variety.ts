import { type FormatId, isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import { awsEventMessage } from '../../formats/aws-event-stream.ts';
import type { Framing } from '../../formats/frame.ts';
import { bytesOf, type ChangeJson, changeEvents, joinBytes, mapData, sseEvents } from './frames.ts';
import { good, goodSteps, type Scene, withText } from './scene.ts';
import type { Script } from './script.ts';

type Play = (scene: Scene) => Script;
type Data = string | Uint8Array;
type ChangeData = (data: Data, isFirst: boolean) => Data;

/** Changes every piece of a stream in a way its framing allows; a framing that has no such way gets a good answer. */
function lawful(changes: { readonly [Kind in Framing]?: ChangeData }): Play {
  return (scene) => {
    const change = changes[scene.telling.framing];
    if (!scene.facts.stream || change === undefined) return good(scene);
    let isFirst = true;
    const once = (data: Data): Data => {
      const changed = change(data, isFirst);
      isFirst = false;
      return changed;
    };
    return good(scene, mapData(goodSteps(scene), once));
  };
}

/** A change of text whose lines end in LF. */
function onText(change: (text: string, isFirst: boolean) => string): ChangeData {
  return (data, isFirst) => change(String(data).replaceAll('\r\n', '\n'), isFirst);
}

const crlf = onText((text) => text.replaceAll('\n', '\r\n'));
const bom = onText((text, isFirst) => (isFirst ? '\ufeff' : '') + text);

/** Writes something before every event. */
function beforeEach(extra: string): ChangeData {
  return onText((text) =>
    sseEvents(text)
      .map((event) => extra + event)
      .join(''),
  );
}

const TELEMETRY = '{"type":"vendor.telemetry","vendor_telemetry":{"host":7}}';

/** JSON over several `data:` lines. */
function multiLine(text: string): string {
  return text.replace(/^data: (\{.*\})$/gm, (_, json: string) => {
    const pretty = JSON.stringify(JSON.parse(json), null, 1);
    return pretty.replace(/^/gm, 'data: ');
  });
}

/** The blank line after the last event, or the newline after the last line, is missing. */
function noFinal(scene: Scene): Script {
  const { framing } = scene.telling;
  if (!scene.facts.stream || (framing !== 'sse' && framing !== 'ndjson')) return good(scene);
  const steps = [...goodSteps(scene)];
  const last = steps.findLastIndex(({ do: what }) => what === 'send');
  return good(
    scene,
    steps.map((step, index) =>
      index === last && step.do === 'send'
        ? { ...step, data: String(step.data).replace(/[\r\n]+$/, '') }
        : step,
    ),
  );
}

/** Cuts the bytes inside multi-byte characters. */
function splitUtf8(scene: Scene): Script {
  const wide = withText(scene, (text) => `Grüße 😀 日本語 – ${text}`);
  if (!scene.facts.stream) return good(wide);
  return good(
    wide,
    (function* () {
      for (const step of goodSteps(wide)) {
        const bytes = step.do === 'send' ? bytesOf(step.data) : undefined;
        const at = bytes?.findIndex((byte) => byte >= 0xc0) ?? -1;
        if (step.do !== 'send' || bytes === undefined || at < 0) {
          yield step;
          continue;
        }
        yield { ...step, data: joinBytes([bytes.subarray(0, at + 1)]) };
        yield { do: 'wait', ms: 2 } as const;
        yield { ...step, data: joinBytes([bytes.subarray(at + 1)]) };
      }
    })(),
  );
}

/** The value with the text inside emptied along a path; `undefined` where the path does not lead to text. */
function emptiedAt(json: Json | undefined, path: readonly string[]): JsonObject | undefined {
  if (!isObject(json)) return undefined;
  const [key = '', ...rest] = path;
  if (rest.length === 0) return typeof json[key] === 'string' ? { ...json, [key]: '' } : undefined;
  const inner = emptiedAt(json[key], rest);
  return inner === undefined ? undefined : { ...json, [key]: inner };
}

/** Where a text event of each format has its text. */
const TEXT_AT: { readonly [Format in FormatId]?: readonly string[] } = {
  'openai-responses': ['delta'],
  'anthropic-messages': ['delta', 'text'],
  'bedrock-converse': ['delta', 'text'],
  cohere: ['delta', 'message', 'content', 'text'],
  ollama: ['message', 'content'],
};

/** Whole events without content, where a format has such. */
const EMPTY: { readonly [Format in FormatId]?: JsonObject } = {
  'openai-chat': { id: '', object: '', created: 0, model: '', choices: [], prompt_filter_results: [] },
  gemini: { candidates: [], modelVersion: 'simulated' },
};

/** Events without content, as Azure and Google send them now and then. */
function emptyChoices(scene: Scene): Script {
  const { format, stream } = scene.facts;
  const { framing } = scene.telling;
  const [whole, path] = [EMPTY[format], TEXT_AT[format]];
  if (!stream || framing === 'json-array' || (whole === undefined && path === undefined)) return good(scene);
  const empty: ChangeJson = (json) =>
    whole ?? (path && json['done'] !== true ? emptiedAt(json, path) : undefined);
  return good(
    scene,
    (function* () {
      for (const step of goodSteps(scene)) {
        yield step;
        if (step.do !== 'send' || (step.share ?? 1) >= 1) continue;
        const data =
          whole === undefined
            ? changeEvents(framing, step.data, empty)
            : `data: ${JSON.stringify(whole)}\n\n`;
        if (data.length > 0) yield { do: 'send', data } as const;
      }
    })(),
  );
}

const unknownEvents = lawful({
  sse: beforeEach(`id: 7\nretry: 3000\nevent: vendor.telemetry\ndata: ${TELEMETRY}\n\n`),
  ndjson: onText((text) => text.replace(/^(?=\{)/gm, `${TELEMETRY}\n`)),
  'aws-event-stream': (data) => joinBytes([awsEventMessage('vendorTelemetry', TELEMETRY), data]),
});

/** Odd but lawful ways to send a good answer, by mode. Where a framing has no such way, the answer is plainly good. */
export const VARIETY: Readonly<Record<string, Play>> = {
  'empty-choices': emptyChoices,
  'sse-crlf': lawful({ sse: crlf, ndjson: crlf, 'json-array': crlf }),
  'sse-cr': lawful({ sse: onText((text) => text.replaceAll('\n', '\r')) }),
  'sse-bom': lawful({ sse: bom, ndjson: bom, 'json-array': bom }),
  'sse-comments': lawful({
    sse: beforeEach(': keep-alive\n\n: another\n'),
    ndjson: onText((text) => `\n \n${text}`),
    'json-array': onText((text) => `\n \n${text}`),
  }),
  'sse-nospace': lawful({ sse: onText((text) => text.replace(/^(data|event): /gm, '$1:')) }),
  'sse-nofinal': noFinal,
  'sse-no-final-blank': noFinal,
  'sse-unknown': unknownEvents,
  'sse-unknown-events': unknownEvents,
  'sse-split-utf8': splitUtf8,
  'sse-multiline': lawful({ sse: onText(multiLine) }),
};
