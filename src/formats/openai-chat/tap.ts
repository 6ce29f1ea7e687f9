import type { Json } from '../../core/model/index.ts';

import { isObject } from '../../core/model/index.ts';
import type { Frame } from '../frame.ts';
import type { Observation, Seen, TapRules } from '../tap.ts';
import { failureIn, isErrorBody } from './errors.ts';
import { decodeFinish } from './finish.ts';
import { finishWord } from './response.ts';
import { usageIn } from './usage.ts';

/** A needle as vendors space it: compact, or Python's `json.dumps`. */
function spaced(...needles: readonly string[]): string[] {
  return needles.flatMap((needle) => [needle, needle.replace(':', ': ')]);
}

function finishOf(choices: readonly Json[]): Pick<Observation, 'finish'> {
  for (const choice of choices) {
    if (!isObject(choice)) continue;
    const word = finishWord(choice);
    // What the calls were went by unread: the upstream's own word is all there is.
    if (word === undefined || (choice['index'] ?? 0) !== 0) continue;
    return { finish: decodeFinish(word, { hasCalls: /^(?:tool|function)_/.test(word), hasRefusal: false }) };
  }
  return {};
}

function read(frame: Frame, { quirks }: Seen): Observation {
  const data = frame.data.trim();
  if (data === '[DONE]') return { done: true };
  const chunk = JSON.parse(data) as Json;
  if (!isObject(chunk)) return {};
  if (frame.event === 'error' || isErrorBody(chunk)) return { error: failureIn(chunk) };
  const { choices } = chunk;
  const list = Array.isArray(choices) ? choices : [];
  const usage = usageIn(chunk, quirks);
  return {
    ...finishOf(list),
    ...(usage === undefined ? {} : { usage }),
    ...(usage !== undefined && list.length === 0 ? { usageOnly: true } : {}),
  };
}

/** How a Chat stream that is forwarded as it is can be watched for usage, ending and failure. */
export const tapRules: TapRules = {
  content: spaced(
    '"content":"',
    '"reasoning_content":"',
    '"reasoning":"',
    '"arguments":"',
    '"refusal":"',
    '"input":"',
  ),
  begins:
    /"(?:content|reasoning_content|reasoning|refusal|arguments|text)": ?"[^"]|"tool_calls": ?\[\s*\{|"function_call": ?\{|"(?:data|transcript)": ?"[^"]|"finish_reason": ?"/,
  watch: [
    ...spaced('"finish_reason":"', '"usage":{', 'event:error'),
    '"error"',
    '"object":"error"',
    '[DONE]',
  ],
  hasTerminator: true,
  read,
};
