import type { DialectReply } from './calls.ts';
import type { DecodeAs, Decoded } from './wire-corpus.ts';

/** Names of our client dialects in the reference decoder. */
const APIS: Readonly<Record<string, string>> = { 'anthropic-messages': 'anthropic' };

/** How a client's answer is to be decoded by the reference decoder. */
export function decodeAs(dialect: string, stream: boolean): DecodeAs {
  const response = stream ? 'answer.sse' : 'answer.json';
  return { api: APIS[dialect] ?? dialect, provider: 'client', stream, status: 200, response };
}

interface ChatBody {
  readonly choices?: readonly {
    readonly index?: number;
    readonly message?: ChatDelta;
    readonly delta?: ChatDelta;
  }[];
}

interface ChatDelta {
  readonly tool_calls?: readonly {
    readonly index?: number;
    readonly custom?: { readonly name?: string; readonly input?: string };
  }[];
}

/**
 * The custom tool calls of a Chat answer, which the reference decoder does not read: their text by position, `undefined`
 * for other calls.
 */
function customCalls(bytes: Buffer): { name: string; input: string }[] {
  const text = bytes.toString('utf8');
  const bodies = text.startsWith('data:')
    ? [...text.matchAll(/^data: (\{.*)$/gm)].map((match) => JSON.parse(match[1] ?? '{}') as ChatBody)
    : [JSON.parse(text) as ChatBody];
  const found: { name: string; input: string }[] = [];
  for (const { choices = [] } of bodies) {
    for (const { message, delta } of choices) {
      for (const [position, call] of ((delta ?? message)?.tool_calls ?? []).entries()) {
        if (call.custom === undefined) continue;
        const at = call.index ?? position;
        const before = found[at] ?? { name: '', input: '' };
        found[at] = {
          name: before.name + (call.custom.name ?? ''),
          input: before.input + (call.custom.input ?? ''),
        };
      }
    }
  }
  return found;
}

/** What a client read, with the custom calls that the reference decoder cannot see. */
export function withCustomCalls(dialect: string, reply: DialectReply, answer: Decoded): Decoded {
  if (dialect !== 'openai-chat' || !reply.bytes.includes('"custom"')) return answer;
  const custom = customCalls(reply.bytes);
  const tools = answer.tools.map((tool, at) => {
    const call = custom[at];
    return call === undefined ? tool : { ...tool, name: call.name, args: { __custom: call.input } };
  });
  return { ...answer, tools };
}

/** The facts compared: what was said, thought, called, why it ended and what it cost. Ids are each dialect's own. */
export function compared(answer: Decoded): object {
  const { text, reasoning, refusal, stop, usage } = answer;
  const tools = answer.tools.map(({ name, args }) => ({ name, args: flat(args) }));
  return { text, reasoning, refusal, stop, usage, tools };
}

/** A custom tool's free text, whether it came as such or as the one field of a function. */
function flat(args: unknown): unknown {
  if (typeof args !== 'object' || args === null || !('__custom' in args)) return args;
  return { input: args.__custom };
}
