import { isObject, type Json, type JsonObject } from '../../core/model/index.ts';
import type { Frame } from '../frame.ts';
import type { Observation, TapRules } from '../tap.ts';
import { malformedEvent, reportedFailure } from './errors.ts';
import { decodeFinish } from './finish.ts';
import { usageIn } from './usage.ts';

const TERMINAL: ReadonlySet<string> = new Set(['response.completed', 'response.incomplete']);

function itemTypes(response: JsonObject): readonly string[] {
  const output = Array.isArray(response['output']) ? response['output'] : [];
  return output.flatMap((item) => (isObject(item) && typeof item['type'] === 'string' ? [item['type']] : []));
}

function readResponse(type: string, response: JsonObject): Observation {
  const usage = usageIn(response);
  const id = typeof response['id'] === 'string' ? { id: response['id'] } : {};
  if (!TERMINAL.has(type)) return id;
  const types = itemTypes(response);
  const hasCalls = types.includes('function_call') || types.includes('custom_tool_call');
  return {
    ...id,
    finish: decodeFinish(response, { hasCalls, hasRefusal: false }),
    done: true,
    ...(usage.source === 'unknown' ? {} : { usage }),
  };
}

function read(frame: Frame): Observation {
  if (frame.data.trim() === '[DONE]') return {};
  const event = JSON.parse(frame.data) as Json;
  if (!isObject(event)) throw malformedEvent();
  const type = typeof event['type'] === 'string' ? event['type'] : (frame.event ?? '');
  if (type === 'error') return { error: reportedFailure(event) };
  const { response } = event;
  if (!isObject(response)) return {};
  if (type === 'response.failed' || type === 'response.cancelled')
    return { error: reportedFailure(response) };
  return readResponse(type, response);
}

/** How a Responses stream that is forwarded as it is can be watched for id, usage, ending and failure. */
export const tapRules: TapRules = {
  content: ['"delta":"', '"delta": "'],
  // Opened items and parts say nothing yet.
  begins:
    /"type": ?"response\.(?!created|in_progress|queued|output_item\.added|content_part\.added|reasoning_summary_part\.added)/,
  watch: [
    'response.completed"',
    'response.incomplete"',
    'response.failed"',
    'response.cancelled"',
    '"type":"error"',
    '"type": "error"',
  ],
  hasTerminator: true,
  read,
};
