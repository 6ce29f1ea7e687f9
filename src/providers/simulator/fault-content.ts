import { isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import { changeAwsText, changeEvents, mapData } from './frames.ts';
import { good, goodSteps, type Scene, sent, wholeBody, withText } from './scene.ts';
import type { Script, Step } from './script.ts';

type Play = (scene: Scene) => Script;

/** Fields that hold usage, over all formats (WIRE §1.1). */
const USAGE_FIELDS = new Set([
  'usage',
  'usageMetadata',
  'prompt_eval_count',
  'eval_count',
  'prompt_eval_duration',
  'eval_duration',
]);

type ChangeUsage = (value: Json) => Json | undefined;

function changeUsage(value: Json, change: ChangeUsage): Json {
  if (Array.isArray(value)) return value.map((entry) => changeUsage(entry, change));
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const [key, inner] of Object.entries(value)) {
    if (inner === undefined) continue;
    const changed = USAGE_FIELDS.has(key) && inner !== null ? change(inner) : changeUsage(inner, change);
    if (changed !== undefined) result[key] = changed;
  }
  return result;
}

/** Applies `change` to every number inside a usage object. */
function onNumbers(change: (count: number) => Json): ChangeUsage {
  const walk = (value: Json): Json => {
    if (typeof value === 'number') return change(value);
    if (Array.isArray(value)) return value.map(walk);
    if (!isObject(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner ?? null)]));
  };
  return walk;
}

function usageFault(change: ChangeUsage): Play {
  return (scene) => changed(scene, (json) => changeUsage(json, change) as JsonObject);
}

/** The good answer with every JSON object in it changed. */
function changed(scene: Scene, change: (json: JsonObject) => JsonObject): Script {
  const { facts, telling } = scene;
  if (!facts.stream) {
    const body = JSON.parse(wholeBody(scene)) as JsonObject;
    return good(scene, sent(JSON.stringify(change(body)), 1));
  }
  return good(
    scene,
    mapData(goodSteps(scene), (data) => changeEvents(telling.framing, data, change)),
  );
}

const MEGABYTE = 1024 * 1024;

/** Repeats one event of the stream, so that it goes on as long as it is read. */
function* repeated(scene: Scene, text: string, times: number): Generator<Step> {
  const long = withText(scene, () => text.repeat(2));
  const telling = { ...long.telling, pace: { ttftMs: 0, tps: 0, chunk: text.length } };
  const steps = [...goodSteps({ ...long, telling })];
  const at = steps.findLastIndex(
    (step) => step.do === 'send' && (step.share ?? 0) < 1 && (step.share ?? 0) > 0,
  );
  for (const [index, step] of steps.entries()) {
    yield step;
    if (index === at) for (let count = 0; count < times; count++) yield step;
  }
}

/** A whole answer whose text is `size` bytes of filler. */
function* longBody(scene: Scene, size: number): Generator<Step> {
  const mark = 'FILLER-GOES-HERE';
  const [start = '', end = ''] = wholeBody(withText(scene, () => mark)).split(mark);
  yield { do: 'send', data: start };
  const block = 'filler '.repeat(9362);
  for (let sentBytes = 0; sentBytes < size; sentBytes += block.length) yield { do: 'send', data: block };
  yield { do: 'send', data: end, share: 1 };
  yield { do: 'end' };
}

function huge(scene: Scene): Script {
  const size = (scene.value ?? 256) * MEGABYTE;
  if (!scene.facts.stream) return good(scene, longBody(scene, size));
  const text = 'filler '.repeat(9362);
  return good(scene, repeated(scene, text, Math.ceil(size / text.length)));
}

function hugeEvent(scene: Scene): Script {
  const size = (scene.value ?? 24) * MEGABYTE;
  if (!scene.facts.stream) return good(scene, longBody(scene, size));
  const long = withText(scene, () => 'y'.repeat(size));
  const telling = { ...long.telling, pace: { ...long.telling.pace, chunk: size } };
  return good(scene, goodSteps({ ...long, telling }));
}

/** One-letter events without end. */
function tiny(scene: Scene): Script {
  if (!scene.facts.stream) return good(scene, longBody(scene, 256 * MEGABYTE));
  return good(scene, repeated(scene, 'x', scene.value ?? 100_000_000));
}

const LEVELS = 100_000;

/** An unknown field nested a hundred thousand levels deep. */
function deep(scene: Scene): Script {
  const field = `{"x_deep":${'['.repeat(LEVELS)}${']'.repeat(LEVELS)},`;
  let isDone = false;
  const digText = (text: string): string => {
    if (isDone || !text.startsWith('{')) return text;
    isDone = true;
    return field + text.slice(1);
  };
  const dig = (data: string | Uint8Array): string | Uint8Array => {
    if (typeof data !== 'string') return changeAwsText(data, digText);
    const at = data.indexOf('{');
    return at < 0 ? data : data.slice(0, at) + digText(data.slice(at));
  };
  if (!scene.facts.stream) return good(scene, sent(dig(wholeBody(scene)), 1));
  return good(scene, mapData(goodSteps(scene), dig));
}

/** Goes on for as long as it is read, at full speed, in events of a usual size. */
function endless(scene: Scene): Script {
  if (!scene.facts.stream) return good(scene, longBody(scene, Number.POSITIVE_INFINITY));
  return good(scene, repeated(scene, 'word after word ', Number.POSITIVE_INFINITY));
}

/** Dishonest or oversized content, by mode. */
export const CONTENT: Readonly<Record<string, Play>> = {
  'usage-missing': usageFault(() => undefined),
  'usage-null': usageFault(() => null),
  'usage-zero': usageFault(onNumbers(() => 0)),
  'usage-string': usageFault(onNumbers(String)),
  'usage-float': usageFault(onNumbers((count) => count + 0.5)),
  'usage-negative': usageFault(onNumbers((count) => -count)),
  'usage-huge': usageFault(onNumbers(() => 9_000_000_000_000)),
  'ignore-max-tokens': (scene) => good(scene),
  'wrong-model': (scene) => {
    const reply = { ...scene.telling.reply, model: 'some-other-model-2031-01-01' };
    return good({ ...scene, telling: { ...scene.telling, reply } });
  },
  huge,
  'huge-event': hugeEvent,
  tiny,
  deep,
  endless,
};
