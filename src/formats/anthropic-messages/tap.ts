import { isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import type { Frame } from '../frame.ts';
import type { Observation, Seen, TapRules } from '../tap.ts';
import { upstreamError } from './errors.ts';
import { decodeFinish } from './finish.ts';
import { decodeUsage, mergeUsage } from './usage.ts';

function usageOf(later: Json | undefined, before: Seen): Pick<Observation, 'usage'> {
  if (!isObject(later)) return {};
  const earlier = before.usage?.raw;
  const usage = decodeUsage(mergeUsage(isObject(earlier) ? earlier : undefined, later));
  return usage.source === 'unknown' ? {} : { usage };
}

function readDelta(event: JsonObject, before: Seen): Observation {
  const { delta } = event;
  const word = isObject(delta) ? delta['stop_reason'] : undefined;
  if (!isObject(delta) || typeof word !== 'string') return usageOf(event['usage'], before);
  const finish = decodeFinish(delta, { hasToolCall: word === 'tool_use', outputTool: false });
  return { ...usageOf(event['usage'], before), finish };
}

function read(frame: Frame, before: Seen): Observation {
  const event = JSON.parse(frame.data) as Json;
  if (!isObject(event)) return {};
  switch (event['type']) {
    case 'error':
      return { error: upstreamError(event) };
    case 'message_start':
      return isObject(event['message']) ? usageOf(event['message']['usage'], before) : {};
    case 'message_delta':
      return readDelta(event, before);
    case 'message_stop':
      return { done: true };
    default:
      return {};
  }
}

/** How a Messages stream that is forwarded as it is can be watched for usage, ending and failure. */
export const tapRules: TapRules = {
  content: ['"text":"', '"thinking":"', '"partial_json":"'],
  // Opened and closed text or thinking blocks say nothing by themselves; other blocks may come whole with their opening.
  begins:
    /"type": ?"(?!message_start"|message"|message_stop"|content_block_st(?:art|op)"|text"|thinking"|ping")|"stop_reason": ?"/,
  watch: [
    '"type":"message_delta"',
    '"type": "message_delta"',
    '"type":"message_stop"',
    '"type": "message_stop"',
    '"type":"error"',
    '"type": "error"',
  ],
  hasTerminator: true,
  read,
};
