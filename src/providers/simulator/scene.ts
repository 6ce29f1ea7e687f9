import type { ChatResponse, JsonObject } from '../../core/model/index.ts';
import { errorBody, errorHeaders, type VendorError } from './errors.ts';
import type { TellingFacts } from './facts.ts';
import type { Options } from './options.ts';
import { type Script, type Step, streamType, type Telling, tellStream, tellWhole } from './script.ts';

/** What a fault works on: the good answer, in pieces. */
export interface Scene {
  readonly telling: Telling;
  readonly facts: TellingFacts;
  readonly options: Options;
  /** The number in the fault's name: `ttfb:500`. */
  readonly value: number | undefined;
}

/** Percent of the answer after which a mid-stream fault strikes. */
export function strikesAt({ options, value }: Scene): number {
  return options.at ?? value ?? 50;
}

/** The steps of the good answer, streamed or whole as asked. */
export function goodSteps({ telling, facts }: Scene): Iterable<Step> {
  return facts.stream ? tellStream(telling) : tellWhole(telling);
}

/** The answer as the vendor would give it on a good day. */
export function good(scene: Scene, steps: Iterable<Step> = goodSteps(scene)): Script {
  const { facts, telling } = scene;
  const type = facts.stream ? streamType(telling.framing) : 'application/json';
  return { status: 200, headers: { 'content-type': type, ...facts.headers }, steps };
}

/** The whole answer's JSON text. */
export function wholeBody({ telling }: Scene): string {
  return JSON.stringify(telling.codec.encodeResponse(telling.response, telling.reply));
}

/** One body, sent at once. */
export function sent(data: string | Uint8Array, share?: number): Step[] {
  return [{ do: 'send', data, ...(share === undefined ? {} : { share }) }, { do: 'end' }];
}

/** An error answer of this format. */
export function refusal(scene: Scene, error: VendorError): Script {
  const { format, headers } = scene.facts;
  const body: JsonObject = errorBody(format, error);
  return {
    status: error.status,
    headers: { ...headers, ...errorHeaders(format, error) },
    steps: sent(JSON.stringify(body)),
  };
}

/** The same scene with other words in the answer. */
export function withText(scene: Scene, change: (text: string) => string): Scene {
  const { telling } = scene;
  const response: ChatResponse = {
    ...telling.response,
    choices: telling.response.choices.map((choice) => ({
      ...choice,
      parts: choice.parts.map((part) => (part.type === 'text' ? { ...part, text: change(part.text) } : part)),
    })),
  };
  return { ...scene, telling: { ...telling, response } };
}
