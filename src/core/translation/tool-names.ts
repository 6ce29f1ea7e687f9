import type { ChatRequest, Part } from '../model/index.ts';
import { hashText } from './tool-ids.ts';

/** What a vendor takes as the name of a tool (WIRE §2.1 "tool definition"). */
interface NameRule {
  readonly pattern: RegExp;
  /** Characters kept of a name that is too long; a hash follows. */
  readonly kept: number;
}

/** The known limits: Anthropic's names may be twice as long as OpenAI's and Converse's, Google's hold dots and colons. */
export const NAME_RULES = {
  openai: { pattern: /^[a-zA-Z0-9_-]{1,64}$/, kept: 53 },
  anthropic: { pattern: /^[a-zA-Z0-9_-]{1,128}$/, kept: 115 },
} as const satisfies Record<string, NameRule>;

const { openai: OPENAI } = NAME_RULES;

/** A name that fits: unchanged where it does already, else cleaned, shortened and told apart by a hash of the original. */
export function fitToolName(name: string, { pattern, kept }: NameRule): string {
  if (pattern.test(name)) return name;
  return `${name.replaceAll(/[^a-zA-Z0-9_-]/g, '_').slice(0, kept)}_${hashText(name, 10)}`;
}

const fitted = (name: string): string => fitToolName(name, OPENAI);

function renamed(part: Part): Part {
  const isNamed = part.type === 'tool_call' || (part.type === 'tool_result' && part.name !== undefined);
  if (!isNamed) return part;
  const name = fitted(part.name ?? '');
  return name === part.name ? part : { ...part, name };
}

function misfits({ tools, messages }: ChatRequest): boolean {
  return (
    tools.some((tool) => tool.type !== 'server' && !OPENAI.pattern.test(tool.name)) ||
    messages.some(({ parts }) =>
      parts.some((part) => part.type === 'tool_call' && !OPENAI.pattern.test(part.name)),
    )
  );
}

/** A request whose tool names a vendor with OpenAI's limit takes; the same object where they are such names already. */
export function fitToolNames(request: ChatRequest): ChatRequest {
  if (!misfits(request)) return request;
  const { toolChoice: choice } = request;
  return {
    ...request,
    tools: request.tools.map((tool) =>
      tool.type === 'server' ? tool : { ...tool, name: fitted(tool.name) },
    ),
    messages: request.messages.map((message) => ({ ...message, parts: message.parts.map(renamed) })),
    ...(choice?.type === 'tool' ? { toolChoice: { ...choice, name: fitted(choice.name) } } : {}),
    ...(choice?.type === 'allowed' ? { toolChoice: { ...choice, names: choice.names.map(fitted) } } : {}),
  };
}

/** The client's names of tools that a vendor is sent under another, by that one; `undefined` where it is none. */
export function givenNames(
  request: Pick<ChatRequest, 'tools'> | undefined,
  rule: NameRule,
): ReadonlyMap<string, string> | undefined {
  let names: Map<string, string> | undefined;
  for (const tool of request?.tools ?? []) {
    if (tool.type === 'server' || rule.pattern.test(tool.name)) continue;
    names ??= new Map();
    names.set(fitToolName(tool.name, rule), tool.name);
  }
  return names;
}
