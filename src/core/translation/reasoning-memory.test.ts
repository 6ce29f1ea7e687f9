import { describe, expect, it } from 'vitest';
import type { ChatRequest, OutputPart, Part } from '../model/index.ts';
import { ReasoningMemory } from './reasoning-memory.ts';

const thought: OutputPart = {
  type: 'reasoning',
  text: 'I should look it up.',
  signature: { issuer: 'claude', value: 'sig-1' },
};
const call = (id: string): OutputPart => ({
  type: 'tool_call',
  id,
  name: 'look_up',
  arguments: '{"q":"tides"}',
  kind: 'function',
});

function request(parts: readonly Part[]): ChatRequest {
  return {
    model: 'm',
    messages: [{ role: 'assistant', parts }],
    tools: [],
    sampling: {},
    output: { type: 'text' },
    stream: false,
    includeUsage: false,
  };
}

describe('ReasoningMemory', () => {
  it('puts back what the client dropped, where it stood', () => {
    const memory = new ReasoningMemory({ maxBytes: 10_000, ttlMs: 1000 });
    memory.remember('a', [thought, { type: 'text', text: 'One moment.' }, call('c1'), call('c2')], 0);
    const restored = memory.restore('a', request([call('c1'), call('c2')]), 10);
    expect(restored.messages[0]?.parts.map((part) => part.type)).toEqual([
      'reasoning',
      'tool_call',
      'tool_call',
    ]);
    expect(restored.messages[0]?.parts[0]).toEqual(thought);
  });

  it('keeps thoughts before the text they came before, also between texts that a client joined', () => {
    const memory = new ReasoningMemory({ maxBytes: 10_000, ttlMs: 1000 });
    const text = (words: string): OutputPart => ({ type: 'text', text: words });
    const second = { ...thought, text: 'And then?' } as OutputPart;
    const search: OutputPart = { type: 'opaque', format: 'anthropic-messages', label: 'search', value: 1 };
    const answer = [thought, text('One. '), search, second, text('Two.'), call('c1'), call('c2')];
    memory.remember('a', answer, 0);
    const back = (...parts: Part[]) => memory.restore('a', request(parts), 10).messages[0]?.parts;
    expect(back(...answer)).toEqual(answer);
    expect(back(text('One. Two.'), call('c1'), call('c2'))).toEqual(answer.filter((part) => part !== search));
    expect(back(text('One.'), call('c1'))).toEqual([thought, text('One.'), second, call('c1')]);
    expect(back(call('c2'), call('c1'))).toEqual([call('c2'), thought, second, call('c1')]);
  });

  it('prefers what was delivered over what a client helper mangled', () => {
    const memory = new ReasoningMemory({ maxBytes: 10_000, ttlMs: 1000 });
    memory.remember('a', [thought, call('c1')], 0);
    const mangled = request([{ ...thought, text: 'up.' } as OutputPart, call('c1')]);
    expect(memory.restore('a', mangled, 10).messages[0]?.parts).toEqual([thought, call('c1')]);
    const unknown = request([{ ...thought, text: 'mine' } as OutputPart, call('other')]);
    expect(memory.restore('a', unknown, 10)).toBe(unknown);
  });

  it('knows a call again whose arguments came back as an object', () => {
    const memory = new ReasoningMemory({ maxBytes: 10_000, ttlMs: 1000 });
    const written = (text: string) => ({ ...call('c1'), arguments: text }) as OutputPart;
    memory.remember('a', [thought, written('{ "n": 1.0,\n "big": 1e3 }')], 0);
    const { messages } = memory.restore('a', request([written('{"n":1,"big":1000}')]), 10);
    expect(messages[0]?.parts[0]).toEqual(thought);
  });

  it('restores a signature that stood on the call itself', () => {
    const memory = new ReasoningMemory({ maxBytes: 10_000, ttlMs: 1000 });
    const signed = { ...call('c1'), signature: { issuer: 'gemini', value: 'g' } } as OutputPart;
    memory.remember('a', [signed], 0);
    expect(memory.restore('a', request([call('c1')]), 10).messages[0]?.parts).toEqual([signed]);
  });

  it('keeps scopes apart, forgets with time, and stays within its bytes', () => {
    const memory = new ReasoningMemory({ maxBytes: 2000, ttlMs: 1000 });
    memory.remember('a', [thought, call('c1')], 0);
    expect(memory.restore('b', request([call('c1')]), 10).messages[0]?.parts).toHaveLength(1);
    expect(memory.restore('a', request([call('c1')]), 1001).messages[0]?.parts).toHaveLength(1);
    for (let index = 0; index < 100; index++) memory.remember('a', [thought, call(`n${index}`)], 2000);
    expect(memory.bytes).toBeLessThanOrEqual(2000);
    expect(memory.restore('a', request([call('n99')]), 2001).messages[0]?.parts).toHaveLength(2);
    expect(memory.restore('a', request([call('n0')]), 2001).messages[0]?.parts).toHaveLength(1);
  });
});
