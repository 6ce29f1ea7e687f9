import { describe, expect, it } from 'vitest';
import { SluiceError } from '../core/errors/error.ts';
import type { JsonObject } from '../core/model/index.ts';
import { checkFieldTypes } from './field-types.ts';

function fault(dialect: string, body: JsonObject): string | undefined {
  try {
    checkFieldTypes(dialect, body);
    return undefined;
  } catch (error) {
    if (error instanceof SluiceError) return error.facts.param;
    throw error;
  }
}

describe('checkFieldTypes', () => {
  it('names the field by its whole path', () => {
    expect(fault('openai-chat', { temperature: 'hot' })).toBe('temperature');
    expect(fault('openai-chat', { messages: [{ role: 'user' }, { role: 3 }] })).toBe('messages[1].role');
    expect(fault('openai-chat', { messages: [null] })).toBe('messages[0]');
    expect(fault('openai-chat', { tools: [{ function: { name: [] } }] })).toBe('tools[0].function.name');
    expect(fault('anthropic-messages', { thinking: { budget_tokens: '5' } })).toBe('thinking.budget_tokens');
    expect(fault('openai-responses', { input: [{ content: 5 }] })).toBe('input[0].content');
    expect(fault('gemini', { generation_config: { top_p: {} } })).toBe('generation_config.top_p');
  });

  it('passes what the references allow: null, either spelling, numbers as text in protobuf JSON', () => {
    expect(
      fault('openai-chat', { temperature: null, stop: ['a'], logprobs: 2, unknown: {} }),
    ).toBeUndefined();
    expect(fault('gemini', { contents: { parts: { text: 'a' } } })).toBeUndefined();
    expect(fault('gemini', { generationConfig: { maxOutputTokens: '5' } })).toBeUndefined();
    expect(fault('anthropic-messages', { system: [{ type: 'text', text: 'a' }] })).toBeUndefined();
  });

  it('refuses fields that would send the call elsewhere', () => {
    expect(fault('openai-chat', { api_base: 'http://192.0.2.1' })).toBe('api_base');
    expect(fault('gemini', { extra_body: { base_url: 'http://192.0.2.1' } })).toBe('extra_body.base_url');
    expect(fault('openai-chat', { metadata: { team: 'a' } })).toBeUndefined();
    expect(fault('openai-completions', { proxy: null })).toBe('proxy');
    // Before any fault of type.
    expect(fault('openai-chat', { temperature: 'hot', api_key: 'a' })).toBe('api_key');
    expect(fault('openai-chat', { temperature: 'hot', metadata: { proxy: 'a' } })).toBe('metadata.proxy');
  });
});
