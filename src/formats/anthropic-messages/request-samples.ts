import {
  type ChatRequest,
  type JsonObject,
  type Message,
  type ModelProfile,
  OPEN_PROFILE,
} from '../../core/model/index.ts';
import type { Target } from '../codec.ts';
import { anthropicMessages as codec } from './index.ts';

/* Requests and targets for the tests beside this file. */

export const CLAUDE: ModelProfile = { ...OPEN_PROFILE, family: 'claude' };

export function target(profile: Partial<ModelProfile> = {}, quirks: Target['quirks'] = {}): Target {
  return {
    model: 'claude-x',
    profile: { ...CLAUDE, ...profile },
    quirks,
    defaultMaxOutputTokens: 4096,
  };
}

export const BASE: ChatRequest = {
  model: 'asked',
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hi' }] }],
  tools: [],
  sampling: {},
  output: { type: 'text' },
  stream: false,
  includeUsage: false,
};

export function encode(
  request: Partial<ChatRequest>,
  to: Target = target(),
): { body: JsonObject; dropped: readonly string[] } {
  const { body, dropped } = codec.encodeRequest({ ...BASE, ...request }, to);
  return { body: JSON.parse(JSON.stringify(body)) as JsonObject, dropped };
}

export const user = (text: string): Message => ({ role: 'user', parts: [{ type: 'text', text }] });
export const assistant = (text: string): Message => ({ role: 'assistant', parts: [{ type: 'text', text }] });
export const system = (text: string): Message => ({ role: 'system', parts: [{ type: 'text', text }] });
export const call = (id: string, args = '{}') =>
  ({ type: 'tool_call', id, name: 'f', arguments: args, kind: 'function' }) as const;
export const result = (callId: string, text = 'ok') =>
  ({ type: 'tool_result', callId, kind: 'function', content: [{ type: 'text', text }] }) as const;
export const TOOL = { type: 'function', name: 'f' } as const;
