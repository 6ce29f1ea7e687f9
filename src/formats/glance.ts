import type { ChatResponse, Finish, OutputPart, Usage } from '../core/model/index.ts';

/**
 * What failover, money and the log have to know of a whole answer that goes to the client as it came. Making the canonical
 * answer for these few facts costs several times as much as reading them.
 */
export interface Glance {
  /** The upstream's id of the answer. */
  readonly id: string | undefined;
  readonly usage: Usage;
  /** How the first choice ended. */
  readonly finish: Finish | undefined;
  /** Model output, text and calls. UTF-8 bytes. */
  readonly outputBytes: number;
  /** There is one choice, and nothing in it. */
  readonly isEmpty: boolean;
}

/** UTF-8 bytes of a call of a tool. */
export function callBytes(name: string, argumentsText: string): number {
  return name.length + Buffer.byteLength(argumentsText);
}

function partBytes(part: OutputPart): number {
  if (part.type === 'tool_call') return callBytes(part.name, part.arguments);
  return 'text' in part ? Buffer.byteLength(part.text) : 0;
}

/** The same of an answer that has been decoded. */
export function glanceAt(response: ChatResponse): Glance {
  const { choices, id, usage } = response;
  let outputBytes = 0;
  let parts = 0;
  for (const choice of choices) {
    parts += choice.parts.length;
    for (const part of choice.parts) outputBytes += partBytes(part);
  }
  return { id, usage, finish: choices[0]?.finish, outputBytes, isEmpty: choices.length === 1 && parts === 0 };
}
